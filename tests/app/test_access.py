import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from dr_ui.shell import server
from dr_ui.shell.access import AllowList, _stays_here

LIST = AllowList(users=frozenset({"erika@clinic.example"}), domains=frozenset({"lab.example"}))


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ({"email": "Erika@Clinic.Example"}, True),
        ({"email": " erika@clinic.example "}, True),
        ({"email": "erika@clinic.example", "email_verified": True}, True),
        ({"email": "erika@clinic.example", "email_verified": False}, False),
        ({"email": "who@lab.example"}, True),
        ({"email": "who@sub.lab.example"}, False),
        ({"email": "who@evil-lab.example"}, False),
        ({"email": "lab.example"}, False),
        ({"email": "@lab.example"}, False),
        ({"email": "who@lab.example@evil.example"}, False),
        ({"email": None}, False),
        ({"name": "erika@clinic.example"}, False),
        ({}, False),
    ],
)
def test_the_list_decides_by_address_and_domain(user, allowed):
    assert LIST.allows(user) is allowed


def test_an_empty_list_lets_nobody_in():
    assert not AllowList(users=frozenset(), domains=frozenset()).allows({"email": "a@b"})


@pytest.mark.parametrize(
    ("target", "stays"),
    [
        ("/Compare?a=b", True),
        ("//evil", False),
        ("/\\evil", False),
        ("https://evil", False),
        ("/a\r\nSet", False),
        ("", False),
    ],
)
def test_a_link_after_the_login_stays_on_this_host(target, stays):
    assert _stays_here(target) is stays


def run(coroutine):
    """In a thread of its own: the browser tests leave a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def put(budget, length, session="s"):
    """Status of one upload; 200 from the application behind."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", str(length).encode())] if length is not None else []
    scope = {
        "type": "http",
        "method": "PUT",
        "path": f"/_stcore/upload_file/{session}/f",
        "headers": headers,
        "query_string": b"",
    }
    run(budget(scope, None, send))
    return sent[0]["status"]


async def accept(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_uploads_have_a_budget_for_a_session_and_for_all(monkeypatch):
    manager = MemoryUploadedFileManager("/upload")
    monkeypatch.setattr(server, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=manager))
    monkeypatch.setattr(server, "MAX_SESSION_BYTES", 100)
    monkeypatch.setattr(server, "MAX_ALL_BYTES", 250)
    monkeypatch.setattr(server, "MAX_SESSION_FILES", 3)

    def hold(session, name, size):
        manager.add_file(session, UploadedFileRec(name, name, "image/png", bytes(size)))

    budget = server.UploadBudget(accept)
    assert put(budget, 100) == 200
    assert put(budget, 101) == 507
    assert put(budget, None) == 411
    hold("s", "a", 60)
    assert put(budget, 40) == 200
    assert put(budget, 41) == 507
    assert put(budget, 41, "other") == 200
    hold("t", "b", 90)
    hold("u", "c", 90)
    assert put(budget, 11, "other") == 507
    assert put(budget, 10, "other") == 200
    hold("v", "1", 1), hold("v", "2", 1), hold("v", "3", 1)
    assert put(budget, 1, "v") == 507
    manager.remove_session_files("t")
    assert put(budget, 50, "other") == 200
    assert budget.arriving == 0


@pytest.mark.parametrize(
    ("address", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True), (None, True)]
)
def test_listening_on_a_network_without_a_login_is_warned_of(address, warned, monkeypatch, caplog):
    monkeypatch.setattr(server, "config", SimpleNamespace(get_option=lambda name: address))
    assert len(server.middleware()) == 4
    assert ("without a login" in caplog.text) is warned
    monkeypatch.setattr(server, "is_login_on", lambda: True)
    caplog.clear()
    server.middleware()
    assert not caplog.text


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        (None, True),
        ("https://lens.example", True),
        ("http://lens.example", True),
        ("https://evil.example", False),
        ("https://lens.example.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_another_sites_page_is_refused_before_streamlit_is_asked(kind, origin, own, monkeypatch):
    options = {"server.address": "0.0.0.0", "server.allowedHosts": [], "server.corsAllowedOrigins": []}
    monkeypatch.setattr(server, "config", SimpleNamespace(get_option=options.get))
    reached, sent = [], []

    async def behind(scope, receive, send):
        reached.append(scope)

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"lens.example"), *([(b"origin", origin.encode())] if origin is not None else [])]
    run(server.SameOrigin(behind)({"type": kind, "method": "GET", "headers": headers}, None, send))
    assert bool(reached) is own
    assert bool(sent) is not own
    if sent:
        assert sent[0].get("status", sent[0].get("code")) in (403, 1008)


@pytest.mark.parametrize(
    ("address", "host", "known"),
    [
        ("127.0.0.1", "localhost:8501", True),
        ("127.0.0.1", "127.0.0.1:8501", True),
        ("127.0.0.1", "[::1]:8501", True),
        ("127.0.0.1", "rebound.evil.example:8501", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "lens.clinic.example", True),
    ],
)
def test_an_app_on_localhost_goes_by_no_other_name(address, host, known, monkeypatch):
    options = {"server.address": address, "server.allowedHosts": [], "server.corsAllowedOrigins": []}
    monkeypatch.setattr(server, "config", SimpleNamespace(get_option=options.get))
    assert server._is_known_host(host) is known
    monkeypatch.setattr(server, "is_login_on", lambda: True)
    assert server._is_known_host(host)
