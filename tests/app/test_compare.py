import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dr_core.data.fundus import read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.models.prediction import predict_photographs
from dr_ui.compare import SAMPLES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return AppTest.from_file(ROOT / "pages" / "1_Compare.py", default_timeout=60)


def html_of(app):
    return " ".join(element.proto.body for element in app.get("html"))


def encoded(image, form="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def upload(app, *files):
    app.file_uploader[0].set_value([(name, content, "image/png") for name, content in files])
    return app.run()


def test_cold_it_shows_a_phantom_and_four_answers(page, tiny_study):
    app = page.run()
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    image = draw_phantom(*(SAMPLES["severe"][0], 768, SAMPLES["severe"][1])).image
    models = {setup: tiny_study.load_model(setup) for setup in tiny_study.info.setups}
    for softmax in predict_photographs(models, [image]).values():
        assert f"{100 * softmax[0].max():.0f} %" in shown
    assert "models" in shown
    assert "field of view" in shown


def test_threshold_and_reading_move_the_verdict(page):
    app = page.run()
    low = app.slider[0].set_value(0.05).run()
    first = html_of(low).count("▲ referable")
    high = app.slider[0].set_value(0.95).run()
    assert first >= html_of(high).count("▲ referable")
    assert "from 0.95 on" in html_of(high)
    app.segmented_control[0].set_value("2-4 (ICDR)").run()
    assert "grade 2-4" in html_of(app)


def test_a_link_restores_the_view(page):
    page.query_params["sample"] = "mild"
    page.query_params["threshold"] = "0.3"
    app = page.run()
    assert app.selectbox[0].value == "mild"
    assert app.slider[0].value == 0.3


def test_an_upload_is_answered_like_the_core_answers(page, tiny_study):
    content = encoded(draw_phantom(4, 300, 77).image)
    app = upload(page.run(), ("my eye.png", content))
    assert not app.exception
    models = {setup: tiny_study.load_model(setup) for setup in tiny_study.info.setups}
    for softmax in predict_photographs(models, [read_fundus(content)]).values():
        assert f"{100 * softmax[0].max():.0f} %" in html_of(app)
    assert "my eye.png" in html_of(app)


def test_a_bad_file_gets_one_sentence_and_the_session_lives(page):
    app = upload(page.run(), ("eye.jpg", b"not an image at all"))
    assert not app.exception
    assert len(app.error) == 1
    assert "must be a JPEG, PNG or TIFF" in app.error[0].value
    app = upload(app, ("good.png", encoded(draw_phantom(0, 200, 1).image)))
    assert not app.error


def test_many_eyes_give_a_table_and_a_bad_one_is_left_out(page):
    files = [(f"eye{seed}.png", encoded(draw_phantom(seed, 160, seed).image)) for seed in range(3)]
    app = upload(page.run(), *files, ("broken.png", b"\x89PNG\r\n\x1a\n"))
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["eye"]) == ["eye0.png", "eye1.png", "eye2.png"]
    assert table["P IFI-CL"].between(0, 1).all()
    assert "broken.png" in app.warning[0].value


def test_a_photograph_that_is_no_eye_is_warned_of_and_answered(page):
    sky = np.zeros((200, 300, 3), np.uint8)
    sky[:, :, 2] = 200
    app = upload(page.run(), ("sky.png", encoded(sky)))
    assert not app.error
    assert "may not be a fundus photograph" in html_of(app)


def test_without_models_the_command_is_named(monkeypatch, tmp_path, tiny_study):
    from dr_core.study.folder import write_study_info

    write_study_info(tmp_path / "bare", tiny_study.info)
    monkeypatch.setenv("DR_STUDY", str(tmp_path / "bare"))
    app = AppTest.from_file(ROOT / "pages" / "1_Compare.py", default_timeout=60).run()
    assert "no trained model yet" in app.error[0].value
    assert "train_cli.py demo" in app.error[0].value
