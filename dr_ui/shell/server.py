"""What stands between the network and Streamlit: security headers, the login, websockets and uploads within shares."""

import base64
import gc
import hashlib
import importlib
import logging
import pkgutil
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.starlette import App
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

import dr_ui
from dr_ui.shell import audit, connections, drain, uploads
from dr_ui.shell.access import LoginRequired, is_login_on, read_timeouts
from dr_ui.shell.connections import MEDIA, own_path
from dr_ui.shell.paths import LOCAL_NAMES

_LOG = logging.getLogger("dr_lens")


def _hashes_of_inline_scripts() -> list[str]:
    """Sources for the policy: the digest of each script that stands in Streamlit's own page."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return [f"'sha256-{digest}'" for digest in digests]


_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {' '.join(_hashes_of_inline_scripts())} blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
"""Own host only, in nobody's frame, and no script but those of files. Streamlit needs three exceptions: the inline
scripts of its `index.html`, named by their digests; `blob:`, from which it imports the scripts of our components; and
inline styles, which its library of styles writes."""

_TLS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}

_READ_BY_SCRIPTS = "_streamlit_xsrf"
"""The one cookie that Streamlit's page reads and sends back; it proves nothing but that the page is ours."""


def middleware() -> list[Middleware]:
    """The layers, the outermost first; warns where everybody on a network could use the app."""
    address = config.get_option("server.address")
    if address not in LOCAL_NAMES and not is_login_on():
        _LOG.warning(
            "DR Lens listens on %s without a login: anyone who reaches this port can use it. docs/deploy.md describes "
            "how to add a login or a proxy.",
            address or "every network",
        )
    audit.open_log()
    uploads.keep_in_memory()
    connections.LOGINS.timeouts = read_timeouts()
    layers = (SecurityHeaders, SameOrigin, LoginRequired, connections.Connections, uploads.UploadBudget)
    return [Middleware(layer) for layer in layers]


_PATIENCE = 3.0
"""Seconds for which the first visitor is waited for: nothing is prepared while Home is drawn."""


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[None]:
    """What happens while the server starts, beside the first requests."""
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    connections.watch_media()
    drain.on_sigterm()
    yield


def warm_up() -> None:
    """Import and compute what the pages need before somebody asks, and spare it the search for garbage.

    Home needs neither PyTorch nor a model, so that it comes first. Streamlit collects garbage after every run of a
    page. To look through the half million objects of PyTorch and its like, none of which ever goes, takes 0.3 s, in
    which nobody is answered.
    """
    from dr_ui.shell import page
    from dr_ui.views.home import screen  # noqa: F401

    page.SHOWN.wait(_PATIENCE)
    for module in pkgutil.walk_packages(dr_ui.__path__, "dr_ui."):
        importlib.import_module(module.name)
    from dr_ui.views import warm_up

    warm_up.answer_first_questions()
    gc.collect()
    gc.freeze()


class SecurityHeaders:
    """Adds security headers to every answer, guards its cookies, and keeps pictures out of caches.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS | (_TLS_HEADERS if scope["scheme"] == "https" else {}))
                if own_path(scope).startswith(MEDIA):
                    headers["Cache-Control"] = "private, no-store"
                message["headers"] = [
                    (name, _guarded(value, scope["scheme"]) if name == b"set-cookie" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        return await self.app(scope, receive, send_with_headers)


def _guarded(cookie: bytes, scheme: str) -> bytes:
    """A cookie that goes back to this site alone, is no business of scripts, and behind TLS never travels without."""
    content, *attributes = cookie.split(b";")
    present = {attribute.strip().partition(b"=")[0].lower() for attribute in attributes}
    wanted = {b"SameSite": b"SameSite=Lax"}
    if not content.startswith(_READ_BY_SCRIPTS.encode() + b"="):
        wanted[b"HttpOnly"] = b"HttpOnly"
    if scheme == "https":
        wanted[b"Secure"] = b"Secure"
    return b"; ".join([cookie, *(text for name, text in wanted.items() if name.lower() not in present)])


class SameOrigin:
    """Refuses what another site's page asks for.

    Streamlit would refuse it, too, but first asks a host on the internet for this machine's address, to compare it.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket") or self._is_own(Headers(scope=scope)):
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await _refuse(HTTPStatus.FORBIDDEN, "Requests from other sites' pages are refused.")(
            scope, receive, send
        )

    def _is_own(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if not _is_known_host(headers.get("host", "")):
            return False
        known = (headers.get("host"), *(urlsplit(url).netloc for url in config.get_option("server.corsAllowedOrigins")))
        return origin is None or urlsplit(origin).netloc in known


def _is_known_host(host: str) -> bool:
    """Whether the app goes by this name.

    An app on localhost without a login is called by no other name: a stranger's page whose name was made to mean
    127.0.0.1 (DNS rebinding) would otherwise be taken for our own. `server.allowedHosts` names others.
    """
    if config.get_option("server.allowedHosts"):
        return is_host_allowed(host)
    is_open = config.get_option("server.address") not in LOCAL_NAMES or is_login_on()
    return is_open or urlsplit(f"//{host}").hostname in LOCAL_NAMES


def _refuse(status: HTTPStatus, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status)
