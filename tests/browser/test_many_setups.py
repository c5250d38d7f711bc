"""Eight set-ups in a real browser: every heatmap has its panel, cards wrap, and nothing runs over the page's edge."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_small_screens import FAULTS, SMALLEST_TARGET
from tests.copied_study import copy_demo, name_setups

pytestmark = pytest.mark.browser


def test_eight_set_ups_have_room(page, serve, tmp_path):
    study = copy_demo(tmp_path / "study", name_setups(8))
    with serve(study.path, tmp_path / "log.txt") as address:
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(f"{address}/Explain")
        panels = page.locator(".lens-viewer canvas")
        expect(panels).to_have_count(9)
        expect(panels.last).to_have_attribute("data-zoom", "1.000")
        boxes = panels.evaluate_all("all => all.map(one => one.getBoundingClientRect())")
        assert min(box["width"] for box in boxes) >= 150
        assert len({round(box["top"]) for box in boxes}) == 2
        heads = page.get_by_role("region", name="Scores", exact=True).locator("thead tr:last-child th")
        expect(heads).to_have_count(16)
        overlapping = heads.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length")
        assert not overlapping
        page.goto(f"{address}/Compare")
        expect(page.locator(".lens-card")).to_have_count(8)
        for width, columns in ((1366, 4), (390, 2)):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(600)
            lefts = page.locator(".lens-card").evaluate_all(
                "all => all.map(one => Math.round(one.getBoundingClientRect().x))"
            )
            assert len(set(lefts)) == columns
            assert page.evaluate(FAULTS, SMALLEST_TARGET) == []
