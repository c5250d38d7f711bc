import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from starlette.requests import ClientDisconnect
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from dr_ui.shell import connections, uploads
from dr_ui.shell.sessions import Owners
from dr_ui.shell.uploads import UploadBudget, UploadShares

SMALL = UploadShares(
    session_bytes=100, user_bytes=150, all_bytes=250, session_files=3, stall_seconds=0.05, longest_seconds=0.3
)


@pytest.fixture
def manager(monkeypatch):
    """Streamlit's memory of uploads."""
    manager = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr(uploads, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=manager))
    monkeypatch.setattr(connections, "OWNERS", Owners())
    monkeypatch.setattr(uploads, "_STEP", 1)
    return manager


def run(coroutine):
    """In a thread of its own: the browser tests leave a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


async def read_all(scope, receive, send):
    """An application that reads a body, as Starlette does."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def put(budget, sizes, *, session="s", client="10.0.0.1", announced=None, then=None):
    """Status of one upload whose body arrives in parts of these sizes; `then` comes instead of the last part's end."""
    sent, parts = [], list(sizes)

    async def receive():
        await asyncio.sleep(0)
        if parts:
            size = parts.pop(0)
            return {"type": "http.request", "body": bytes(size), "more_body": bool(parts) or then is not None}
        return await then()

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", str(announced).encode())] if announced is not None else []
    scope = {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{session}/f", "headers": headers}
    await budget(scope | {"query_string": b"", "client": (client, 1)}, receive, send)
    return sent[0]["status"] if sent else None


def hold(manager, session, name, size):
    manager.add_file(session, UploadedFileRec(name, name, "image/png", bytes(size)))


def test_uploads_have_shares_of_a_session_of_a_user_and_of_all(manager):
    budget = UploadBudget(read_all, SMALL)
    for session, user in (("s", "anna"), ("t", "anna"), ("u", "bert"), ("v", "carl")):
        connections.OWNERS.claim(session, user)
    assert run(put(budget, [50, 50])) == 204
    assert run(put(budget, [50, 51])) == 507
    assert run(put(budget, [], announced=101, then=stalled)) == 507  # at once, before a byte
    hold(manager, "s", "a", 60)
    assert run(put(budget, [40])) == 204
    assert run(put(budget, [41])) == 507
    assert run(put(budget, [90], session="t")) == 204  # 150 of anna
    assert run(put(budget, [91], session="t")) == 507
    assert run(put(budget, [100], session="u")) == 204  # bert has his own share
    hold(manager, "t", "b", 90)
    hold(manager, "u", "c", 90)
    assert run(put(budget, [10], session="v")) == 204  # 250 of all
    assert run(put(budget, [11], session="v")) == 507
    manager.remove_session_files("t")
    assert run(put(budget, [50], session="v")) == 204
    for name in "123":
        hold(manager, "w", name, 1)
    assert run(put(budget, [1], session="w")) == 507
    assert budget.arriving == set()


async def stalled():
    await asyncio.sleep(60)


def test_announced_and_unsent_uploads_keep_nobody_out(manager):
    """Thirty-one of one session once kept everybody else at 507 for a minute and a half."""

    async def attack(budget):
        held = [asyncio.create_task(put(budget, [], announced=100, then=stalled)) for _ in range(31)]
        await asyncio.sleep(0.01)
        other = await put(budget, [100], session="other", client="10.0.0.2")
        return other, await asyncio.gather(*held)

    budget = UploadBudget(read_all, UploadShares(session_bytes=100, user_bytes=150, all_bytes=250, stall_seconds=0.05))
    other, held = run(attack(budget))
    assert other == 204
    assert held == [408] * 31
    assert budget.arriving == set()


def test_a_body_that_comes_drop_by_drop_ends(manager):
    async def drop():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert run(put(UploadBudget(read_all, SMALL), [], then=drop)) == 408


def test_an_upload_that_is_given_up_is_one_line(manager, caplog):
    async def gone():
        return {"type": "http.disconnect"}

    with caplog.at_level(logging.DEBUG):
        assert run(put(UploadBudget(read_all, SMALL), [10], then=gone)) is None
    (record,) = [one for one in caplog.records if one.name == "dr_lens"]
    assert record.levelname == "DEBUG"
    assert record.getMessage() == "an upload was given up after 10 bytes"
    assert record.exc_info is None


def test_a_tab_that_does_not_come_back_leaves_nothing(monkeypatch):
    """Streamlit forgets it when somebody else comes, which may be never."""
    closed = []
    monkeypatch.setattr(connections, "_close_session", closed.append)
    monkeypatch.setattr(connections, "RETURN_SECONDS", 0.02)
    monkeypatch.setattr(connections, "TABS", set())

    async def leave(session, *, comes_back):
        tab = connections.Tab({"client": ("10.0.0.1", 1)}, None, None)
        tab.session = session
        tab.leave()
        if comes_back:
            connections.TABS.add(tab)
        await asyncio.sleep(0.1)

    run(leave("gone", comes_back=False))
    run(leave("back", comes_back=True))
    assert closed == ["gone"]


def test_files_that_come_out_of_an_upload_have_the_same_shares(manager, monkeypatch):
    monkeypatch.setattr(uploads, "exists", lambda: True)
    monkeypatch.setattr(uploads, "UploadShares", lambda: SMALL)
    manager.add_file("s", UploadedFileRec("a", "a.png", "image/png", bytes(60)))
    assert uploads.may_hold("s", 40, 2)
    assert not uploads.may_hold("s", 41, 1)
    assert not uploads.may_hold("s", 1, 3)
    assert uploads.may_hold("another", 90, 1)
    assert not uploads.may_hold("another", 91, 1), "both are of one user"
