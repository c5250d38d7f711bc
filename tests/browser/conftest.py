"""A real Chromium against a real server that runs on the tiny study."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from dr_core.study.folder import open_study
from dr_ui.shell.studies import DEMO
from tests import servers
from tests.conftest import find_free_port

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=60_000)  # a cold start on a busy machine


@pytest.fixture(scope="session")
def server(tiny_study, tmp_path_factory):
    """Address of a running app."""
    with _serve_anew(tiny_study.path, tmp_path_factory.mktemp("server") / "log.txt") as address:
        yield address


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory):
    """Address of an app that runs on the shipped study."""
    with _serve_anew(DEMO, tmp_path_factory.mktemp("demo_server") / "log.txt") as address:
        yield address


@pytest.fixture(scope="session")
def demo_info():
    """Head of the shipped study: its title, set-ups and data sets."""
    return open_study(DEMO).info


@pytest.fixture(scope="session")
def serve():
    """Runs the app on a study: `with serve(study, log, *options, port=..., NAME=value) as address`."""
    return _serve


@pytest.fixture(scope="session")
def free_port():
    """Gives a port that nobody listens on."""
    return find_free_port


@pytest.fixture(scope="session")
def wait_until_healthy():
    """Waits until a server answers: `wait_until_healthy(address, process)`."""
    return servers.wait_until_healthy


@contextmanager
def _serve_anew(study, log):
    """The app as a user starts it, with nothing imported before."""
    port = find_free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"DR_STUDY": str(study)}, stdout=output, stderr=subprocess.STDOUT
        )
        with servers.stopping(process):
            servers.wait_until_healthy(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _serve(study, log, *options, port=None, **environment):
    with servers.start_server(log, *options, port=port, **{"DR_STUDY": str(study)} | environment) as (address, _):
        yield address


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    assert path, "Chromium is missing; on Debian: apt-get install chromium"
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


WINDOW = {"width": 1366, "height": 768}


@contextmanager
def open_tab(browser, **options):
    """A tab of a browser that nobody used before."""
    context = browser.new_context(viewport=WINDOW, **options)
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    yield tab
    context.close()


@contextmanager
def emptied(tab):
    """What a test did in a tab is undone at the end of the block; the scripts of the app stay compiled."""
    tab.set_viewport_size(WINDOW)
    tab.emulate_media(color_scheme="light")
    yield tab
    for other in tab.context.pages:
        if other != tab:
            other.close()
    if tab.url.startswith("http"):
        tab.evaluate("localStorage.clear(); sessionStorage.clear()")
    tab.context.clear_cookies()
    tab.mouse.move(0, 0)
    tab.goto("about:blank")


RESTING = """() => {
    const running = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "notRunning";
    if (running || document.querySelector("[data-stale=true]")) window.busyAt = performance.now();
    return performance.now() - (window.busyAt ??= performance.now()) > 500;
}"""


def finish_run(page):
    """Wait until the page's script has rested for half a second: a component's first value begins another run."""
    page.evaluate("window.busyAt = performance.now()")
    page.wait_for_function(RESTING)


@pytest.fixture(scope="module")
def tab(browser):
    """The tab of the tests of a file."""
    with open_tab(browser) as tab:
        yield tab


@pytest.fixture
def page(tab):
    """A page; fails at its end where something on it was against the app's own Content-Security-Policy."""
    told = []

    def note(message):
        told.append(message.text)

    tab.on("console", note)
    with emptied(tab):
        yield tab
    tab.remove_listener("console", note)
    assert not [text for text in told if "Content Security Policy" in text]
