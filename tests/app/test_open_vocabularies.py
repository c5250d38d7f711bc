"""Members that are added to the registries, and studies of other set-ups, are on every page; no file knows the list."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from dr_core.analysis.measures import MEASURES, Measure
from dr_core.data.grades import LESIONS, READINGS, Lesion, Reading
from dr_core.data.phantom import draw_phantom
from dr_core.data.store import Store
from dr_core.experiments.answers import summarize
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.robustness import RobustnessConfig, compare_training, damage_eyes, summarize_robustness
from dr_core.experiments.spectrum import SPECTRUM
from dr_core.models.setups import PAPER, SETUPS, Setup, declare_setups
from tests.app.page_driver import encoded, html_of, page_at, upload
from tests.conftest import ROOT, make_study

WITHOUT_CHARTS = ("1_Compare", "3_Explain", "6_Reproduction", "7_Help")
PAGES = ["home.py", *sorted(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))]

FIFTH = Setup(
    name="retina_dino",
    label="Retina-DINO <5>",
    initialization="unlabeled retinas",
    pretraining="dino",
    summary="DINO on retinas, then finetuned on labeled eyes.",
    partner="ifi_fs",
)
LESION = Lesion(name="venous_beading", code="VB", folder="5. Venous Beading", color="#ff00ff")
READING = Reading(
    name="grade 4 against 0-3", label="4 (proliferative)", positive_from=4, referable=True, source="this test"
)
EXPERIMENT = Experiment(
    name="logits",
    label="Mean <logits>",
    question="How high are the outputs?",
    tables={"logits": {name: name for name in ("setup", "seed", "fraction", "mean")}},
    needs=(Need(kind="eyes"),),
    config=dict,
    plan=lambda study, inputs, config, device: [],
    estimate=lambda work, config: Cost(seconds=0.0, disk=1.0),
)
MEASURE = Measure(
    name="mean_score",
    label="mean predicted probability",
    kind="reading",
    compute=lambda eyes: np.full_like(MEASURES["calibration_error"].compute(eyes), eyes.scores.mean()),
    higher_is_better=None,
)


def study_of(folder, setups):
    """A study with every table that a page reads and that is quick to compute."""
    study, store = make_study(folder / "study", declare_setups(setups)), folder / "eyes"
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 64, 64), np.uint8)
    index = pd.DataFrame({"eye": list("abcdef"), "patient": list("uuvvww"), "grade": [0, 1, 2, 3, 4, 0]})
    config = RobustnessConfig(corruptions=("contrast",), severities=(2,), draws=5)
    rows = pd.concat(
        [report.rows for report in damage_eyes("noise", study.load_models(), Store(images, index), config)]
    )
    study.write_results("robustness", rows)
    study.write_results("robustness_summary", summarize_robustness(rows, config, next(iter(study.setups))))
    differences = compare_training(rows, config, study.setups.values())
    if not differences.empty:
        study.write_results("robustness_differences", differences)
    store.mkdir()
    np.save(store / "images.npy", images[:2])
    index.iloc[:2].to_parquet(store / "index.parquet")
    list(SPECTRUM.run(study, Inputs(data=store)))
    return study


def opened(monkeypatch, study, page, **query):
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at(page.removeprefix("pages/"))
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, (page, app.exception)
    assert not app.error, (page, app.error[0].value)
    return app


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A study of five set-ups, measured while the registries have one member more each."""
    with (
        SETUPS.extended(FIFTH),
        LESIONS.extended(LESION),
        READINGS.extended(READING),
        MEASURES.extended(MEASURE),
        EXPERIMENTS.extended(EXPERIMENT),
    ):
        study = study_of(tmp_path_factory.mktemp("extended"), [*PAPER, FIFTH])
        rows = {"setup": list(study.setups), "seed": 0, "fraction": 1.0, "mean": 0.25}
        study.write_results("logits", pd.DataFrame(rows))
        study.write_results("performance", summarize(study.read_results("predictions")))
        yield study


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_one_more_of_everything(monkeypatch, extended, page):
    app = opened(monkeypatch, extended, page)
    shown = html_of(app)
    assert "<5>" not in shown, "a label from a study's file is escaped"
    if "Reproduction" not in page:  # there the paper speaks of its own four
        assert "four models" not in shown
    if page in ("home.py", "pages/1_Compare.py", "pages/2_Robustness.py"):
        assert shown.count('aria-label="Retina-DINO &lt;5&gt;"') == 1
        assert f".lens-setup-retina_dino {{ --hue: {extended.setups['retina_dino'].color}" in shown


@pytest.mark.parametrize("page", PAGES)
def test_no_chart_takes_a_label_for_markup(monkeypatch, extended, page):
    app = opened(monkeypatch, extended, page)
    charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    assert charts or page in ["home.py", *(f"pages/{name}.py" for name in WITHOUT_CHARTS)]
    assert all("<5>" not in json.dumps(chart) for chart in charts)


def test_the_experiment_is_listed_and_its_table_opens(monkeypatch, extended):
    app = opened(monkeypatch, extended, "home.py")
    shown = html_of(app)
    assert "Mean &lt;logits&gt;" in shown
    assert EXPERIMENT.question in shown
    assert "measured: 1 of 1 tables" in shown
    app.selectbox(key="table_of_study").set_value("logits").run()
    assert list(app.dataframe[-1].value["mean"]) == [0.25] * len(extended.setups)


def test_the_lesion_is_asked_for_outlined_and_measured(monkeypatch, extended):
    phantom = draw_phantom(3, 300, 5)
    app = opened(monkeypatch, extended, "pages/3_Explain.py")
    assert "eye_VB.tif" in app.file_uploader[0].help
    mask = np.zeros((300, 300), np.uint8)
    mask[140:160, 140:160] = 255
    upload(app, ("eye.png", encoded(phantom.image)), ("eye_VB.png", encoded(mask)))
    assert not app.error
    assert re.search(r">VB\b", html_of(app))


def test_the_reading_and_the_measure_are_offered(monkeypatch, extended):
    app = opened(monkeypatch, extended, "pages/1_Compare.py")
    assert app.segmented_control(key="reading").options[-1] == READING.label
    app = opened(monkeypatch, extended, "pages/5_Performance.py")
    assert READING.label in app.selectbox(key="reading").options
    tables = [table.value for table in app.dataframe if "measure" in table.value]
    assert any(MEASURE.label in list(table["measure"]) for table in tables)
    assert all(FIFTH.label in table.columns for table in tables)


def test_figure_4_compares_the_fifth_with_its_partner(monkeypatch, extended):
    app = opened(monkeypatch, extended, "pages/2_Robustness.py", damaged="Many eyes: Figure 4")
    assert "Retina-DINO &lt;5&gt; scores clearly higher than IFI-FS" in html_of(app)
