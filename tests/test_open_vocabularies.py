"""A fifth set-up, a fifth lesion, new measures and a new experiment: everything lists them, and no file is changed."""

import dataclasses
from contextlib import ExitStack
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dr_cli.main import main
from dr_core.analysis.measures import MEASURES, Measure
from dr_core.analysis.robustness import bootstrap_means
from dr_core.data.fundus import read_fundus
from dr_core.data.grades import LESIONS, Lesion
from dr_core.data.store import open_store
from dr_core.experiments.experiment import Cost, Experiment, Need
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import load_model, save_model
from dr_core.models.setups import SETUPS, Setup, declare_setups
from dr_core.pipeline.drawn_stores import draw_segmented
from dr_core.study.folder import open_study
from dr_core.study.runs import load_runs, name_runs, runs_with_all_labels
from tests.cli.test_measure_commands import write_store
from tests.conftest import make_study

DINO = Setup(name="dino", label="DINO", initialization="fundus", pretraining="dino", partner="iwne_fs")
BEADING = Lesion(name="venous_beading", code="VB", folder="5. Venous Beading", color="#7fff00")

BRIER = Measure(
    name="brier",
    label="Brier score",
    kind="reading",
    compute=lambda eyes: bootstrap_means((eyes.scores - eyes.labels) ** 2, eyes.draws),
    higher_is_better=False,
)
HIT = Measure(
    name="pointing game",
    label="pointing game",
    kind="heatmap",
    compute=lambda maps: maps.mask.flatten(1).gather(1, maps.pooled.flatten(1).argmax(1, keepdim=True))[:, 0].double(),
    higher_is_better=True,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogitsConfig:
    limit: int = describe(0, "largest number of eyes; 0 takes all")


def measure_logits(runs, store, config, units):
    models = load_runs([run for run in runs if run.name in units])
    views = store.read(np.arange(config.limit or len(store))).transpose(0, 2, 3, 1)
    for done, (name, model) in enumerate(models.items(), start=1):
        mean = model.model(model.info.preprocessing.normalize(views)).mean().item()
        rows = pd.DataFrame({"setup": [name], "mean": [mean], "n": [len(views)]})
        yield Report(done=done, total=len(models), units=(name,), tables={"logits": rows})


def plan_logits(study, inputs, config, device):
    runs = runs_with_all_labels(study)
    step = Step(
        name="logits",
        tables=("logits",),
        units=tuple(run.name for run in runs),
        unit="setup",
        facts=(config, [run.stamp for run in runs]),
        measure=partial(measure_logits, runs, open_store(inputs.data), config),
        summarize=lambda rows: {"logits": name_runs(rows["logits"], runs)},
    )
    return [step]


LOGITS = Experiment(
    name="logits",
    label="Mean logits",
    question="How high are the outputs?",
    tables={"logits": {name: name for name in ("setup", "seed", "fraction", "mean", "n")}},
    needs=(Need(kind="eyes"),),
    config=LogitsConfig,
    plan=plan_logits,
    estimate=lambda work, config: Cost(seconds=work.eyes / work.forward, disk=1.0),
)


@pytest.fixture(scope="module")
def extended():
    """The registries with one more member each."""
    with ExitStack() as stack:
        for registry, records in (
            (SETUPS, declare_setups([*SETUPS.values(), DINO])[-1:]),
            (LESIONS, (BEADING,)),
            (MEASURES, (BRIER, HIT)),
            (EXPERIMENTS, (LOGITS,)),
        ):
            stack.enter_context(registry.extended(*records))
        yield


@pytest.fixture(scope="module")
def measured(extended, tmp_path_factory):
    """A study of five set-ups, one of them trained twice, measured by every command."""
    folder = tmp_path_factory.mktemp("open")
    study, store = make_study(folder / "study"), write_store(folder / "eyes", n=10)
    run = study.path / "runs" / "dino-f100-s7"
    run.mkdir(parents=True)
    copied = load_model(study.checkpoint_path("iwne_cl"))
    save_model(run / "best.safetensors", copied.model, dataclasses.replace(copied.info, setup="dino"))
    list(draw_segmented(folder / "idrid", 1, size=192))
    (photograph,) = (folder / "idrid").rglob("IDRiD_01.jpg")
    (masks,) = (folder / "idrid").rglob("2. All Segmentation Groundtruths/*")
    (masks / BEADING.folder).mkdir()
    mask = np.zeros(read_fundus(photograph).shape[:2], np.uint8)
    mask[80:110, 80:110] = 1
    Image.fromarray(mask).save(masks / BEADING.folder / "IDRiD_01_VB.tif")
    given, few = ["--study", str(study.path)], ["--draws", "5"]
    eyes, lesions = ["--data", str(store)], ["--idrid", str(folder / "idrid")]
    damage = ["--corruption", "contrast", "--severity", "2", "--eyes", "5"]
    for command in (
        ["evaluate", *given, *eyes, *few],
        ["spectrum", *given, *eyes, "--image-spectra", "2", "--limit", "2"],
        ["robustness", *given, *eyes, *lesions, *damage, *few],
        ["localize", *given, *lesions, "--protocol", "paper", "--controls", "1", *few],
        ["logits", *given, *eyes, "--limit", "4"],
        ["report", *given],
    ):
        assert main(command) == 0, command
    return open_study(study.path)


def keys(rows):
    return zip(rows["setup"], rows["seed"], strict=True)


def test_every_training_run_is_measured_and_named(measured):
    five = {(setup, 0) for setup in measured.setups} | {("dino", 7)}
    assert len(five) == 6
    for table in ("predictions", "performance", "spectrum", "distributions", "robustness", "robustness_summary"):
        rows = measured.read_results(table)
        assert set(keys(rows[rows["data"] == "eyes"] if "data" in rows else rows)) == five, table
    for table in (
        "localization",
        "localization_summary",
        "knockout",
        "knockout_summary",
        "robustness_heatmaps",
        "logits",
    ):
        assert set(keys(measured.read_results(table))) == five, table
    assert set(measured.read_checkpoint_results("knockout_summary")["seed"]) == {0}
    same = measured.read_results("logits").set_index(["setup", "seed"])["mean"]
    assert same["dino", 7] == pytest.approx(same["iwne_cl", 0])  # the same weights


def test_the_new_measures_are_computed(measured):
    predictions, performance = measured.read_results("predictions"), measured.read_results("performance")
    rows = performance[(performance["measure"] == "brier") & (performance["data"] == "eyes")]
    assert len(rows) == 6 * 3
    row = rows[(rows["setup"] == "dino") & (rows["seed"] == 7) & (rows["reading"] == "grades 2-4 against 0-1")].iloc[0]
    mine = predictions[(predictions["setup"] == "dino") & (predictions["seed"] == 7)]
    score = mine[["p2", "p3", "p4"]].sum(axis=1)
    assert row["value"] == pytest.approx(np.mean((score - (mine["grade"] >= 2)) ** 2))
    scores = measured.read_results("localization")
    assert set(scores.loc[scores["score"] == "pointing game", "value"]) <= {0.0, 1.0}


def test_the_fifth_lesion_is_scored_and_knocked_out(measured):
    assert BEADING.name in set(measured.read_results("localization")["lesion"])
    assert BEADING.name in set(measured.read_results("knockout")["lesion"])
    table = pd.read_csv(measured.path / "results" / "table3_paper.csv", header=0)
    assert "VB" in table.columns
    assert "DINO" in set(table["row"])


def test_the_partner_makes_a_row_of_figure_4(measured):
    rows = measured.read_results("robustness_differences")
    pairs = set(zip(rows["setup"], rows["other"], rows["seed"], strict=True))
    assert pairs == {("iwne_cl", "iwne_fs", 0), ("ifi_cl", "ifi_fs", 0), ("dino", "iwne_fs", 0)}


def test_the_report_shows_them(measured):
    text = (measured.path / "report.html").read_text()
    for shown in ("DINO", "brier", "venous beading"):
        assert shown in text
