"""Take the pictures of README.md and docs/explain.md: python docs/images/take_pictures.py [FOLDER], in about a minute.

They show the demo study on phantoms, so that nothing but the project's own drawings is in them.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from dr_core.publish.pdf import find_browser

ROOT = Path(__file__).parents[2]
SIZE = {"width": 1366, "height": 768}
PATIENCE = 240_000
"""Milliseconds to wait for the models on a busy machine."""

SHOTS = {
    "compare": ("Compare", "", ".lens-card"),
    "explain": ("Explain", "", ".lens-sentence"),
    "explain-no-dr": ("Explain", "?target=grade+0%3A+no+DR", ".lens-sentence"),
}
"""File -> page, its link, and what must be there before the picture is taken."""


def main(folder: Path) -> None:
    """Start the app, take every picture, stop the app."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.port", str(port), "--server.headless", "true"]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser())
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE)
            for name, (place, link, sign) in SHOTS.items():
                _take(page, f"{address}/{place}{link}", sign, folder / f"{name}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _take(page: Page, address: str, sign: str, path: Path) -> None:
    page.goto(address)
    page.wait_for_selector(sign)
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    page.wait_for_timeout(1500)
    page.screenshot(path=path)


def _wait(address: str) -> None:
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError(f"{address} does not answer.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
