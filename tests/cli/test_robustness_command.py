import numpy as np
import pytest
import torch

from dr_cli.main import main
from dr_core.corruption import corrupt
from dr_core.data.store import open_store
from dr_core.experiments.answers import ANSWERS
from dr_core.models.prediction import predict_views
from dr_core.seeds import derive_seed
from dr_core.study.folder import open_study
from tests.cli.test_measure_commands import write_store
from tests.conftest import make_study

LEVELS = ["--corruption", "gaussian_noise", "--corruption", "contrast", "--severity", "1", "--severity", "4.5"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A study, and the store on which two shards of a run that was killed and repeated measured it."""
    folder = tmp_path_factory.mktemp("robust")
    study, store = make_study(folder / "study"), write_store(folder / "eyes", n=40)
    command = ["robustness", "--study", str(study.path), "--data", str(store), "--draws", "30", *LEVELS]
    assert main([*command, "--shard", "2/2"]) == 0
    assert not study.has_results("robustness")
    assert main([*command, "--shard", "1/2"]) == 0
    return open_study(study.path), open_store(store), command


def test_every_eye_damage_and_model_has_a_row(measured):
    study, store, _ = measured
    rows = study.read_results("robustness")
    assert len(rows) == 40 * 4 * (1 + 2 * 2)
    assert rows[ANSWERS].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    row = rows[(rows["eye"] == "eye-17") & (rows["setup"] == "ifi_cl") & (rows["severity"] == 4.5)].iloc[0]
    image = torch.from_numpy(store.images[17:18].copy())
    damaged = corrupt(image, row["corruption"], 4.5, derive_seed(0, "damage", "eye-17"))
    alone = predict_views(study.load_model("ifi_cl"), damaged.permute(0, 2, 3, 1).numpy())[0]
    assert row[ANSWERS].to_numpy(float) == pytest.approx(alone, abs=1e-5)


def test_the_summary_follows_from_the_rows(measured):
    study, _, _ = measured
    rows, summary = study.read_results("robustness"), study.read_results("robustness_summary")
    cell = {"corruption": "contrast", "severity": 1.0, "setup": "ifi_fs"}

    def of(table, **wanted):
        return table[np.logical_and.reduce([table[key] == value for key, value in wanted.items()])]

    answers = of(rows, **cell).sort_values("eye")
    clean = of(rows, corruption="clean", setup="ifi_fs").sort_values("eye")
    true = np.mean([row[f"p{row['grade']}"] for _, row in answers.iterrows()])
    assert of(summary, measure="score of the true grade", **cell)["value"].item() == pytest.approx(true)
    referable = [table[ANSWERS[2:]].sum(axis=1).to_numpy() >= 0.5 for table in (clean, answers)]
    assert of(summary, measure="flip rate", **cell)["value"].item() == pytest.approx(
        np.mean(referable[0] != referable[1])
    )
    assert of(summary, measure="flip rate", corruption="clean")["value"].max() == 0
    errors = of(summary, measure="corruption error")
    assert of(errors, setup="iwne_fs")["value"].to_numpy() == pytest.approx(1)  # relative to itself
    mean = of(errors, setup="ifi_cl", corruption="all")["value"].item()
    assert mean == pytest.approx(
        errors[(errors["setup"] == "ifi_cl") & (errors["corruption"] != "all")]["value"].mean()
    )


def test_figure_4_is_contrastive_minus_supervised(measured):
    study, _, _ = measured
    rows, figure = study.read_results("robustness"), study.read_results("robustness_differences")
    assert len(figure) == 2 * 5
    true = rows.assign(true=[row[f"p{row['grade']}"] for _, row in rows.iterrows()])
    means = true.groupby(["setup", "corruption", "severity"])["true"].mean()
    for row in figure.itertuples():
        cl, fs = (means[f"{row.initialization}_{training}", row.corruption, row.severity] for training in ("cl", "fs"))
        assert row.value == pytest.approx(cl - fs, abs=1e-6)
        assert row.low <= row.value <= row.high


def test_a_run_that_is_done_measures_nothing_again(measured):
    study, _, command = measured
    parts = list((study.path / "results" / "parts").rglob("*.parquet"))
    before = [part.stat().st_mtime_ns for part in parts]
    assert main([*command, "--shard", "1/2"]) == 0
    assert [part.stat().st_mtime_ns for part in parts] == before


def test_heatmaps_are_held_against_the_clean_eye(shared_data, tmp_path):
    study = make_study(tmp_path / "study")
    root = tmp_path / "idrid"
    for path in (shared_data / "idrid").rglob("IDRiD_01*.*"):
        copy = root / path.relative_to(shared_data / "idrid")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
    assert main(["robustness", "--study", str(study.path), "--idrid", str(root), *LEVELS]) == 0
    rows = open_study(study.path).read_results("robustness_heatmaps")
    assert len(rows) == 4 * 5
    assert rows[rows["corruption"] == "clean"]["rank_correlation"].to_numpy() == pytest.approx(1)
    damaged = rows[rows["corruption"] != "clean"]["rank_correlation"]
    assert (damaged < 1).all()
    assert rows["mass"].between(0, 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs prepared, graded eyes, eyes with lesion masks, or both"),
        (["--data", "{store}", "--corruption", "gausian_noise"], "gaussian_noise"),
        (["--data", "{store}", "--severity", "6"], "at most 5"),
        (["--data", "{store}", "--severity", "0"], "above 0"),
        (["--data", "{store}", "--eyes", "99"], "`eyes` must be 1 to 6"),
        (["--data", "{small}"], "prepare them with 64 px"),
        (["--idrid", "{store}"], "A. Segmentation"),
    ],
)
def test_bad_input_is_one_sentence(tiny_study, tmp_path, capsys, arguments, message):
    places = {"store": write_store(tmp_path / "eyes", n=6), "small": write_store(tmp_path / "small", n=6, size=32)}
    filled = [argument.format(**places) for argument in arguments]
    assert main(["robustness", "--study", str(tiny_study.path), *filled]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
