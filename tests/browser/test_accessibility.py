"""No page has a violation that axe-core (Deque) calls serious or critical, in either theme, in any of its tabs."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from dr_ui.studies import DEMO

pytestmark = pytest.mark.browser

PAGES = {
    "": ".lens-card",
    "Compare": ".lens-card .lens-verdict",
    "Robustness": ".lens-card",
    "Explain": "table.lens-scores",
    "Representations": ".js-plotly-plot",
    "Performance": ".lens-eyes",
    "Reproduction": ".lens-claims",
}
"""Page -> what is there when it is whole."""


@pytest.fixture(scope="module")
def demo_server(serve, tmp_path_factory):
    """Address of an app that runs on the shipped study."""
    with serve(DEMO, tmp_path_factory.mktemp("accessible") / "log.txt") as address:
        yield address


@pytest.fixture
def open_page(browser):
    """A page into which axe-core may be put, against the app's own Content-Security-Policy."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def grave(page):
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], node["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_violation(open_page, demo_server, name):
    page = open_page
    page.emulate_media(color_scheme="light")
    page.goto(f"{demo_server}/{name}")
    expect(page.locator(PAGES[name]).first).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    assert grave(page) == []
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        assert grave(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", "rgb(20, 24, 29)")
    assert grave(page) == []
