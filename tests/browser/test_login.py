"""The login, against an identity provider that runs here; and what answers without it."""

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dr_core.data.phantom import draw_phantom
from tests.servers import ForkedServer

pytestmark = pytest.mark.browser

SECRETS = """
[auth]
redirect_uri = "{address}/oauth2callback"
cookie_secret = "only-for-this-test-0123456789abcdef"
client_id = "dr-lens"
client_secret = "secret"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"

[access]
users = ["Erika@clinic.example"]
domains = ["lab.example"]
"""

USERS = [
    {"sub": "erika", "email": "erika@clinic.example", "email_verified": True},
    {"sub": "lab", "email": "anybody@lab.example"},
    {"sub": "stranger", "email": "stranger@elsewhere.example"},
    {"sub": "pretender", "email": "erika@clinic.example", "email_verified": False},
]


@pytest.fixture(scope="module")
def provider(free_port):
    """Port of an identity provider that knows `USERS`, in a process of its own."""
    port = free_port()
    users = [part for user in USERS for part in ("--user-claims", json.dumps(user))]
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *users],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def guarded(provider, tiny_study, tmp_path_factory, serve, free_port):
    """Address of an app that asks for a login."""
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    secrets = folder / "secrets.toml"
    secrets.write_text(SECRETS.format(address=f"http://127.0.0.1:{port}", provider=provider))
    with serve(tiny_study.path, folder / "log.txt", "--secrets.files", str(secrets), port=port) as address:
        yield address


def ask(address, method, path, **headers):
    """Status and headers of one request, redirects not followed."""
    host = urlsplit(address).netloc
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request(method, path, headers=headers, body=b"x" if method == "PUT" else None)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def sign_in(page, address, sub, path="/"):
    page.goto(address + path)
    page.get_by_role("button", name=sub, exact=True).click()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/Compare?sample=mild"),
        ("GET", "/Explain"),
        ("GET", "/media/0123.jpg"),
        ("GET", "/_stcore/host-config"),
        ("GET", "/_stcore/metrics"),
        ("GET", "/component/x/index.html"),
        ("GET", "//Compare"),
        ("GET", "/auth/login/../../Compare"),
        ("HEAD", "/"),
        ("POST", "/"),
        ("PUT", "/_stcore/upload_file/session/file"),
        ("DELETE", "/_stcore/upload_file/session/file"),
        ("GET", "/_stcore/stream"),
    ],
)
def test_nothing_answers_without_a_login(guarded, method, path):
    assert ask(guarded, method, path)[0] == 401
    forged = {"Cookie": "_streamlit_user=" + json.dumps({"email": "erika@clinic.example", "is_logged_in": True})}
    assert ask(guarded, method, path, **forged)[0] == 401


def test_the_health_check_answers_everybody(guarded):
    assert ask(guarded, "GET", "/_stcore/health")[0] == 200


def test_no_session_is_opened_without_a_login(guarded):
    with pytest.raises(InvalidStatus) as caught:
        connect(guarded.replace("http", "ws") + "/_stcore/stream", origin=guarded, subprotocols=["streamlit"])
    assert caught.value.response.status_code == 403


def test_a_login_leads_to_the_linked_page_and_its_pictures_stay_behind_it(page, guarded, tmp_path):
    requests = []
    page.on("request", lambda request: requests.append((request.method, urlsplit(request.url))))
    sign_in(page, guarded, "erika", "/Compare?sample=mild")
    expect(page).to_have_url(re.compile("/Compare.*sample=mild"))
    expect(page.locator(".lens-card")).to_have_count(4)
    Image.fromarray(draw_phantom(2, 200, 1).image).save(tmp_path / "eye.png")
    page.set_input_files("input[type=file]", tmp_path / "eye.png")
    expect(page.locator('.lens-viewer canvas[aria-label*="eye.png"]')).to_be_visible()
    private = [(method, url.path) for method, url in requests if method == "PUT" or url.path.startswith("/media/")]
    assert "PUT" in [method for method, _ in private]
    for method, path in private:
        assert ask(guarded, method, path)[0] == 401


