"""How long each page takes from its address to its answer, beside a Streamlit page that writes one line.

Both are opened in turn, each time by a browser that has nothing of them, so that a busy machine slows both.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.load_server import processor_seconds, start_server

ANSWERS = {
    "": ".lens-cards",
    "Compare": ".lens-agree",
    "Robustness": ".lens-damage",
    "Explain": ".lens-sentence",
    "Representations": ".lens-sentence",
    "Performance": "text=sensitivity against the false positive rate",
    "Reproduction": ".lens-counts",
}
"""Page -> the text that answers its question, or begins the answer."""

ONE_LINE = 'import streamlit as st\n\nst.write("One line.")\n'

START_AIM, AIM = 1.5, 0.7
"""Seconds that Home after a start, and any page later, may take on top of the page of one line."""

_QUIET = 0.3
"""Processor seconds within two seconds below which a server is at rest."""


def measure_pages(browser: Browser, rounds: int) -> Iterator[dict[str, object]]:
    """The JSON lines of all pages: Home on a server that has just started, then each page for the first time and again.

    Args:
        browser: Which browser opens them.
        rounds: Number of starts, and of visits after the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "one_line.py"
        script.write_text(ONE_LINE)
        starts = [(start_once(browser, "app.py"), start_once(browser, str(script))) for _ in range(rounds)]
        yield describe("start_home", starts, START_AIM)
        with start_server() as (ours, process), start_server(script=str(script)) as (peer, _):
            open_once(browser, ours, "")
            wait_until_quiet(process)
            found = {}
            for page in ANSWERS:
                pairs = [(open_once(browser, ours, page), open_once(browser, peer, None)) for _ in range(rounds + 1)]
                found[page] = pairs
            for page, pairs in found.items():
                if page:  # Home has opened before
                    yield describe(f"first_{page}", pairs[:1], AIM)
                yield describe(f"again_{page or 'Home'}", pairs[1:], AIM)


def start_once(browser: Browser, script: str) -> float:
    """Seconds from the address to the answer of the first page, on a server that answers since this moment."""
    with start_server(script=script) as (address, _):
        return open_once(browser, address, "" if script == "app.py" else None)


def open_once(browser: Browser, address: str, page: str | None) -> float:
    """Seconds from an address to the answer; `page` None is the page of one line."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    started = time.perf_counter()
    tab.goto(f"{address}/{page or ''}", wait_until="commit")
    tab.locator("text=One line." if page is None else ANSWERS[page]).first.wait_for()  # looks at every frame
    seconds = time.perf_counter() - started
    context.close()
    return seconds


def wait_until_quiet(process: int) -> None:
    """Wait until a server has prepared what it prepares in the background."""
    before = processor_seconds(process)
    while True:
        time.sleep(2)
        now = processor_seconds(process)
        if now - before < _QUIET:
            return
        before = now


def describe(name: str, pairs: Sequence[tuple[float, float]], aim: float) -> dict[str, object]:
    """The JSON line of one page, from our time and the peer's; `ratio` is the peer's over ours."""
    mine, line = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "name": f"page_{name}",
        "ours": round(mine, 2),
        "peer": round(line, 2),
        "peer_name": "a Streamlit page that writes one line",
        "unit": "s",
        "ratio": round(line / mine, 2),
        "beyond": round(mine - line, 2),
        "aim_beyond": aim,
    }
