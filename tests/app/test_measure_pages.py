import shutil

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dr_core.experiments.experiment import Inputs
from dr_core.experiments.spectrum import SPECTRUM
from dr_core.models.setups import SETUPS
from dr_core.study.folder import open_study
from dr_ui.parts import roc_chart
from tests.app.page_driver import html_of
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
    list(SPECTRUM.run(study, Inputs(data=store)))
    return study


def test_performance_shows_all_four_and_moves_with_the_slider(monkeypatch, tiny_study):
    app = page_of(monkeypatch, tiny_study.path, "5_Performance.py")
    assert not app.exception
    assert not app.error
    before = groups(app)
    assert list(before["eyes of"][:2]) == ["all", "grade 0, no DR"]
    app.slider(key="specificity").set_value(0.55).run()
    assert not app.exception
    after = groups(app)
    labels = ["IWNE-FS", "IWNE-CL", "IFI-FS", "IFI-CL"]
    assert (after[labels].iloc[0] >= before[labels].iloc[0]).all()  # a lower threshold calls more eyes
    assert not after[labels].equals(before[labels])


def groups(app):
    """The table of parts of the eyes."""
    return next(table.value for table in app.dataframe if "eyes of" in table.value)


def test_the_browser_gets_what_happens_at_every_stop():
    labels, scores = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    (model,) = roc_chart.message({"ifi_fs": (labels, scores)}, SETUPS)
    assert (model["label"], model["line"], model["filled"]) == ("IFI-FS", "dashed", False)
    assert len(model["points"]) == len(roc_chart.STOPS) == 101
    assert model["points"][50] == (0.35, 2, 0, 1, 1)
    assert model["points"][100] == (0.8, 1, 1, 0, 2)
    (blind,) = roc_chart.message({"ifi_fs": (labels, -scores)}, SETUPS)
    assert blind["points"][100] == (None, 0, 2, 0, 2)


def test_photographs_that_were_judged_make_parts_of_their_own(monkeypatch, tmp_path):
    study = make_study(tmp_path / "judged")
    assert not any("half" in name for name in groups(page_of(monkeypatch, study.path, "5_Performance.py"))["eyes of"])
    eyes = study.read_results("predictions")[["data", "eye"]].drop_duplicates()
    numbers = np.arange(len(eyes))
    warned = np.where(numbers == 0, "dark", "")
    study.write_results(
        "eyes", eyes.assign(side="", sharpness=numbers, luminance=50.0, warnings=warned, store="", row=numbers)
    )
    parts = groups(page_of(monkeypatch, study.path, "5_Performance.py")).set_index("eyes of")["number"]
    assert parts["photograph with a warning"] == 1
    assert parts["blurrier half"] + parts["sharper half"] == parts["all"]


def test_representations_show_every_part(monkeypatch, measured):
    app = page_of(monkeypatch, measured.path, "4_Representations.py")
    assert not app.exception
    assert not app.error
    assert len(app.selectbox(key="layer").options) == 52
    assert any("Fewer positions than channels" in caption.value for caption in app.caption)


@pytest.mark.parametrize(
    ("name", "command"), [("4_Representations.py", "train_cli.py spectrum"), ("5_Performance.py", "train_cli.py evalu")]
)
def test_without_tables_the_command_is_named(monkeypatch, tmp_path, name, command):
    study = make_study(tmp_path / "bare")
    shutil.rmtree(study.path / "results")
    app = page_of(monkeypatch, study.path, name)
    assert not app.exception
    assert command in app.info[0].value


def test_one_class_is_said(monkeypatch, tmp_path):
    study = make_study(tmp_path / "one")
    study.write_results("predictions", study.read_results("predictions").assign(grade=0))
    app = page_of(monkeypatch, study.path, "5_Performance.py")
    assert not app.exception
    assert "one class" in app.warning[0].value


def test_a_constant_layer_is_named_and_not_drawn(monkeypatch, tmp_path, measured):
    study = make_study(tmp_path / "flat")
    for table in ("spectrum", "eigenvalues"):
        rows = measured.read_results(table)
        flat = rows["layer"] == "conv1"
        changes = {"rank": 0, "condition": np.nan} if table == "spectrum" else {"eigenvalue": 0.0}
        for column, value in changes.items():
            rows.loc[flat, column] = value
        study.write_results(table, rows)
    app = page_of(monkeypatch, study.path, "4_Representations.py")
    assert not app.exception
    assert any("Constant, rank 0, not drawn: conv1" in caption.value for caption in app.caption)
    assert any("there is no spectrum" in info.value for info in app.info)


