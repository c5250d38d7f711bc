"""What docs/security.md promises, checked on a running server: here by the tests, in a container by open_app.py.

Each check takes a `Running` and raises AssertionError. Everything stays on loopback, and every loop has an end.
"""

import asyncio
import os
import re
import time
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.load import draw_specimen
from benchmarks.load_client import Visitor

MEGABYTE = 2**20


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        address: Such as `"http://127.0.0.1:8501"`.
        process: Its process; those that it started count, too.
        log: What it writes.
        temporary: Its folder for temporary files, as seen from here.
    """

    address: str
    process: int
    log: Path
    temporary: Path


def processes(one: int) -> Iterator[int]:
    """A process and all that it started."""
    yield one
    for task in Path(f"/proc/{one}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes(int(child))


def open_files(running: Running) -> set[str]:
    """Regular files that the server has open for writing, deleted ones among them."""
    found = set()
    for process in processes(running.process):
        for entry in Path(f"/proc/{process}/fd").iterdir():
            try:
                target, flags = str(entry.readlink()), (entry.parents[1] / "fdinfo" / entry.name).read_text()
            except FileNotFoundError:
                continue
            is_written = int(re.search(r"flags:\s+(\d+)", flags)[1], 8) & (os.O_WRONLY | os.O_RDWR)
            if is_written and target.startswith("/") and not target.startswith(("/dev/", "/memfd:")):
                found.add(target)
    return found


def written_by(process: int) -> int:
    """Bytes that a process and those that it started wrote to a disk."""
    return sum(
        int(re.search(r"^write_bytes: (\d+)", Path(f"/proc/{one}/io").read_text(), re.MULTILINE)[1])
        for one in processes(process)
    )


def cpu_seconds(process: int) -> float:
    """Processor time of a process and those that it started."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in processes(process)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def holds(folder: Path, marker: bytes) -> list[Path]:
    """Files under a folder that hold a marker in their content or name."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if marker in os.fsencode(path.name) or marker in path.read_bytes()]


def _finish(work: Coroutine) -> Any:
    """What a coroutine gives; in a thread of its own, since a browser of other tests may keep a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def slot(visitor: Visitor, name: str, page: str = "Compare") -> str:
    """An address to upload one file to, as the page's uploader asks for it."""
    await visitor.open(page)
    return (await visitor.file_urls([name]))[0].upload_url


