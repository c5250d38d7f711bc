import re
from html import unescape

import pytest
from playwright.sync_api import expect

from dr_core.publish.paper.review import CLAIMS

pytestmark = pytest.mark.browser


def test_performance_opens_by_address_and_restores_its_point(page, server):
    page.goto(server + "/Performance?specificity=0.7&reading=1-4+(any+DR)")
    expect(page.locator(".lens-card")).to_have_count(4)
    expect(page.locator(".lens-card").first).to_contain_text("not flagged")
    expect(page.get_by_role("slider").first).to_have_value("0.7")
    expect(page.locator(".lens-operating svg")).to_have_attribute("aria-valuenow", "0.7")
    expect(page.get_by_text("spread is the largest minus the smallest")).to_be_visible()


def test_dragging_the_point_moves_all_set_ups_before_it_is_let_go(page, demo_server, demo_info):
    page.goto(demo_server + "/Performance")
    cards, chart = page.locator(".lens-card"), page.locator(".lens-operating svg")
    expect(cards).to_have_count(len(demo_info.setups))
    expect(page.locator(".lens-eyes")).to_be_visible()  # the page is whole: nothing moves any more
    before = cards.all_inner_texts()
    area = chart.bounding_box()
    page.mouse.move(area["x"] + 0.3 * area["width"], area["y"] + 150)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.8 * area["width"], area["y"] + 150, steps=4)
    expect(chart).not_to_have_attribute("aria-valuenow", "0.9")
    moved = cards.all_inner_texts()
    assert all(now != then for now, then in zip(moved, before, strict=True))
    page.mouse.up()
    expect(page.get_by_role("slider").first).not_to_have_value("0.9")
    assert float(chart.get_attribute("aria-valuenow")) < 0.5
    assert cards.all_inner_texts() == moved
    assert "specificity=" in page.evaluate("location.href")
    chart.focus()
    page.keyboard.press("PageUp")
    assert cards.all_inner_texts() != moved


def test_an_eye_of_the_list_opens_in_compare_with_the_same_numbers(page, demo_server, demo_info):
    page.goto(demo_server + "/Performance")
    row = page.locator(".lens-eyes tbody tr").first
    expect(row.locator("img")).to_be_visible()
    name = row.locator("th").inner_text()
    scores = row.locator("td").all_inner_texts()[2:-1]
    page.get_by_role("link", name="in Compare").click()
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    expect(page.locator(".lens-card")).to_have_count(len(demo_info.setups))
    expect(page.locator(".lens-verdict b")).to_have_text(scores)
    page.get_by_role("button", name="Samples").click()
    expect(page.get_by_role("radio", name="severe")).to_be_visible()


def test_representations_of_the_demo(page, demo_server):
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(demo_server + "/Representations")
    expect(page.locator(".js-plotly-plot").first).to_contain_text("Initialization: ImageNet")
    expect(page.locator(".js-plotly-plot").first).to_contain_text("layer4")
    page.get_by_text("within each eye (first layer)").click()
    page.get_by_role("tab", name="Distribution fit (Table 2)").click()
    expect(page.get_by_text("the paper: 1.45")).to_be_visible()
    expect(page.get_by_text(re.compile(r"the 6[34]\d\d values")).first).to_be_visible()
    assert not errors


def test_representations_name_the_command_where_nothing_is_computed(page, server):
    page.goto(server + "/Representations")
    expect(page.get_by_text("has no table of spectrum yet")).to_be_visible()
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()


def test_claims_open_and_the_report_comes_in_both_forms(page, demo_server):
    page.goto(demo_server + "/Reproduction?place=Table+2")
    rows = page.get_by_role("region", name="Claims and verdicts").locator("tbody tr")
    expect(rows).to_have_count(len([claim for claim in CLAIMS if claim.exhibit == "Table 2"]))
    expect(page.get_by_text("This study cannot confirm or refute the paper.")).to_be_visible()
    row = rows.filter(has_text="IWNE has alpha (by distfit").first
    row.locator("summary").click()
    expect(row.get_by_text("IWNE-FS: alpha - 1.16")).to_be_visible()
    page.get_by_role("button", name="Report").click()
    with page.expect_download() as html:
        page.get_by_role("button", name="HTML").click()
    assert "The paper's claims on this study" in unescape(html.value.path().read_text())
    with page.expect_download() as pdf:
        page.get_by_role("button", name="PDF").click()
    assert pdf.value.path().read_bytes().startswith(b"%PDF-")
    assert pdf.value.suggested_filename == "demo_study-report.pdf"


def test_a_restarted_server_gives_the_same_view_to_the_same_link(page, serve, free_port, tiny_study, tmp_path):
    port = free_port()
    with serve(tiny_study.path, tmp_path / "first.txt", port=port) as address:
        page.goto(address + "/Compare?sample=severe&threshold=0.3")
        cards = page.locator(".lens-cards")
        expect(cards).to_contain_text("referable")
        before = cards.inner_text()
        link = page.url
    with serve(tiny_study.path, tmp_path / "second.txt", port=port):
        page.goto(link)
        expect(cards).to_contain_text("referable")
        assert cards.inner_text() == before
        expect(page.get_by_role("radio", name="severe")).to_be_checked()
        page.get_by_role("button", name="Operating point").click()
        expect(page.get_by_role("slider").first).to_have_value("0.3")
    assert "Traceback" not in (tmp_path / "first.txt").read_text() + (tmp_path / "second.txt").read_text()
