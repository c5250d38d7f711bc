import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_performance_opens_by_address_and_restores_its_point(page, server):
    page.goto(server + "/Performance?specificity=0.7&reading=any+DR")
    expect(page.locator(".lens-card")).to_have_count(4)
    expect(page.locator(".lens-card").first).to_contain_text("missed")
    expect(page.get_by_role("slider")).to_have_value("0.7")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.get_by_role("tab", name="Where they disagree").click()
    expect(page.get_by_text("spread is the largest minus the smallest")).to_be_visible()


def test_representations_name_the_command_where_nothing_is_computed(page, server):
    page.goto(server + "/Representations")
    expect(page.get_by_text("This study has no spectra yet")).to_be_visible()
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
