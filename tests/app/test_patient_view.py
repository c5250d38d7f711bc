"""Both eyes of a patient on Compare, the mean of the models, and patients on Performance."""

import numpy as np
import pytest

from dr_core.data.fundus import read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.models.prediction import predict_photographs
from dr_ui.parts import tables
from tests.app.page_driver import encoded, html_of, page_at, upload
from tests.app.test_case_list import give_grades
from tests.conftest import make_study

RIGHT, LEFT = (encoded(draw_phantom(grade, 160, seed).image) for grade, seed in ((0, 3), (4, 4)))
GRAY = encoded(np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8))


@pytest.fixture
def shown(monkeypatch):
    found = {}
    monkeypatch.setattr(tables, "show", lambda table, key, **_: found.update({key: table}))
    return found


@pytest.fixture
def app(monkeypatch, tiny_study, shown):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return page_at("1_Compare.py").run()


def test_names_bring_both_eyes_of_a_patient_together(app, tiny_study, shown):
    app.slider(key="threshold").set_value(0.5)
    upload(app, ("7_left.png", LEFT), ("7_right.png", RIGHT), ("8_left.png", LEFT))
    assert not app.exception
    page = html_of(app)
    assert "Patient 7: the worse eye counts" in page
    assert page.index("<figcaption>right eye") < page.index("<figcaption>left eye")
    table = shown["patient"].set_index("set-up")
    models = {setup: tiny_study.load_model(setup) for setup in tiny_study.setups}
    answers = predict_photographs(models, [read_fundus(RIGHT), read_fundus(LEFT)])
    for setup, softmax in answers.items():
        right, left = softmax[:, 3:].sum(axis=1)
        row = table.loc[tiny_study.setups[setup].label]
        assert (row["right eye"], row["left eye"]) == (f"{right:.2f}", f"{left:.2f}")
        word = "▲ referable" if max(right, left) >= 0.5 else "▽ not referable"
        assert row["patient"] == f"{word}, {max(right, left):.2f}"
    mean = np.mean(list(answers.values()), axis=0)
    assert table.loc["mean of the models", "left eye"] == f"{mean[1, 3:].sum():.2f}"
    assert f"({100 * mean[1].max():.0f} %), probability of grades 3-4 <b>{mean[1, 3:].sum():.2f}</b>" in page


def test_an_eye_that_cannot_be_judged_is_said_and_clears_nobody(app, shown):
    app.slider(key="threshold").set_value(0.95)
    upload(app, ("7 OD.png", RIGHT), ("7 OS.png", GRAY))
    assert not app.exception
    table = shown["patient"]
    assert (table["left eye"] == "no answer").all()
    for score, patient in zip(table["right eye"], table["patient"], strict=True):
        word = "▲ referable" if float(score) >= 0.95 else "○ not cleared"
        assert patient == f"{word}, {score} (left eye: no answer)"
    assert table["patient"].str.startswith("○").any()
    assert "<figcaption>left eye · cannot be judged</figcaption>" in html_of(app)
    assert any("The left eye cannot be judged" in caption.value for caption in app.caption)


def test_a_table_says_which_eyes_belong_together(app, shown):
    upload(app, ("a.png", RIGHT), ("b.png", LEFT))
    assert "patient" not in shown
    give_grades(app, b"image,patient,side\na,<b>P1</b>,left\nb,<b>P1</b>,right\n")
    assert not app.exception
    assert list(shown["patient"])[2:] == ["right eye", "left eye"]
    assert "Patient &lt;b&gt;P1&lt;/b&gt;" in html_of(app)


def test_performance_measures_patients(monkeypatch, tmp_path, shown):
    study = make_study(tmp_path / "study")
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at("5_Performance.py").run()
    assert not app.exception
    assert "patients" not in shown
    assert any("each eye counts as a patient" in caption.value for caption in app.caption)
    predictions = study.read_results("predictions")
    number = predictions.groupby("setup").cumcount()
    study.write_results("predictions", predictions.assign(patient=(number // 2).astype(str)))
    app.run()
    assert not app.exception
    assert len(shown["patients"]) == len(study.setups)
    assert any(f"{number.max() // 2 + 1} patients" in caption.value for caption in app.caption)
