"""Three visits from their first click to their last: a clinician, a reviewer and a student, each in few clicks."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from dr_core.data.phantom import draw_phantom
from tests.browser.conftest import finish_run

pytestmark = pytest.mark.browser

COVERED = """() => {
  const shown = (one) => one.getBoundingClientRect().width && getComputedStyle(one).opacity !== "0";
  const bars = [...document.querySelectorAll("[data-testid=stElementToolbar]")].filter(shown);
  const ours = [...document.querySelectorAll("button, a[href], input, textarea, [role=radio], .lens-small")]
    .filter((one) => shown(one) && !one.closest("[data-testid=stElementToolbar]"));
  return bars.flatMap((bar) => {
    const a = bar.getBoundingClientRect();
    return ours.filter((one) => {
      const b = one.getBoundingClientRect();
      return b.left < a.right - 1 && b.right > a.left + 1 && b.top < a.bottom - 1 && b.bottom > a.top + 1;
    }).map((one) => one.outerHTML.slice(0, 200));
  });
}"""
"""What of ours lies under a toolbar of Streamlit that is shown."""


class Visitor:
    """Somebody who clicks, and whose clicks are counted; pressing a key and typing is none.

    Args:
        page: The browser's page.
    """

    def __init__(self, page):
        self.page = page
        self.clicks = 0

    def click(self, role, name):
        """Click what has this role and name, as a screen reader would say it."""
        self.page.get_by_role(role, name=name).first.click()
        self.clicks += 1
        self.settle()

    def give(self, uploader, *files):
        """Give files to an uploader: one click opens the choice, and it is closed with the other."""
        self.page.locator(uploader).locator("input[type=file]").set_input_files(files)
        self.clicks += 2
        self.settle()

    def settle(self):
        """Wait until nothing is computed."""
        finish_run(self.page)


@pytest.fixture
def visitor(page):
    return Visitor(page)


@pytest.fixture
def photographs(tmp_path):
    files = [tmp_path / f"{name}.png" for name in ("anna", "bert", "carla")]
    for number, file in enumerate(files):
        Image.fromarray(draw_phantom(2 + number, 240, number).image).save(file)
    return files


def photograph(page, name):
    return page.locator(f'[data-testid=stMain] [alt*="{name}"], [data-testid=stMain] [aria-label*="{name}"]').first


def test_a_clinician_compares_own_eyes_and_takes_the_session_along(visitor, demo_server, demo_info, photographs):
    page = visitor.page
    page.goto(f"{demo_server}/Compare")
    expect(page.locator(".lens-card")).to_have_count(len(demo_info.setups))
    visitor.give(".st-key-photographs", *photographs)
    expect(page.get_by_text("3 eyes.")).to_be_visible()
    page.locator("body").press("n")
    expect(photograph(page, "bert.png")).to_be_visible()
    chooser = page.locator(".st-key-side_by_side input")
    for name in ("anna", "carla"):
        chooser.fill(name)
        chooser.press("Enter")
        chooser.press("Escape")  # closes the choice, which hides the rest of the page from screen readers
        visitor.settle()
    expect(page.locator(".lens-beside figure")).to_have_count(2)
    visitor.click("link", "Robustness")
    expect(page.locator(".lens-damage")).to_be_visible()
    visitor.click("link", "Compare")
    expect(page.locator(".lens-beside figure")).to_have_count(2)
    visitor.click("button", "Session file")
    with page.expect_download() as download:
        visitor.click("button", "Save the session")
    saved = download.value.path().read_text()
    assert all(file.name in saved for file in photographs)
    assert all(file.name not in page.url for file in photographs)
    assert visitor.clicks <= 6
    page.keyboard.press("Escape")
    for width, height in ((1366, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.locator("[data-testid=stMain] [data-testid=stDataFrame]").first.hover()
        expect(page.locator("[data-testid=stMain] [data-testid=stElementToolbar]").first).to_be_visible()
        page.wait_for_timeout(300)
        assert page.evaluate(COVERED) == []


def test_a_reviewer_follows_a_claim_to_single_eyes(visitor, demo_server, demo_info):
    page = visitor.page
    page.goto(demo_server)
    visitor.click("link", "Does the paper hold?")
    expect(page.locator(".lens-claims").first).to_be_visible()
    visitor.click("link", "Performance")
    expect(page.locator(".lens-eyes").first).to_be_visible()
    visitor.click("button", "Add eyes")
    visitor.click("combobox", "Test eyes of the study")
    visitor.click("option", "Malaysia")
    visitor.click("button", "Add these eyes")
    expect(page.get_by_text("174 eyes, without pictures")).to_be_visible()
    visitor.click("link", "Compare")
    expect(page.get_by_text("is not on this machine").first).to_be_visible()
    expect(page.locator(".lens-card .lens-verdict")).to_have_count(len(demo_info.setups))
    assert visitor.clicks <= 7


def test_a_student_takes_the_tour_and_looks_a_word_up(visitor, demo_server):
    page = visitor.page
    page.goto(demo_server)
    visitor.click("button", "Take the tour")
    for number, marked in enumerate((".lens-cards", ".st-key-severity", ".st-key-explain", ".lens-scores"), 1):
        expect(page.locator(".lens-tour")).to_contain_text(f"{number} of 5")
        expect(page.locator(marked).first).to_have_css("outline-style", "solid")
        visitor.click("button", "Next step")
    expect(page.locator(".lens-tour")).to_contain_text("5 of 5: The verdict.")
    expect(page.locator(".lens-counts").first).to_have_css("outline-style", "solid")
    expect(page).to_have_url(re.compile("/Reproduction"))
    visitor.click("button", "Finish")
    expect(page.locator(".lens-tour")).to_have_count(0)
    visitor.click("link", "Help")
    page.get_by_label("Find a term").fill("relevance mass")
    page.get_by_label("Find a term").press("Enter")
    expect(page.locator(".st-key-glossary tbody tr")).to_have_count(1)
    expect(page.locator(".st-key-glossary")).to_contain_text("Share of all relevance that lies on the lesions.")
    assert visitor.clicks <= 7
