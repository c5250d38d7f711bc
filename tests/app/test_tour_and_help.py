"""The tour leads through one eye from page to page; the help page holds the glossary once."""

import pytest

from dr_ui.shell.tour import STEPS
from dr_ui.views.help.screen import find_terms
from tests.app.page_driver import html_of, page_at
from tests.conftest import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.fixture
def app(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    return page_at("7_Help.py").run()


def press(app, key):
    next(one for one in app.button if one.key == key).click()
    return app.run()


def step_of(app):
    """Number of the step that is shown; None where there is no tour."""
    return next((n for n, one in enumerate(STEPS, 1) if f"{n} of {len(STEPS)}: {one.title}." in html_of(app)), None)


def test_the_tour_visits_its_pages_can_be_left_and_begun_anew(app):
    assert step_of(app) is None
    press(app, "tour_start")
    for number in range(1, len(STEPS) + 1):
        assert not app.exception
        assert step_of(app) == number
        if number < len(STEPS):
            press(app, "tour_next")
    press(app, "tour_back")
    assert step_of(app) == len(STEPS) - 1
    press(app, "tour_skip")
    assert step_of(app) is None
    app.switch_page("pages/7_Help.py").run()
    press(app, "tour_start")
    assert step_of(app) == 1
    app.switch_page("home.py").run()
    assert step_of(app) == 1, "it waits where the user has gone"


def test_the_help_page_shows_the_glossary_and_finds_a_term(app):
    shown = "\n".join(block.value for block in app.markdown)
    rows = [
        line for line in GLOSSARY.splitlines() if line.startswith("| ") and not line.startswith(("| term", "| ---"))
    ]
    assert len(rows) > 60
    assert all(row in shown for row in rows)
    app.text_input(key="glossary_search").set_value("Relevance MASS").run()
    shown = "\n".join(block.value for block in app.markdown)
    assert "| relevance mass (RMA) |" in shown
    assert "phantom" not in shown
    app.text_input(key="glossary_search").set_value("no such word").run()
    assert "No entry contains these words." in [caption.value for caption in app.caption]


def test_a_section_without_an_entry_is_left_out():
    head = "| term | meaning |\n| --- | --- |\n"
    text = f"# Glossary\n\n## One\n\n{head}| a | b |\n\n## Two\n\n{head}| c | d |\n"
    assert find_terms(text, "D") == f"### Two\n\n{head}| c | d |"
    assert find_terms(text, "") == text.split("\n", 2)[2].replace("## ", "### ").strip()
    assert find_terms(text, "z") == ""