def form(content: bytes, name: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an upload."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(len(body))}


def check_uploads_stay_in_memory(running: Running) -> None:
    """Forty megabytes arrive slowly; no file is opened or filled meanwhile, and nothing of them is left."""
    marker = uuid.uuid4().hex.encode()
    content = marker + os.urandom(1000) * 40_000 + marker
    name = f"{marker.decode()}.jpg"

    async def upload() -> set[str]:
        async with Visitor(running.address) as visitor:
            url = await slot(visitor, name)
            before, seen = open_files(running), set()
            body, headers = form(content, name)

            async def parts():
                for start in range(0, len(body), MEGABYTE):
                    yield body[start : start + MEGABYTE]
                    await asyncio.sleep(0.02)
                    seen.update(open_files(running) - before)
                    seen.update(str(path) for path in holds(running.temporary, marker))

            answer = await visitor.put(url, parts(), headers)
            assert answer.status_code == 204, answer.text
            return seen

    written = written_by(running.process)
    assert _finish(upload()) == set()
    assert written_by(running.process) - written < 20 * MEGABYTE
    assert holds(running.temporary, marker) == []
    assert marker not in running.log.read_bytes()


def check_stalled_uploads_keep_nobody_out(running: Running) -> None:
    """Thirty-one uploads are announced and never sent; somebody else's is taken."""

    async def attack() -> int:
        host, port = re.fullmatch(r"http://(.*):(\d+)", running.address).groups()
        async with Visitor(running.address) as hostile, Visitor(running.address) as other:
            url = await slot(hostile, "x")
            writers = []
            for _ in range(31):
                _, writer = await asyncio.open_connection(host, int(port))
                token = hostile.token
                writer.write(
                    f"PUT {url} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 50000000\r\nX-Xsrftoken: {token}\r\n"
                    f"Cookie: _streamlit_xsrf={token}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
                )
                await writer.drain()
                writers.append(writer)
            await asyncio.sleep(0.2)
            body, headers = form(bytes(MEGABYTE), "y")
            answer = await other.put(await slot(other, "y"), body, headers)
            for writer in writers:
                writer.close()
            return answer.status_code

    assert _finish(attack()) == 204


def check_uploads_of_earlier_pages_count_until_they_are_removed(running: Running) -> None:
    """A photograph that follows to another page is held once, and is gone from memory when it is removed there."""

    async def follow() -> list[int]:
        held = []
        async with Visitor(running.address) as visitor:
            page = await visitor.open("Compare")
            held.append(await _held_bytes(visitor))
            photograph = draw_specimen(0).photograph
            await visitor.upload(page.find("file_uploader"), {"eye.jpg": photograph})
            held.append(await _held_bytes(visitor) - len(photograph))
            page = await visitor.open("Explain")
            held.append(await _held_bytes(visitor) - len(photograph))
            remove = next(one for one in page.all("button") if one.label == "Remove eye.jpg")
            page = await visitor.set(remove, trigger_value=True)
            assert not [one for one in page.all("button") if one.label.startswith("Remove")]
            held.append(await _held_bytes(visitor))
        return held

    held = _finish(follow())
    assert held == [held[0]] * 4


_ASKED: dict[str, float] = {}
"""Address -> when its numbers were asked for."""


async def _metrics(visitor: Visitor) -> str:
    """The server's numbers, not those that it keeps for five seconds."""
    await asyncio.sleep(max(0.0, _ASKED.get(visitor.address, 0.0) + 5.5 - time.monotonic()))
    text = (await visitor.get("/_stcore/metrics")).text
    _ASKED[visitor.address] = time.monotonic()
    return text


async def _held_bytes(visitor: Visitor) -> int:
    """Bytes of uploads that Streamlit holds."""
    text = await _metrics(visitor)
    return sum(
        map(int, re.findall(r"^cache_memory_bytes\{cache_type=\"UploadedFileManager\".*\} (\d+)$", text, re.MULTILINE))
    )


def check_aborted_uploads_leave_no_traceback(running: Running) -> None:
    """Ten uploads break off in the middle; the log says nothing at its usual level."""
    before = len(running.log.read_bytes())

    async def abort() -> None:
        async with Visitor(running.address) as visitor:
            for _ in range(10):
                url = await slot(visitor, "x")
                body, headers = form(bytes(4 * MEGABYTE), "x")

                async def parts(body=body):
                    yield body[:MEGABYTE]
                    raise ConnectionAbortedError

                try:
                    await visitor.put(url, parts(), headers)
                except (ConnectionAbortedError, httpx.HTTPError):
                    continue
                raise AssertionError("the upload should have broken off")
        await asyncio.sleep(0.5)

    _finish(abort())
    assert b"Traceback" not in running.log.read_bytes()[before:]


def check_one_browser_clears_no_caches_of_others(running: Running) -> None:
    """One tab asks to clear the cache; what another one loaded stays loaded."""

    async def clear() -> tuple[set[str], set[str]]:
        async with Visitor(running.address) as one, Visitor(running.address) as other:
            await one.open("Compare")
            before = await _caches(one)
            message = BackMsg(clear_cache=True)
            await other.open("Compare")
            await other.send(message)
            await asyncio.sleep(0.5)
            return before, await _caches(one)

    before, after = _finish(clear())
    assert before
    assert before <= after


async def _caches(visitor: Visitor) -> set[str]:
    """Caches of all sessions that hold something; those of one session go with it, whatever others ask for."""
    text = await _metrics(visitor)
    found = re.findall(r'^cache_memory_bytes\{cache_type="(.*?)",cache="(.*?)"\} ([1-9]\d*)', text, re.MULTILINE)
    return {f"{kind} {cache}" for kind, cache, _ in found if kind == "st_cache_resource" and _SHARED in cache}


_SHARED = "dr_ui.eyes.cache"
"""Room of the caches that all sessions share: models, and eyes that a study was measured on."""


def check_nobody_waits_nothing_computes(running: Running) -> None:
    """A long scan is asked for, and the tab goes; two seconds later the server rests."""

    async def leave() -> float:
        async with Visitor(running.address) as visitor:
            page = await visitor.open("Robustness")
            scan = next(one for one in page.all("button") if "Scan all" in one.label)
            asked = asyncio.create_task(visitor.set(scan, trigger_value=True))
            await asyncio.sleep(0.7)
            assert not asked.done(), "the scan should take longer"
            asked.cancel()
        await asyncio.sleep(2)
        before = cpu_seconds(running.process)
        await asyncio.sleep(2)
        return cpu_seconds(running.process) - before

    assert _finish(leave()) < 0.5


def check_headers(running: Running) -> None:
    """Every answer, errors among them, has the policy that names no other host and no frame."""
    for path in ("/", "/_stcore/health", "/nowhere", "/media/none.jpg", "/static/none.js"):
        headers = httpx.get(running.address + path).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert "http" not in policy
        (scripts,) = (part for part in policy.split("; ") if part.startswith("script-src "))
        assert "unsafe" not in scripts
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in httpx.get(running.address + "/media/none.jpg").headers["Cache-Control"]


CHECKS = (
    check_headers,
    check_uploads_stay_in_memory,
    check_stalled_uploads_keep_nobody_out,
    check_uploads_of_earlier_pages_count_until_they_are_removed,
    check_aborted_uploads_leave_no_traceback,
    check_one_browser_clears_no_caches_of_others,
    check_nobody_waits_nothing_computes,
)
"""All of them."""
