"""Pages, components, uploads, pictures, websockets and the login behind nginx with TLS and a base path (run.sh)."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from playwright.sync_api import Page, expect, sync_playwright

from dr_core.data.phantom import draw_phantom
from tests.conftest import find_free_port

ROOT = Path(__file__).parents[2]

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/lens.pem; ssl_certificate_key {folder}/lens.key;
        client_max_body_size 51m;
        location /lens/ {{
            proxy_pass http://127.0.0.1:{app};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_read_timeout 1h;
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""

SECRETS = """
[auth]
redirect_uri = "https://127.0.0.1:{tls}/lens/oauth2callback"
cookie_secret = "only-for-this-test-0123456789abcdef"
client_id = "dr-lens"
client_secret = "secret"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"
[access]
domains = ["lab.example"]
"""


def main() -> None:
    """Start nginx, an identity provider and the app; look at them with a browser."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        tls, app, provider = find_free_port(), find_free_port(), find_free_port()
        _write(folder, tls, app, provider)
        user = json.dumps({"sub": "lab", "email": "anybody@lab.example", "email_verified": True})
        provide = [sys.executable, "-m", "oidc_provider_mock", "--port", str(provider), "--user-claims", user]
        serve = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(app)]
        serve += ["--server.baseUrlPath", "lens", "--secrets.files", str(folder / "secrets.toml")]
        log = folder / "app.log"
        with _running(provide, None, provider), _running(serve, log, app):
            with _running(["nginx", "-c", str(folder / "nginx.conf")], None, tls):
                _look(f"https://127.0.0.1:{tls}/lens", folder)
            assert "Traceback" not in log.read_text(), log.read_text()[-2000:]
        assert not [path for path in (folder / "body").rglob("*") if path.is_file()], "nginx kept an upload"
    sys.stdout.write("behind nginx: pages, components, uploads, downloads, websockets and the login work\n")


def _write(folder: Path, tls: int, app: int, provider: int) -> None:
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, tls=tls, app=app))
    (folder / "secrets.toml").write_text(SECRETS.format(tls=tls, provider=provider))
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    certificate += ["-keyout", str(folder / "lens.key"), "-out", str(folder / "lens.pem")]
    subprocess.run(certificate, check=True, capture_output=True)
    for seed in (1, 2):
        cv2.imwrite(str(folder / f"eye{seed}.png"), draw_phantom(2, 300, seed).image[..., ::-1])


def _look(address: str, folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1366, "height": 768})
        context.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        page, sockets = context.new_page(), []
        page.on("websocket", lambda one: sockets.append(one.url))
        page.goto(f"{address}/Compare?sample=mild")
        page.get_by_role("button", name="lab", exact=True).click()
        expect(page.get_by_text("Signed in as anybody@lab.example")).to_be_visible()
        assert page.url.startswith(f"{address}/Compare?"), page.url
        assert "sample=mild" in page.url, page.url
        assert sockets[-1].startswith(address.replace("https", "wss"))
        _look_at_cookies(page, address)
        for name in ("", "Robustness", "Explain", "Representations", "Performance", "Reproduction"):
            answer = page.goto(f"{address}/{name}")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
            expect(page.locator('[data-testid="stException"]')).to_have_count(0)
        page.goto(f"{address}/Compare")
        page.set_input_files("input[type=file]", [folder / "eye1.png", folder / "eye2.png"])
        expect(page.get_by_text("2 eyes.")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download this table (CSV)").click()
        assert "eye1.png" in Path(download.value.path()).read_text()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="lab", exact=True)).to_be_visible()
        browser.close()


def _look_at_cookies(page: Page, address: str) -> None:
    cookies = [one for one in page.context.cookies(address) if one["name"] != "session"]
    assert len(cookies) > 1
    assert all(one["secure"] and one["sameSite"] == "Lax" for one in cookies), cookies
    assert [one["name"] for one in cookies if not one["httpOnly"]] == ["_streamlit_xsrf"], cookies


@contextmanager
def _running(command: list[str], log: Path | None, port: int) -> Iterator[None]:
    with Path(log or os.devnull).open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        for _ in range(240):
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:] if log else ''}"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.25)
        yield
    finally:
        process.terminate()
        process.wait(40)


if __name__ == "__main__":
    main()
