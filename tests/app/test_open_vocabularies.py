"""Members that are added to the registries, and studies of other set-ups, are on every page; no file knows the list."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from dr_core.analysis.measures import MEASURES, Measure
from dr_core.data.grades import LESIONS, READINGS, Lesion, Reading
from dr_core.data.store import Store
from dr_core.experiments.answers import summarize
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.robustness import RobustnessConfig, compare_training, damage_eyes, summarize_robustness
from dr_core.experiments.spectrum import SPECTRUM
from dr_core.models.setups import PAPER, SETUPS, Setup, declare_setups
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT, make_study

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
    study.write_results("robustness_summary", summarize_robustness(rows, config))
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
    ):
        study = study_of(tmp_path_factory.mktemp("extended"), [*PAPER, FIFTH])
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


def test_the_reading_the_lesion_and_the_measure_are_offered(monkeypatch, extended):
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


@pytest.mark.parametrize("number", [2, 8])
def test_a_study_of_two_or_eight_set_ups_opens_on_every_page(monkeypatch, tmp_path, number):
    others = [dataclasses.replace(FIFTH, name=f"other_{at}", label=f"Other {at}") for at in range(6)]
    study = study_of(tmp_path, [PAPER[2], PAPER[3], *others][:number])
    for page in PAGES:
        app = opened(monkeypatch, study, page)
        if page in ("home.py", "pages/1_Compare.py"):
            assert html_of(app).count('<section class="lens-card') == number