def test_a_whole_domain_is_let_in(page, guarded):
    sign_in(page, guarded, "lab", "/Compare")
    expect(page.locator(".lens-card")).to_have_count(4)


@pytest.mark.parametrize("sub", ["stranger", "pretender"])
def test_who_is_not_on_the_list_sees_nothing_and_can_sign_out(page, guarded, sub):
    sign_in(page, guarded, sub, "/Compare")
    expect(page.get_by_role("heading", name="Not on the list")).to_be_visible()
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies(guarded))
    for method, path in (("GET", "/Compare"), ("GET", "/media/x.jpg"), ("PUT", "/_stcore/upload_file/a/b")):
        assert ask(guarded, method, path, Cookie=cookies)[0] == 403
    page.get_by_role("link", name="Sign out").click()
    page.goto(guarded)
    expect(page.get_by_role("button", name="erika", exact=True)).to_be_visible()


def cookie_header(page, address):
    return "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies(address))


def test_signing_out_ends_every_tab_and_the_old_cookie_at_once(page, guarded):
    media = []
    page.on("request", lambda request: media.append(urlsplit(request.url).path))
    sign_in(page, guarded, "erika", "/Compare")
    expect(page.get_by_text("Signed in as erika@clinic.example")).to_be_visible()
    expect(page.locator(".lens-card")).to_have_count(4)
    other = page.context.new_page()
    other.goto(guarded + "/Performance")
    expect(other.get_by_text("Signed in as erika@clinic.example")).to_be_visible()
    cookies = cookie_header(page, guarded)
    assert ask(guarded, "GET", "/", Cookie=cookies)[0] == 200
    for tab in (page, other):  # a page that is still being drawn may put another button in the place of the clicked one
        expect(tab.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    page.bring_to_front()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="erika", exact=True)).to_be_visible()
    expect(other.get_by_role("button", name="erika", exact=True)).to_be_visible()  # the other tab went by itself
    for method, path in (("GET", "/"), ("GET", "/media/x.jpg"), ("PUT", "/_stcore/upload_file/a/b")):
        assert ask(guarded, method, path, Cookie=cookies)[0] == 401
    with pytest.raises(InvalidStatus):
        connect(
            guarded.replace("http", "ws") + "/_stcore/stream",
            origin=guarded,
            subprotocols=["streamlit"],
            additional_headers={"Cookie": cookies},
        )


@pytest.mark.parametrize(
    "name", ["Compare", "Robustness", "Explain", "Representations", "Performance", "Reproduction", ""]
)
def test_every_page_names_the_user_and_offers_to_sign_out(signed_in, guarded, tiny_study, name):
    signed_in.goto(f"{guarded}/{name}")
    expect(signed_in.get_by_text("Signed in as erika@clinic.example")).to_be_visible()
    expect(signed_in.get_by_role("button", name="Sign out")).to_be_visible()
    if name == "Representations":
        expect(
            signed_in.get_by_text(f"--study {tiny_study.name} ").first
        ).to_be_visible()  # what is missing, without a folder
    assert str(tiny_study.path.parent) not in signed_in.content()


