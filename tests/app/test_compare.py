import numpy as np
import pytest

from dr_core.data.fundus import KINDS, read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.models.prediction import predict_photographs
from dr_ui.eyes.choice import FIRST_SAMPLE, SAMPLES
from tests.app.page_driver import encoded, html_of, page_at, upload


@pytest.fixture
def page(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return page_at("1_Compare.py")


def test_cold_it_shows_a_phantom_and_four_answers(page, tiny_study):
    app = page.run()
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    grade, seed = SAMPLES[FIRST_SAMPLE]
    models = {setup: tiny_study.load_model(setup) for setup in tiny_study.setups}
    for softmax in predict_photographs(models, [draw_phantom(grade, 768, seed).image]).values():
        assert f"grade {softmax[0].argmax()}, {100 * softmax[0].max():.0f} %" in shown
        assert f"{softmax[0][3:].sum():.2f}</b>" in shown  # the paper's reading, large
        assert f"{softmax[0][2:].sum():.2f}</span>" in shown  # the other, small
    assert shown.count('class="lens-card lens-') == 4
    assert "field of view" in shown


@pytest.mark.parametrize("reading", ["3-4 (paper)", "2-4 (ICDR)"])
@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.95])
def test_threshold_and_reading_move_the_verdict(page, tiny_study, reading, threshold):
    app = page.run()
    app.slider(key="threshold").set_value(threshold)
    shown = html_of(app.segmented_control(key="reading").set_value(reading).run())
    lowest, (grade, seed) = int(reading[0]), SAMPLES[FIRST_SAMPLE]
    models = {setup: tiny_study.load_model(setup) for setup in tiny_study.setups}
    answers = predict_photographs(models, [draw_phantom(grade, 768, seed).image])
    ayes = sum(softmax[0][lowest:].sum() >= threshold for softmax in answers.values())
    assert shown.count("▲ referable</span>") == ayes
    assert shown.count("▽ not referable</span>") == 4 - ayes
    assert f"has grade {reading[:3]}" in shown
    assert f"threshold {threshold:.2f} on" in shown
    assert ("All 4 models agree" if ayes in (0, 4) else f"4 models: {ayes} say") in shown


def test_a_link_restores_the_view(page):
    page.query_params["sample"] = "mild"
    page.query_params["threshold"] = "0.3"
    page.query_params["view"] = "as the models see it"
    app = page.run()
    assert app.segmented_control(key="sample").value == "mild"
    assert app.slider(key="threshold").value == 0.3
    assert 'alt="phantom, mild, as the models see it"' in html_of(app)


def test_a_link_with_nonsense_still_opens(page):
    page.query_params["sample"] = "no such sample"
    page.query_params["threshold"] = "seven"
    app = page.run()
    assert not app.exception
    assert not app.error
    assert "phantom, " in html_of(app)


def test_an_upload_is_answered_like_the_core_answers(page, tiny_study):
    content = encoded(draw_phantom(4, 300, 77).image)
    app = upload(page.run(), ("my eye.png", content))
    assert not app.exception
    models = {setup: tiny_study.load_model(setup) for setup in tiny_study.setups}
    for softmax in predict_photographs(models, [read_fundus(content)]).values():
        assert f"{100 * softmax[0].max():.0f} %" in html_of(app)
    assert "my eye.png" in html_of(app)
    assert "300 × 300 px" in html_of(app)


def test_a_file_name_is_text_and_never_html(page):
    app = upload(page.run(), ('"><img src=x onerror=alert(1)>.png', encoded(draw_phantom(1, 160, 5).image)))
    assert "<img src=x" not in html_of(app)


def test_a_bad_file_gets_one_sentence_and_the_session_lives(page):
    app = upload(page.run(), ("eye.jpg", b"not an image at all"))
    assert not app.exception
    assert len(app.error) == 1
    assert f"must be a {KINDS} file" in app.error[0].value
    app = upload(app, ("good.png", encoded(draw_phantom(0, 200, 1).image)))
    assert not app.error
    assert "good.png" in html_of(app)


def test_many_eyes_give_a_table_and_a_bad_one_is_left_out(page):
    files = [(f"eye{seed}.png", encoded(draw_phantom(seed, 160, seed).image)) for seed in range(3)]
    app = upload(page.run(), *files, ("broken.png", b"\x89PNG\r\n\x1a\n"))
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["eye"]) == ["eye0.png", "eye1.png", "eye2.png"]
    assert table["P IFI-CL"].between(0, 1).all()
    assert "broken.png" in app.warning[0].value
    assert 'alt="eye0.png, as taken"' in html_of(app)


def test_many_files_of_which_none_is_an_image(page):
    app = upload(page.run(), ("a.png", b"a"), ("b.png", b"b"))
    assert not app.exception
    assert "a.png" in app.warning[0].value
    assert "b.png" in app.warning[0].value
    assert "lens-card" not in html_of(app).split("</style>")[-1]


def test_a_photograph_that_is_no_eye_is_warned_of_and_answered(page):
    sky = np.zeros((200, 300, 3), np.uint8)
    sky[:, :, 2] = 200
    app = upload(page.run(), ("sky.png", encoded(sky)))
    assert not app.error
    assert "may not be a fundus photograph" in html_of(app)
    assert html_of(app).count('class="lens-answer"') == 4


def test_a_study_that_is_replaced_while_it_is_open_is_noticed(monkeypatch, tmp_path, tiny_study):
    import shutil

    folder = tmp_path / "replaced"
    shutil.copytree(tiny_study.path, folder)
    monkeypatch.setenv("DR_STUDY", str(folder))
    app = page_at("1_Compare.py").run()
    before = html_of(app)
    other = (folder / "checkpoints" / "ifi_cl.safetensors").read_bytes()
    (folder / "checkpoints" / "ifi_cl.safetensors").unlink()
    app.run()
    assert "no checkpoint of IFI-CL" in html_of(app)
    (folder / "checkpoints" / "ifi_cl.safetensors").write_bytes(other)
    assert html_of(app.run()) == before


def test_without_models_the_command_is_named(monkeypatch, tmp_path, tiny_study):
    from dr_core.study.folder import write_study_info

    write_study_info(tmp_path / "bare", tiny_study.info)
    monkeypatch.setenv("DR_STUDY", str(tmp_path / "bare"))
    app = page_at("1_Compare.py").run()
    assert "no trained model yet" in app.error[0].value
    assert "train_cli.py finetune" in app.error[0].value


def test_an_unexpected_error_shows_a_number_and_keeps_the_eye_out_of_the_log(page, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no such operator")

    app = page.run()
    monkeypatch.setattr("dr_ui.eyes.cache.assess_quality", fail)
    app = upload(app, ("patient 4711.png", encoded(draw_phantom(2, 150, 3).image)))
    assert not app.exception
    assert app.error[0].value.split()[-1].rstrip(".") in caplog.text
    assert "no such operator" in caplog.text
    assert "4711" not in caplog.text


def test_two_masks_of_one_lesion_do_not_keep_an_eye_from_its_answers(page):
    phantom = draw_phantom(3, 160, 5)
    mask = encoded(phantom.masks["haemorrhages"])
    app = upload(page.run(), ("a.png", encoded(phantom.image)), ("a_HE.png", mask), ("a_HE.tif", mask))
    assert not app.exception
    assert not app.error
    assert "lens-card" in html_of(app)
