"""How long a hand waits, in a real browser: from an address, an upload, or a key, until the page shows the answer.

Starts the real server on the demo study and drives it by Chromium, one user on an otherwise idle machine. Each page is
measured from its address to its answer, in turn with a Streamlit page that writes one line, on a server that has just
started and later. Photographs are phantoms enlarged to 4288x2848, a new one each time, with three masks of the same
size where masks are given; these waits have no peer, and a JSON line stands beside its aim where there is one.

    python benchmarks/browser.py [--rounds 5]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.compare import encode_photograph, enlarge
from benchmarks.load import start_server
from benchmarks.page_times import measure_pages
from dr_core.data.grades import lesion_code, total_lesions
from dr_core.data.phantom import draw_phantom
from dr_core.publish.pdf import find_browser

AIMS = {
    "upload_to_answers": 0.8,
    "threshold_to_answers": 0.3,
    "severity_to_answers": 0.5,
    "upload_to_heatmaps": 1.2,
    "next_case_to_heatmaps": 0.6,
    "upload_with_masks_to_scores": None,
}
"""Seconds; None where no aim was set."""

_FIRST_SEED = 500

File = dict[str, str | bytes]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    eyes = iter([draw_files(_FIRST_SEED + number) for number in range(4 * (rounds + 1) + 1)])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
        for line in measure_pages(browser, rounds):
            print(json.dumps(line))
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        expect.set_options(timeout=60_000)
        with start_server() as (address, _):
            for name, seconds in measure(page, address, eyes, rounds):
                print(json.dumps(describe(name, seconds[1:])))  # the first one is a warm-up
        browser.close()


def draw_files(seed: int) -> list[File]:
    """A photograph of an eye with lesions, and its masks of MA, HE and EX."""
    name, phantom = f"eye-{seed}", draw_phantom(3, 1024, seed)
    files: list[File] = [{"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": encode_photograph(phantom.image)}]
    for lesion in total_lesions():
        mask = enlarge(255 * phantom.masks[lesion].astype(np.uint8), cv2.INTER_NEAREST)
        png = cv2.imencode(".png", mask)[1].tobytes()
        files.append({"name": f"{name}_{lesion_code(lesion)}.png", "mimeType": "image/png", "buffer": png})
    return files


def measure(page: Page, address: str, eyes: Iterator[list[File]], rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Each wait, one more time than `rounds`."""
    repeated = range(rounds + 1)
    yield "upload_to_answers", [upload_to_answers(page, address, next(eyes)[:1]) for _ in repeated]
    page.goto(f"{address}/Compare")
    page.get_by_role("button", name="Operating point").click()
    yield "threshold_to_answers", [press(page, "Referable from", ".lens-agree") for _ in repeated]
    page.goto(f"{address}/Robustness?severity=1")
    yield "severity_to_answers", [press(page, "Severity", ".lens-damage") for _ in repeated]
    yield "upload_to_heatmaps", [upload_to_heatmaps(page, address, next(eyes)[:1]) for _ in repeated]
    give(page, [file for _ in range(rounds + 2) for file in next(eyes)[:1]])
    yield "next_case_to_heatmaps", [next_case(page) for _ in repeated]
    yield "upload_with_masks_to_scores", [upload_to_heatmaps(page, address, next(eyes)) for _ in repeated]


def settle(page: Page) -> None:
    """Wait until the page rests, as a person does who reads it."""
    page.wait_for_timeout(500)
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    page.wait_for_timeout(1000)


def timed(act: Callable[[], None], seen: Callable[[], None]) -> float:
    """Seconds from an act until it is seen."""
    started = time.perf_counter()
    act()
    seen()
    return time.perf_counter() - started


def give(page: Page, files: list[File]) -> None:
    """Upload files."""
    page.set_input_files("input[type=file]", files)


def upload_to_answers(page: Page, address: str, files: list[File]) -> float:
    """From the upload until picture and four answers are those of the new eye."""
    page.goto(f"{address}/Compare?sample=no+DR")
    cards = page.locator(".lens-cards")
    expect(cards).to_contain_text("referable")
    settle(page)
    before = cards.inner_text()

    def seen() -> None:
        expect(page.locator(f'.lens-viewer canvas[aria-label*="{files[0]["name"]}"]')).to_be_visible()
        expect(cards).not_to_have_text(before, use_inner_text=True)

    return timed(lambda: give(page, files), seen)


def upload_to_heatmaps(page: Page, address: str, files: list[File]) -> float:
    """From the upload until four heatmaps, and the scores or the sentence that there are none, are the new eye's."""
    page.goto(f"{address}/Explain?sample=mild")
    said = page.locator(".lens-sentence")
    expect(said).to_be_visible()
    settle(page)
    before = said.inner_text()

    def seen() -> None:
        expect(page.locator(".lens-viewer figcaption").first).to_contain_text(str(files[0]["name"]))
        if len(files) > 1:
            expect(said).not_to_have_text(before, use_inner_text=True)
        else:
            expect(page.get_by_text("are not known").first).to_be_visible()

    return timed(lambda: give(page, files), seen)


def next_case(page: Page) -> float:
    """From the button for the next eye of the case list until its heatmaps are there."""
    caption = page.locator(".lens-viewer figcaption").first
    settle(page)
    before = caption.inner_text()
    step = page.get_by_role("button", name="Next")
    return timed(step.click, lambda: expect(caption).not_to_have_text(before, use_inner_text=True))


def press(page: Page, slider: str, answer: str) -> float:
    """From a key on a slider until the answer has changed."""
    shown = page.locator(answer).first
    expect(shown).to_be_visible()
    settle(page)
    before = shown.inner_text()
    handle = page.get_by_role("slider", name=slider).first
    return timed(
        lambda: handle.press("ArrowRight"), lambda: expect(shown).not_to_have_text(before, use_inner_text=True)
    )


def describe(name: str, seconds: list[float]) -> dict[str, object]:
    """The JSON line of a wait; `ratio` is the aim over the median, null where no aim was set."""
    median, aim = statistics.median(seconds), AIMS[name]
    return {
        "name": f"browser_{name}",
        "ours": round(median, 2),
        "peer": None,
        "peer_name": f"none; the aim is {aim:g} s" if aim else "none",
        "unit": "s",
        "ratio": round(aim / median, 2) if aim else None,
        "longest": round(max(seconds), 2),
    }


if __name__ == "__main__":
    main()