def test_representations_shows_which_lesions_each_network_knows(monkeypatch, tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "study")
    study = open_study(tmp_path / "study")
    assert "concepts --study" in " ".join(
        caption.value for caption in page_of(monkeypatch, study.path, "4_Representations.py").caption
    )
    about = {"setup": "ifi_cl", "seed": 0, "fraction": 100, "lesion": "hard_exudates", "auc_untrained": 0.7}
    about |= {"effect": 0.009, "effect_low": 0.002, "effect_high": 0.008, "positives": 20, "n": 60}
    rows = [about | {"block": block, "auc": auc} for block, auc in (("layer1.0", 0.95), ("layer4.2", 0.85))]
    study.write_results("concepts", pd.DataFrame(rows))
    app = page_of(monkeypatch, study.path, "4_Representations.py")
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    assert '<td class="lens-best">0.95 layer1.0<small>▼ +0.90 (+0.20 to +0.80)</small></td>' in shown
    assert app.selectbox(key="concept").options == ["hard exudates"]


def test_representations_shows_how_alike_the_set_ups_are(monkeypatch, tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "study")
    study = open_study(tmp_path / "study")
    page = page_of(monkeypatch, study.path, "4_Representations.py")
    assert "similarity --study" in " ".join(caption.value for caption in page.caption)
    names = ("iwne_cl", "ifi_fs", "ifi_cl")
    alike = {frozenset(names[:2]): 0.9, frozenset(names[1:]): 0.2, frozenset(names[::2]): 0.4}
    rows = [
        {"setup": setup, "other": other, "block": block, "other_block": other_block, "n": 40, "reason": ""}
        | {"value": alike.get(frozenset((setup, other)), 1.0) - 0.2 * (block != other_block) - 0.1 * (block > "layer2")}
        for setup in names
        for other in names
        for block in ("layer1.0", "layer4.2")
        for other_block in ("layer1.0", "layer4.2")
    ]
    empty = {"other": "", "block": "", "other_block": "", "value": np.nan, "n": 0, "reason": "It is <b>no ResNet</b>."}
    run = {"data": "noise", "seed": 0, "fraction": 100}
    table = pd.DataFrame([*rows, {"setup": "iwne_fs"} | empty])
    study.write_results("similarity", table.assign(**run))
    starts = [{"setup": "ifi_fs", "block": "layer1.0", "value": 0.7, "n": 40, "reason": ""}]
    starts.append(
        {"setup": "iwne_cl", "block": "", "value": np.nan, "n": 0, "reason": "It started from random weights."}
    )
    study.write_results("similarity_starts", pd.DataFrame(starts).assign(**run))
    app = page_of(monkeypatch, study.path, "4_Representations.py")
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    assert "<b>IWNE-CL and IFI-FS</b> are the most similar: CKA <b>0.85</b>" in shown
    assert "IFI-FS and IFI-CL the least (0.15)" in shown
    assert "least similar in block layer4.2 (0.40)" in shown
    assert "IWNE-FS: no answer, because It is &lt;b&gt;no ResNet" in shown
    assert "IWNE-CL against the start: no answer. It started from random weights." in shown
    app.selectbox(key="similarity_of").set_value("ifi_cl").run()
    assert not app.exception


def test_representations_shows_what_pretrainings_learned(monkeypatch, tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "study")
    study = open_study(tmp_path / "study")
    about = {"data": "noise", "run": "simclr-<s0>", "n": 40, "positives": 12, "warning": "", "weights": ""}
    values = {("random weights", 0): 0.5, ("pretraining", 5): 0.6, ("pretraining", 10): 0.8}
    rows = [
        about
        | {"method": "simclr" * (features == "pretraining"), "features": features, "epoch": epoch, "probe": probe}
        | {"reading": reading, "value": value, "low": value - 0.1, "high": value + 0.1}
        for (features, epoch), value in values.items()
        for probe in ("linear", "neighbors")
        for reading in ("grades 3-4 against 0-2", "any DR")
    ]
    reason = "The eyes are <b>few</b>."
    rows[-1] |= {"value": np.nan, "low": np.nan, "high": np.nan, "warning": reason}
    study.write_results("probes", pd.DataFrame(rows))
    app = page_of(monkeypatch, study.path, "4_Representations.py")
    assert not app.exception
    assert not app.error
    sentence = "<b>SimCLR (simclr-&lt;s0&gt;)</b> ends at 0.80 after 10 epochs, above random weights (0.50)."
    assert sentence in html_of(app)
    app.selectbox(key="probe").set_value("neighbors").run()
    app.selectbox(key="probe_reading").set_value("any DR").run()
    assert not app.exception
    shown = html_of(app)
    assert "No answer: The eyes are &lt;b&gt;few&lt;/b&gt;." in shown
    assert "ends at 0.60 after 5 epochs, not distinguishable from random weights (0.50)." in shown
