"""What stays behind in a browser and on the server's disk, and what a server says before it goes."""

import asyncio
import base64
import os
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from dr_core.data.phantom import draw_phantom
from tests.servers import start_server

load = pytest.importorskip("benchmarks.load")
promises = pytest.importorskip("tests.container.promises")

pytestmark = pytest.mark.browser

NAME = "zebra-4711-photograph"


def test_nothing_of_an_upload_stays_on_a_disk(browser, tmp_path):
    """Not in the browser's profile, its cache, the server's folder for temporary files, or its log."""
    (tmp_path / "tmp").mkdir()
    profile, log, photograph = tmp_path / "profile", tmp_path / "log.txt", tmp_path / f"{NAME}.png"
    Image.fromarray(draw_phantom(3, 500, 77).image).save(photograph)
    content = photograph.read_bytes()
    pieces = [NAME.encode(), *(content[start : start + 32] for start in range(100, len(content) - 32, 20_000))]
    with start_server(log=log, TMPDIR=str(tmp_path / "tmp")) as (address, _):
        context = browser.browser_type.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page, frames = context.pages[0], []
        page.on("websocket", lambda one: one.on("framereceived", lambda frame: frames.append(frame)))
        page.goto(address + "/Compare")
        page.set_input_files("input[type=file]", photograph)
        shown = page.locator(f'.lens-viewer canvas[aria-label*="{NAME}"]')
        expect(shown).to_be_visible()
        told = b"".join(one for one in frames if isinstance(one, bytes))
        text = max(re.findall(rb"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", told), key=len)
        pieces += [text[len(text) // 2 :][:40], base64.b64decode(text)[5000:5040]]
        page.goto(address + "/Explain")
        expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
        context.close()
    files = [path for path in profile.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20  # there is a profile to look at
    for folder in (profile, tmp_path / "tmp"):
        assert {str(path) for piece in pieces for path in promises.holds(folder, piece)} == set()
    assert not [piece for piece in pieces if piece in log.read_bytes()]


def test_a_server_that_is_stopped_says_so_and_ends(page, tmp_path):
    log = tmp_path / "log.txt"
    with start_server(log=log) as (address, process):
        page.goto(address)
        expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
        os.kill(process, signal.SIGTERM)
        expect(page.get_by_text("This server is being restarted")).to_be_visible()
    assert "Traceback" not in log.read_text()


def test_what_is_computed_when_the_server_is_stopped_is_finished(tmp_path):
    async def ask(address, process):
        async with load.Visitor(address) as visitor:
            asked = asyncio.create_task(visitor.open("Explain"))
            while not visitor._session:  # told when the page begins to be computed
                await asyncio.sleep(0.01)
            assert not asked.done()
            os.kill(process, signal.SIGTERM)
            return await asked

    with start_server() as (address, process), ThreadPoolExecutor(1) as pool:
        visit = pool.submit(asyncio.run, ask(address, process)).result()
        assert visit.errors() == []
        assert load.numbers(visit)
    assert not Path(f"/proc/{process}").exists()
