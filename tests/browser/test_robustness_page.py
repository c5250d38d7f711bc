import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from dr_core.data.phantom import draw_phantom

pytestmark = pytest.mark.browser


def test_the_slider_moves_picture_and_answers(page, server):
    page.goto(f"{server}/Robustness?family=Digital+(ImageNet-C)&severity=1")
    cards = page.locator(".lens-damage")
    expect(cards.locator(".lens-card")).to_have_count(4)
    expect(page.locator(".lens-swipe .second-name")).to_have_text(re.compile(" 1$"))
    picture, said = page.locator(".lens-swipe .second").get_attribute("src"), cards.text_content()
    page.get_by_role("slider", name="Severity").first.press("End")
    expect(page.locator(".lens-swipe .second-name")).to_have_text(re.compile(" 5$"))
    assert page.locator(".lens-swipe .second").get_attribute("src") != picture
    expect(cards).not_to_have_text(said)
    expect(page).to_have_url(re.compile("severity=5"))


def test_a_photograph_follows_on_every_page_until_it_is_removed(page, server):
    buffer = io.BytesIO()
    Image.fromarray(draw_phantom(4, 300, 5).image).save(buffer, "PNG")
    page.goto(f"{server}/Compare")
    expect(page.locator(".lens-card")).to_have_count(4)
    page.locator("input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    expect(page.locator('.lens-viewer canvas[aria-label*="mine.png"]')).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_text("Robustness").click()
    away = page.get_by_role("button", name="Remove mine.png")
    expect(away).to_be_visible()
    expect(page.locator(".lens-damage .lens-card")).to_have_count(4)
    away.click()
    expect(away).not_to_be_visible()
