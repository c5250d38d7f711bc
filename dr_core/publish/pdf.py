"""Pages of HTML as PDF, printed by Chromium in memory."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from dr_core.errors import InputError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")

_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]
"""In a container there is neither a sandbox nor much of /dev/shm; the page is ours, and runs nothing."""


def html_to_pdf(html: str) -> bytes:
    """Print a self-contained page of HTML on A4.

    The page is handed over and comes back in memory; it may run no script and ask no host for anything.

    Args:
        html: The page; its style sheet may set margins by `@page`.

    Returns:
        The PDF.

    Raises:
        InputError: If there is no Chromium, or it cannot be started.
    """
    program = find_browser()
    if program is None:
        raise InputError(
            "A PDF needs Chromium or Chrome on this machine (on Debian: apt-get install chromium); the HTML can be "
            "printed from any browser."
        )
    with ThreadPoolExecutor(1) as thread:  # the caller's may have an event loop, as notebooks do
        return thread.submit(_print, html, program).result()


def _print(html: str, program: str) -> bytes:
    from playwright.sync_api import Error, sync_playwright  # it takes .2 s, and few runs print

    try:
        driver = sync_playwright().start()
    except Exception as error:  # a driver that cannot run ends the connection with a plain exception
        raise InputError(
            "Playwright cannot run here; its own words are on the terminal (Debian: apt-get install libatomic1). The "
            "HTML can be printed from any browser."
        ) from error
    try:
        browser = driver.chromium.launch(executable_path=program, args=_ARGUMENTS)
        page = browser.new_context(java_script_enabled=False, offline=True).new_page()
        page.set_content(html, wait_until="load")
        return page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
    except Error as error:
        raise InputError(f"{program} could not print the page: {error.message.splitlines()[0]}") from error
    finally:
        driver.stop()  # and the browser with it


def find_browser() -> str | None:
    """Path of a Chromium that can print, or None."""
    return next((path for path in map(shutil.which, _BROWSERS) if path), None)
