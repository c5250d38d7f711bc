"""Every page on a phone, a tablet, a laptop and a large screen: nothing is clipped, and everything can be hit."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PAGES = ["", "Compare", "Robustness", "Explain", "Representations", "Performance", "Reproduction", "Help"]
WIDTHS = {390: 844, 820: 1180, 1366: 768, 1920: 1080}
SMALLEST_TARGET = 24
"""Pixels, WCAG 2.2, 2.5.8."""

FAULTS = """smallest => {
  const faults = [];
  const main = document.querySelector("[data-testid=stMain]");
  const beyond = main.scrollWidth - main.clientWidth;
  if (beyond > 1) faults.push(`the page scrolls sideways by ${beyond} px`);
  const shadows = [...main.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean);
  const controls = [main, ...shadows].flatMap((root) =>
    [...root.querySelectorAll("button, [role=radio], [role=slider], select, input[type=checkbox], summary, " +
      "[data-testid=stPageLink] a")]);
  for (const one of controls.filter(shown)) {
    const seen = one.closest("label") ?? one;
    const target = seen.getBoundingClientRect();
    const name = (one.getAttribute("aria-label") || one.innerText || one.className).trim().slice(0, 40);
    if (Math.min(target.width, target.height) < smallest - 0.5)
      faults.push(`"${name}" is ${target.width} x ${target.height} px`);
    const edge = clipOf(seen)?.getBoundingClientRect();
    if (edge && (target.right > edge.right + 1 || target.left < edge.left - 1)) faults.push(`"${name}" is cut off`);
  }
  for (const one of main.querySelectorAll("[class*=lens-] *"))
    if (getComputedStyle(one).textOverflow === "ellipsis" && one.scrollWidth > one.clientWidth + 1)
      faults.push(`"${one.innerText.slice(0, 40)}" is cut short`);
  return faults;

  function shown(one) {
    const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    const ours = !one.closest("[data-testid=stElementToolbar], [data-testid=stTooltipIcon], [role=grid]");
    return ours && box.width && box.height && style.visibility !== "hidden" && style.opacity !== "0";
  }

  function clipOf(one) {
    for (let above = one.parentElement; above; above = above.parentElement) {
      const overflow = getComputedStyle(above).overflowX;
      if (above.matches("[role=region], [role=tablist], [data-testid=stMain]")) return null; // they scroll, and show it
      if (overflow !== "visible") return above;
    }
    return null;
  }
}"""
"""What is wrong with the controls of the page, one sentence each."""


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_clipped_and_everything_can_be_hit(page, demo_server, name):
    page.goto(f"{demo_server}/{name}")
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
    expect(page.locator('[data-stale="true"]')).to_have_count(0)
    faults = {}
    for theme, widths in (("light", sorted(WIDTHS)), ("dark", sorted(WIDTHS, reverse=True))):  # one load of the page
        page.emulate_media(color_scheme=theme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": WIDTHS[width]})
            for _ in range(4):  # what moves is looked at again once it rests
                page.wait_for_timeout(400)
                found = page.evaluate(FAULTS, SMALLEST_TARGET)
                if not found:
                    break
            else:
                faults[theme, width] = found
            assert page.evaluate(SHOWN_THEME) == theme
    assert not faults


SHOWN_THEME = "getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme"
