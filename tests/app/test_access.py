import asyncio
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from starlette.formparsers import MultiPartParser

from dr_core.errors import InputError
from dr_ui.shell import server
from dr_ui.shell.access import AllowList, _stays_here
from dr_ui.shell.sessions import Logins, Owners, Timeouts


@pytest.fixture(autouse=True)
def parser_limit(monkeypatch):
    """`server.middleware` raises it for the process; put back afterwards."""
    monkeypatch.setattr(MultiPartParser, "spool_max_size", MultiPartParser.spool_max_size)


LIST = AllowList(users=frozenset({"erika@clinic.example"}), domains=frozenset({"lab.example"}))


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ({"email": "Erika@Clinic.Example"}, True),
        ({"email": " erika@clinic.example "}, False),
        ({"email": "erika@clinic.example\n"}, False),
        ({"email": "erika@clinic.example", "email_verified": True}, True),
        *(
            ({"email": "erika@clinic.example", "email_verified": one}, False)
            for one in (False, "false", "true", 1, None)
        ),
        ({"email": ["erika@clinic.example"]}, False),
        ({"email": {"erika@clinic.example": 1}}, False),
        ({"email": True}, False),
        ({"email": "x@evil.example@lab.example"}, False),
        ({"email": "x@evil.example,y@lab.example"}, False),
        ({"email": "x <y@lab.example>"}, False),
        ({"email": '"x@evil.example"@lab.example'}, False),
        ({"email": "x@lab.example."}, False),
        ({"email": "x@\u217cab.example"}, False),
        ({"email": "a" * 65 + "@lab.example"}, False),
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


@pytest.mark.parametrize("value", [0, -1, "60", True, None, float("nan")])
@pytest.mark.parametrize("name", ["idle_minutes", "absolute_hours"])
def test_a_timeout_is_a_positive_number(name, value):
    with pytest.raises(InputError, match=f"`{name}`.* must be above 0"):
        Timeouts(**{name: value})


class Clock:
    """Seconds that a test moves."""

    now = 1000.0

    def __call__(self):
        return self.now


def test_a_clock_that_is_set_back_keeps_no_login():
    """The monotonic clock is moved by nobody, so that the time of day may be."""
    assert inspect.signature(Logins).parameters["clock"].default is time.monotonic
    logins = Logins(Timeouts(idle_minutes=10))
    assert 590 < logins.seconds_left(logins.begin("key", "erika@clinic.example")) <= 600


def test_a_login_ends_idle_or_old_or_by_signing_out():
    clock, closed = Clock(), []
    logins = Logins(Timeouts(idle_minutes=10, absolute_hours=1), clock=clock, close_session=closed.append)
    login = logins.begin("key", "erika@clinic.example")
    login.sessions |= {"tab"}
    assert logins.find("key") is login
    assert logins.find("other") is None
    assert logins.find(None) is None
    clock.now += 599
    logins.touch(logins.find("key"))
    clock.now += 599
    assert logins.find("key") is login
    clock.now += 2
    assert logins.find("key") is None  # idle
    assert login.ended.is_set()
    assert closed == ["tab"]
    old = logins.begin("key", "erika@clinic.example")
    for _ in range(7):
        clock.now += 500
        logins.touch(old)
    assert logins.seconds_left(old) == 100
    clock.now += 100
    logins.touch(old)
    assert logins.find("key") is None  # an hour
    third = logins.begin("key", "erika@clinic.example")
    assert logins.end("key") is third
    assert third.ended.is_set()
    assert logins.end("key") is None
    assert logins.seconds_left(third) == 0


def test_a_login_that_is_over_is_forgotten_when_another_begins():
    clock = Clock()
    logins = Logins(Timeouts(), clock=clock)
    first = logins.begin("first", "a@lab.example")
    clock.now += 24 * 3600
    logins.begin("second", "b@lab.example")
    assert first.ended.is_set()
    assert list(logins._logins) == ["second"]


def test_a_picture_is_read_by_those_who_were_shown_it():
    owners = Owners()
    owners.claim("a", "anna@lab.example")
    owners.claim("b", "bert@lab.example")
    owners.show_file("picture", "a", {})
    owners.show_file("picture", "nobody", {})
    assert owners.may_read("picture", "anna@lab.example")
    assert not owners.may_read("picture", "bert@lab.example")
    assert not owners.may_read("unknown", "anna@lab.example")
    owners.show_file("picture", "b", {})
    assert owners.may_read("picture", "bert@lab.example")


def test_what_belongs_to_nobody_is_forgotten():
    owners = Owners()
    for number in range(10_000):
        owners.claim(str(number), "a", lambda one: int(one) > 9_000)
        owners.show_file(str(number), str(number), {"9999": None})
    assert len(owners._sessions) <= 4096
    assert len(owners._files) <= 4096
    assert owners.owner("9999") == "a"


@pytest.mark.parametrize(
    ("cookie", "scheme", "guarded"),
    [
        (b"_streamlit_user=x; path=/", "https", b"_streamlit_user=x; path=/; SameSite=Lax; HttpOnly; Secure"),
        (b"a=x; HttpOnly; samesite=strict", "http", b"a=x; HttpOnly; samesite=strict"),
        (b"_streamlit_xsrf=x; Path=/", "https", b"_streamlit_xsrf=x; Path=/; SameSite=Lax; Secure"),
        (b"a=secure", "https", b"a=secure; SameSite=Lax; HttpOnly; Secure"),
    ],
)
def test_cookies_are_guarded(cookie, scheme, guarded):
    assert server._guarded(cookie, scheme) == guarded


@pytest.mark.parametrize(("scheme", "told"), [("https", True), ("http", False)])
def test_behind_tls_browsers_are_told_to_stay_there(scheme, told):
    sent = []

    async def behind(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", b"a=b")]})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "scheme": scheme, "path": "/", "headers": []}
    run(server.SecurityHeaders(behind)(scope, None, send))
    headers = dict(sent[0]["headers"])
    assert (b"strict-transport-security" in headers) is told
    assert (b"Secure" in headers[b"set-cookie"]) is told


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


@pytest.mark.parametrize(
    ("address", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True), (None, True)]
)
def test_listening_on_a_network_without_a_login_is_warned_of(address, warned, monkeypatch, caplog):
    monkeypatch.setattr(server, "config", SimpleNamespace(get_option=lambda name: address))
    names = [layer.cls.__name__ for layer in server.middleware()]
    assert names == ["SecurityHeaders", "SameOrigin", "LoginRequired", "Connections", "UploadBudget"]
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
