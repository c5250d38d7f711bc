"""Operating points, calibrated answers and right labels on the pages."""

import pandas as pd
import pytest

from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.operating import find_thresholds
from dr_core.experiments.performance import PERFORMANCE
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
    assert "With another camera the guarantee is void" in shown


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
