"""A real Chromium against a real server that runs on the tiny study."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from dr_ui.shell.studies import DEMO
from tests.conftest import find_free_port

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=60_000)  # a cold start on a busy machine


@pytest.fixture(scope="session")
def server(tiny_study, tmp_path_factory):
    """Address of a running app."""
    with _serve(tiny_study.path, tmp_path_factory.mktemp("server") / "log.txt") as address:
        yield address


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory):
    """Address of an app that runs on the shipped study."""
    with _serve(DEMO, tmp_path_factory.mktemp("demo_server") / "log.txt") as address:
        yield address


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
    return _wait_until_healthy


@contextmanager
def _serve(study, log, *options, port=None, **environment):
    port = port or find_free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), *options]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"DR_STUDY": str(study)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_healthy(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_healthy(address, process):
    for _ in range(120):
        assert process.poll() is None, "the server stopped"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the server did not answer within a minute")


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    assert path, "Chromium is missing; on Debian: apt-get install chromium"
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page; fails at its end where something on it was against the app's own Content-Security-Policy."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(60_000)
    told = []
    page.on("console", lambda message: told.append(message.text))
    yield page
    context.close()
    assert not [text for text in told if "Content Security Policy" in text]
