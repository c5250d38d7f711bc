"""What a user has chosen and uploaded follows from page to page, until the user changes or removes it."""

import pytest
from streamlit.testing.v1 import AppTest

from dr_core.data.phantom import draw_phantom
from tests.app.page_driver import encoded, html_of, upload
from tests.conftest import ROOT


@pytest.fixture
def app(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return AppTest.from_file(ROOT / "home.py", default_timeout=120)


def eyes(*names):
    return [(name, encoded(draw_phantom(4, 200, seed).image)) for seed, name in enumerate(names)]


def removal(app):
    return [button for button in app.button if button.key == "remove_uploads"]


def test_an_upload_stays_on_every_way_until_it_is_removed(app):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("mine.png"))
    assert 'alt="mine.png, as taken"' in html_of(app)
    assert not removal(app), "where it was uploaded its own cross removes it"
    for page in ("pages/2_Robustness.py", "pages/4_Representations.py", "pages/1_Compare.py"):
        app.switch_page(page).run()
        assert not app.exception
    assert 'alt="mine.png, as taken"' in html_of(app)
    removal(app)[0].click().run()
    assert "mine.png" not in html_of(app)
    assert not removal(app)


def test_what_the_user_takes_out_of_the_uploader_is_gone_on_every_page(app):
    app.switch_page("pages/1_Compare.py").run()
    upload(app, *eyes("mine.png"))
    upload(app)
    assert "mine.png" not in html_of(app)
    app.switch_page("pages/2_Robustness.py").run()
    assert not removal(app)


def test_the_chosen_one_of_several_eyes_the_threshold_and_the_reading_follow(app):
    app.switch_page("pages/2_Robustness.py").run()
    upload(app, *eyes("first.png", "second.png"))
    app.selectbox(key="which").set_value(1).run()
    app.slider(key="threshold").set_value(0.3).run()
    app.segmented_control(key="reading").set_value("2-4 (ICDR)").run()
    app.switch_page("pages/1_Compare.py").run()
    assert 'alt="second.png, as taken"' in html_of(app)
    assert app.slider(key="threshold").value == pytest.approx(0.3)
    assert app.segmented_control(key="reading").value == "2-4 (ICDR)"
    app.switch_page("pages/2_Robustness.py").run()
    assert app.selectbox(key="which").value == 1
