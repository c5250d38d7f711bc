"""No page has a violation that axe-core (Deque) calls serious or critical, and the tab key meets every control."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import emptied, finish_run, open_tab

pytestmark = pytest.mark.browser

PAGES = {
    "": ".lens-card",
    "Compare": ".lens-card .lens-verdict",
    "Robustness": ".lens-card",
    "Explain": "table.lens-scores",
    "Representations": ".js-plotly-plot",
    "Performance": ".lens-eyes",
    "Reproduction": ".lens-claims",
    "Help": ".st-key-glossary table",
}
"""Page -> what is there when it is whole."""


@pytest.fixture(scope="module")
def axe_tab(browser):
    """A tab into which axe-core may be put, against the app's own Content-Security-Policy."""
    with open_tab(browser, bypass_csp=True) as tab:
        yield tab


@pytest.fixture
def open_page(axe_tab):
    """A page in it."""
    with emptied(axe_tab):
        yield axe_tab


def grave(page, part=None):
    found = Axe().run(page, part).response["violations"]
    return [
        (one["id"], node["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


CONTROLS = """() => {
    const shown = one => {
        const box = one.getBoundingClientRect();
        return box.width > 0 && box.height > 0 && getComputedStyle(one).visibility !== "hidden"
            && !one.disabled && !one.closest("[aria-hidden=true], details:not([open]) > :not(summary)");
    };
    const kinds = "button, a[href], input, select, textarea, summary, [role=slider], [role=tab], [tabindex='0']";
    return [...document.querySelectorAll(kinds)].filter(shown);
}"""
MISSED = f"""() => ({CONTROLS})().filter(one => {{
    const group = one.closest("[role=radiogroup], [role=tablist]");  // one stop, then the arrow keys
    return !one.closest("[data-met]") && !one.querySelector("[data-met]") && !group?.querySelector("[data-met]");
}}).map(one => one.outerHTML.slice(0, 200))"""


def missed_by_tab(page):
    """Controls that are not met on the way through the page by the tab key."""
    page.evaluate("document.addEventListener('focusin', event => { event.target.dataset.met = 1; })")
    for _ in range(page.evaluate(f"({CONTROLS})().length") + 20):
        page.keyboard.press("Tab")
    return page.evaluate(MISSED)


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_violation(open_page, demo_server, name):
    page = open_page
    page.goto(f"{demo_server}/{name}")
    expect(page.locator(PAGES[name]).first).to_be_visible()
    finish_run(page)
    assert grave(page) == []
    assert missed_by_tab(page) == []
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        assert grave(page, "[data-testid=stTabs]") == []  # nothing else has changed
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", "rgb(20, 24, 29)")
    finish_run(page)  # another theme is another run
    assert grave(page) == []


def test_answers_are_had_by_keys_alone(open_page, demo_server):
    page = open_page
    page.goto(f"{demo_server}/Compare")
    expect(page.locator(".lens-verdict").first).to_be_visible()
    answers = page.locator(".lens-cards")
    before = answers.inner_text()
    page.get_by_role("radio", checked=True).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(answers).not_to_have_text(before)
    page.get_by_role("button", name="Operating point").focus()
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider").first
    finish_run(page)
    slider.focus()
    value = slider.input_value()
    page.keyboard.press("ArrowRight")
    expect(slider).not_to_have_value(value)
