import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from dr_core.data.fundus import KINDS
from dr_core.data.phantom import draw_phantom

pytestmark = pytest.mark.browser

SETUPS = ("IWNE-FS", "IWNE-CL", "IFI-FS", "IFI-CL")


@pytest.mark.parametrize("path", ["/", "/Compare"])
def test_every_page_opens_by_its_address_and_asks_no_other_host(page, server, path):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2] if "://" in request.url else ""))
    page.goto(server + path)
    for setup in SETUPS:
        expect(
            page.get_by_role("region", name=setup).or_(page.locator(f"section[aria-label={setup}]")).first
        ).to_be_visible()
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
    assert hosts - {""} == {server.split("/")[2]}


def test_four_answers_fit_the_first_screen(page, server):
    page.goto(server + "/Compare")
    cards = page.locator(".lens-card")
    expect(cards).to_have_count(4)
    for card in cards.all():
        box = card.bounding_box()
        assert box["y"] + box["height"] < 768
        assert box["x"] + box["width"] <= 1366
    expect(page.locator(".lens-agree")).to_be_in_viewport()


def test_a_real_eye_is_uploaded_and_answered(page, server, shared_data):
    folder = shared_data / "idrid" / "A. Segmentation" / "1. Original Images" / "a. Training Set"
    page.goto(server + "/Compare")
    expect(page.locator(".lens-card")).to_have_count(4)
    page.set_input_files("input[type=file]", folder / "IDRiD_01.jpg")
    expect(page.locator('.lens-viewer canvas[aria-label*="IDRiD_01.jpg"]')).to_be_visible()
    expect(page.locator(".lens-answer")).to_have_count(4)
    expect(page.locator(".lens-quality")).to_contain_text("4288 × 2848 px")


def test_a_bad_file_is_a_sentence_and_the_page_goes_on(page, server, tmp_path):
    (tmp_path / "eye.jpg").write_text("this is no image")
    page.goto(server + "/Compare")
    expect(page.locator(".lens-card")).to_have_count(4)
    page.set_input_files("input[type=file]", tmp_path / "eye.jpg")
    expect(page.get_by_role("alert").filter(has_text=f"must be a {KINDS} file")).to_be_visible()
    page.get_by_role("button", name="Remove eye.jpg").or_(
        page.locator('[data-testid="stFileUploaderDeleteBtn"] button')
    ).first.click()
    expect(page.locator(".lens-card")).to_have_count(4)


def test_a_changed_view_is_in_the_link_and_the_link_restores_it(page, server):
    page.goto(server + "/Compare?reading=2-4+(ICDR)&sample=mild")
    expect(page.locator(".lens-agree")).to_contain_text("grade 2-4")
    expect(page.locator('.lens-viewer canvas[aria-label*="phantom, mild"]')).to_be_visible()
    page.get_by_role("radio", name="moderate").or_(page.get_by_role("button", name="moderate")).first.click()
    expect(page.locator('.lens-viewer canvas[aria-label*="phantom, moderate"]')).to_be_visible()
    expect(page).to_have_url(re.compile("sample=moderate"))
    page.goto(page.url)
    expect(page.locator('.lens-viewer canvas[aria-label*="phantom, moderate"]')).to_be_visible()
    expect(page.locator(".lens-agree")).to_contain_text("grade 2-4")


def test_nothing_jumps_when_another_eye_is_chosen(page, server):
    """Between two samples without a warning, which would push the cards down."""
    page.goto(server + "/Compare?sample=moderate")
    expect(page.locator('.lens-viewer canvas[aria-label*="phantom, moderate"]')).to_be_visible()
    expect(page.locator(".lens-card")).to_have_count(4)
    before = [card.bounding_box() for card in page.locator(".lens-card").all()]
    page.get_by_role("radio", name="mild").or_(page.get_by_role("button", name="mild")).first.click()
    expect(page.locator('.lens-viewer canvas[aria-label*="phantom, mild"]')).to_be_visible()
    assert [card.bounding_box() for card in page.locator(".lens-card").all()] == before


def test_many_eyes_are_a_table_and_an_upload_is_never_in_the_link(page, server, tmp_path):
    for seed in range(3):
        Image.fromarray(draw_phantom(seed, 200, seed).image).save(tmp_path / f"eye-{seed}.png")
    page.goto(server + "/Compare")
    expect(page.locator(".lens-card")).to_have_count(4)
    page.set_input_files("input[type=file]", [tmp_path / f"eye-{seed}.png" for seed in range(3)])
    expect(page.get_by_text("3 eyes.")).to_be_visible()
    expect(page.locator('.lens-viewer canvas[aria-label*="eye-0.png"]')).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download this table (CSV)").click()
    taken = pd.read_csv(download.value.path())
    assert list(taken["eye"].unique()) == ["eye-0.png", "eye-1.png", "eye-2.png"]
    assert len(taken) == 3 * 4
    assert np.allclose(taken[[f"p{grade}" for grade in range(5)]].sum(axis=1), 1)
    assert set(taken["link"]) == {page.url}
    assert "eye-" not in page.url
