"""Operating points, calibrated answers and right labels on the pages."""

import numpy as np
import pandas as pd
import pytest

from dr_core.analysis.agreement import find_agreement
from dr_core.data.fundus.checks import INPUT_CHECKS
from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.judgement import judge
from dr_core.experiments.operating import find_thresholds
from dr_core.experiments.performance import PERFORMANCE
from dr_core.study.folder import open_study
from dr_ui.parts import within
from dr_ui.parts.answer_cards import agreement_html
from dr_ui.parts.operating_point import OWN, default_operating_point
from dr_ui.shell.studies import DEMO
from tests.app.page_driver import html_of, page_at
from tests.conftest import make_study
from tests.core.experiments.test_trust import CALIBRATION, write_store

PAPER = "grades 3-4 against 0-2"


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trust")
    study, config = make_study(folder / "study"), MeasureConfig(draws=20)
    list(PERFORMANCE.run(study, Inputs(), config))
    list(CALIBRATION.run(study, Inputs(data=write_store(folder / "own", number=60)), config))
    return study


def test_an_operating_point_is_chosen_by_name_and_each_model_has_its_own(monkeypatch, calibrated):
    monkeypatch.setenv("DR_STUDY", str(calibrated.path))
    app = page_at("1_Compare.py").run()
    assert not app.exception
    assert app.selectbox(key="point").value == "specificity 0.9 on own"  # the lab's own eyes lead
    assert app.slider(key="threshold").disabled
    app.selectbox(key="point").set_value("sensitivity 0.9 on noise").run()
    assert not app.exception
    shown = html_of(app)
    for threshold in find_thresholds(calibrated, "sensitivity 0.9", "noise", PAPER).values():
        assert f'title="threshold {threshold:.2f}"' in shown
    assert "At 90 % sensitivity on noise they flag" in shown
    assert "90 % set of grades" in shown
    assert "With another camera there is no guarantee" in shown


def test_performance_offers_what_the_labels_support(monkeypatch, tmp_path):
    study = make_study(tmp_path / "presence")
    study.write_results("predictions", study.read_results("predictions").assign(grade=-1))
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at("5_Performance.py").run()
    assert not app.exception
    assert app.selectbox(key="reading_by_presence").options == ["1-4 (any DR)"]
    shown = html_of(app)
    assert "DR (no grade is known)" in shown
    assert "<td>yes</td>" in shown
    assert "<td>no</td>" in shown
    assert pd.notna(study.read_results("performance")["value"]).any()


def test_calibration_and_sets_stand_on_performance(monkeypatch, calibrated):
    monkeypatch.setenv("DR_STUDY", str(calibrated.path))
    app = page_at("5_Performance.py").run()
    assert not app.exception
    tables = [table.value for table in app.dataframe]
    assert any("calibrated" in table for table in tables)
    assert any("covered" in table for table in tables)
    assert any("entropy" in table for table in tables)


def test_performance_stands_at_a_point_by_name_until_the_slider_is_asked_for(monkeypatch, calibrated):
    monkeypatch.setenv("DR_STUDY", str(calibrated.path))
    app = page_at("5_Performance.py").run()
    assert app.selectbox(key="point").value == "specificity 0.9 on own"  # the lab's own eyes lead
    app.selectbox(key="point").set_value("sensitivity 0.95 on noise").run()
    assert not app.exception
    assert app.slider(key="specificity").disabled
    parts = next(table.value for table in app.dataframe if "eyes of" in table.value)
    reached = calibrated.read_checkpoint_results("operating_points")
    reached = reached[(reached["data"] == "noise") & (reached["reading"] == PAPER)]
    reached = reached[reached["criterion"] == "sensitivity 0.95"].set_index("setup")
    answers = calibrated.read_checkpoint_results("predictions")
    for name, setup in calibrated.setups.items():
        if name in reached.index:
            rows = answers[(answers["setup"] == name) & (answers["data"] == "noise")]
            flagged = (rows["p3"] + rows["p4"] >= reached.loc[name, "threshold"]).mean()
            assert parts[setup.label].iloc[0] == pytest.approx(flagged, abs=0.0005)
    app.selectbox(key="point").set_value(OWN).run()
    assert not app.slider(key="specificity").disabled


def test_sets_are_shown_for_all_and_for_each_grade_on_its_own(monkeypatch, calibrated):
    monkeypatch.setenv("DR_STUDY", str(calibrated.path))
    app = page_at("5_Performance.py").run()
    before = next(table.value for table in app.dataframe if "covered" in table.value)
    assert {"eyes", "set-up", "grades in a set", "severe"} <= set(before)
    app.toggle(key="sets_by_class").set_value(True).run()
    assert not app.exception
    after = next(table.value for table in app.dataframe if "covered" in table.value)
    assert not after.equals(before)


def test_a_model_without_a_curve_says_why(monkeypatch, tmp_path):
    study = make_study(tmp_path / "silent")
    answers = study.read_results("predictions")
    first = next(iter(study.setups))
    study.write_results("predictions", answers[answers["setup"] != first])
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at("5_Performance.py").run()
    assert not app.exception
    captions = [caption.value for caption in app.caption]
    assert f"No curve of {study.setups[first].label}, because: it was not measured on these eyes." in captions
    assert any(text.startswith("Not measured, because no pictures of healthy eyes") for text in captions)


def test_a_warning_says_why_and_what_it_means_for_healthy_eyes():
    study, point = open_study(DEMO), default_operating_point()
    doubtful = within.note_html(study, judge([INPUT_CHECKS["compressed"]], {}), point)
    assert INPUT_CHECKS["compressed"].sentence in doubtful
    assert "refer: 10\N{NO-BREAK SPACE}% (of 188) without a warning, " in doubtful
    assert "with the warning “JPEG blocks”" in doubtful
    assert "other_cameras" not in doubtful  # the data set has a name for people
    outside = within.note_html(study, judge([INPUT_CHECKS["dark"], INPUT_CHECKS["no_fundus"]], {}), point)
    assert outside.index(INPUT_CHECKS["no_fundus"].sentence) > 0  # the worst reason stands beside the answers
    assert "referred" not in outside
    assert within.note_html(study, judge([], {}), point) == ""


def test_agreement_outside_what_the_models_know_is_not_to_be_used():
    study, point = open_study(DEMO), default_operating_point()
    agreement = find_agreement({"ifi_fs": np.eye(5)[4], "ifi_cl": np.eye(5)[4]}, 3, dict.fromkeys(study.setups, 0.5))
    assert "<b>All 2 models agree: referable.</b>" in agreement_html(agreement, point, study.setups)
    grayed = agreement_html(agreement, point, study.setups, grayed=True)
    assert "Not to be used: All 2 models agree: referable." in grayed
    assert "<b>" not in grayed