@pytest.fixture(scope="module")
def signed_in(browser, guarded):
    """A page of somebody who is signed in."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(60_000)
    sign_in(page, guarded, "erika")
    expect(page.get_by_text("Signed in as")).to_be_visible()
    yield page
    context.close()


def test_cookies_are_out_of_the_reach_of_scripts_and_other_sites(signed_in, guarded):
    cookies = {one["name"]: one for one in signed_in.context.cookies(guarded)}
    assert cookies["_streamlit_user"]["httpOnly"]
    assert {one["sameSite"] for one in cookies.values()} == {"Lax"}
    assert [name for name, one in cookies.items() if not one["httpOnly"]] == ["_streamlit_xsrf"]


def test_what_one_user_sees_and_uploads_answers_to_no_other(signed_in, browser, guarded, tmp_path):
    requests = []
    signed_in.on("request", lambda request: requests.append((request.method, urlsplit(request.url).path)))
    signed_in.goto(guarded + "/Compare")
    files = [tmp_path / "mine.png", tmp_path / "too.png"]
    for seed, file in enumerate(files):
        Image.fromarray(draw_phantom(2, 200, seed).image).save(file)
    signed_in.set_input_files("input[type=file]", files)
    expect(signed_in.get_by_text("2 eyes.")).to_be_visible()
    with signed_in.expect_download() as download:
        signed_in.get_by_role("button", name="Download this table (CSV)").click()
    table = urlsplit(download.value.url).path
    signed_in.goto(guarded + "/Reproduction")
    signed_in.get_by_role("button", name="Report").click()
    with signed_in.expect_download() as download:
        signed_in.get_by_role("button", name="HTML").click()  # made when it is asked for
    report = urlsplit(download.value.url).path
    assert "Tiny" in Path(download.value.path()).read_text()
    uploads = [path for method, path in requests if method == "PUT"]
    assert len(uploads) == 2
    assert ask(guarded, "GET", report, Cookie=cookie_header(signed_in, guarded))[0] == 200
    context = browser.new_context()
    other = context.new_page()
    sign_in(other, guarded, "lab")
    expect(other.get_by_text("Signed in as anybody@lab.example")).to_be_visible()
    theirs = cookie_header(other, guarded)
    assert ask(guarded, "GET", "/", Cookie=theirs)[0] == 200
    asked = [("GET", path) for path in (table, report)]
    asked += [(method, path) for method in ("PUT", "DELETE") for path in uploads]
    assert {ask(guarded, method, path, Cookie=theirs)[0] for method, path in asked} == {404}
    context.close()


def test_a_login_that_is_not_used_ends_by_itself(page, provider, tiny_study, tmp_path, serve, free_port):
    port, secrets = free_port(), tmp_path / "secrets.toml"
    text = SECRETS.format(address=f"http://127.0.0.1:{port}", provider=provider) + "idle_minutes = 0.2\n"
    secrets.write_text(text)
    audit = tmp_path / "audit.log"
    options = ("--secrets.files", str(secrets))
    with serve(tiny_study.path, tmp_path / "log.txt", *options, port=port, DR_AUDIT_LOG=str(audit)) as address:
        sign_in(page, address, "erika", "/Compare")
        expect(page.get_by_text("Signed in as erika@clinic.example")).to_be_visible()
        cookies = cookie_header(page, address)
        expect(page.get_by_role("button", name="erika", exact=True)).to_be_visible()  # after 12 s
        assert ask(address, "GET", "/", Cookie=cookies)[0] == 401
    events = [json.loads(line) for line in audit.read_text().splitlines()]
    assert {"sign in", "timeout", "leave"} <= {one["event"] for one in events}
    assert {one["user"] for one in events} == {"erika@clinic.example"}


@pytest.mark.parametrize("line", ["idle_minutes = 0", 'absolute_hours = "12"', "idle_minutes = true"])
def test_a_timeout_that_is_none_stops_the_start(line, provider, tiny_study, tmp_path, free_port):
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(SECRETS.format(address="http://127.0.0.1:1", provider=provider) + line + "\n")
    log = tmp_path / "log.txt"
    assert ForkedServer(free_port(), log, ("--secrets.files", str(secrets))).wait(60) != 0
    assert f"`{line.split()[0]}` in section [access] of secrets.toml must be above 0" in log.read_text()


def listening_addresses(port):
    """Addresses, as the kernel writes them, on which somebody listens."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    ends = [fields[1].split(":") for fields in lines if fields[3] == "0A"]
    return [address for address, place in ends if int(place, 16) == port]


def test_without_a_login_the_app_listens_on_this_machine_alone(server):
    assert listening_addresses(urlsplit(server).port) == ["0100007F"]  # 127.0.0.1


def test_every_answer_has_security_headers(server):
    for path in ("/", "/_stcore/health", "/nowhere"):
        headers = ask(server, "GET", path)[1]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_requests_of_other_sites_are_refused(server):
    status, _ = ask(server, "PUT", "/_stcore/upload_file/a/b", Origin="https://elsewhere.example")
    assert status in (400, 403)
    with pytest.raises(InvalidStatus):
        connect(
            server.replace("http", "ws") + "/_stcore/stream",
            origin="https://elsewhere.example",
            subprotocols=["streamlit"],
        )
