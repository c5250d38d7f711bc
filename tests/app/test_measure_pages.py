import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dr_core.study.folder import write_study_info
from dr_core.study.spectra import SpectrumConfig, measure_spectra
from tests.conftest import ROOT, make_study


def page_of(monkeypatch, study, name):
    monkeypatch.setenv("DR_STUDY", str(study))
    return AppTest.from_file(ROOT / "pages" / name, default_timeout=60).run()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    study, store = make_study(folder / "study"), folder / "eyes"
    store.mkdir()
    np.save(store / "images.npy", np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), np.uint8))
    pd.DataFrame({"eye": ["a", "b"]}).to_parquet(store / "index.parquet")
    list(measure_spectra(study, store, None, SpectrumConfig()))
    return study


def test_performance_shows_all_four_and_moves_with_the_slider(monkeypatch, tiny_study):
    app = page_of(monkeypatch, tiny_study.path, "5_Performance.py")
    assert not app.exception
    assert not app.error
    before = " ".join(element.proto.body for element in app.get("html"))
    assert before.count("<section") == 4
    app.slider(key="specificity").set_value(0.55).run()
    after = " ".join(element.proto.body for element in app.get("html"))
    assert not app.exception
    assert after != before


def test_representations_show_every_part(monkeypatch, measured):
    app = page_of(monkeypatch, measured.path, "4_Representations.py")
    assert not app.exception
    assert not app.error
    assert len(app.selectbox(key="layer").options) == 52
    assert any("Fewer positions than channels" in caption.value for caption in app.caption)


@pytest.mark.parametrize(
    ("name", "command"), [("4_Representations.py", "train_cli.py spectrum"), ("5_Performance.py", "train_cli.py evalu")]
)
def test_without_tables_the_command_is_named(monkeypatch, tmp_path, tiny_study, name, command):
    write_study_info(tmp_path / "bare", tiny_study.info)
    app = page_of(monkeypatch, tmp_path / "bare", name)
    assert not app.exception
    assert command in app.info[0].value


def test_one_class_is_said(monkeypatch, tmp_path):
    study = make_study(tmp_path / "one")
    study.write_results("predictions", study.read_results("predictions").assign(grade=0))
    app = page_of(monkeypatch, study.path, "5_Performance.py")
    assert not app.exception
    assert "one class" in app.warning[0].value
