"""What stands between the network and Streamlit: security headers, a budget of uploads, and the login."""

import gc
import importlib
import logging
import pkgutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.starlette import App
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

import dr_ui
from dr_ui.shell.access import LoginRequired, is_login_on, own_path

_LOG = logging.getLogger("dr_lens")

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")

MAX_SESSION_BYTES, MAX_ALL_BYTES, MAX_SESSION_FILES = 2**30, 3 * 2**30 // 2, 2000
"""Bytes of the uploads that one session, and all sessions together, may hold at once; files of a session."""

_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
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
"""Streamlit's pages need inline and evaluated scripts; what matters is that no other host is asked or may frame us."""

_UPLOAD, _PICTURES = "/_stcore/upload_file/", "/media/"


def middleware() -> list[Middleware]:
    """The layers, the outermost first; warns where everybody on a network could use the app."""
    address = config.get_option("server.address")
    if address not in LOCAL_NAMES and not is_login_on():
        _LOG.warning(
            "DR Lens listens on %s without a login: whoever reaches this port can use it. docs/deploy.md says how to "
            "put a login or a proxy in front.",
            address or "every network",
        )
    return [Middleware(SecurityHeaders), Middleware(SameOrigin), Middleware(LoginRequired), Middleware(UploadBudget)]


_PAUSE = 5.0
"""Seconds in which nothing is imported: whoever started the server is opening the first page."""


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[None]:
    """What happens while the server starts, beside the first requests."""
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    yield


def warm_up() -> None:
    """Import what the pages need before somebody asks, and spare it the search for garbage.

    Streamlit collects garbage after every run of a page. To look through the half million objects of PyTorch and its
    like, none of which ever goes, takes 0.3 s, in which nobody is answered.
    """
    first = ["dr_ui.shell.page", "dr_ui.views.compare.screen"]
    rest = [module.name for module in pkgutil.walk_packages(dr_ui.__path__, "dr_ui.")]
    for names, pause in ((first, _PAUSE), (rest, 0.0)):
        for name in names:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()
        time.sleep(pause)


class SecurityHeaders:
    """Adds security headers to every answer, and keeps pictures out of caches.

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
                headers.update(_HEADERS)
                if own_path(scope).startswith(_PICTURES):
                    headers["Cache-Control"] = "private, no-store"
            await send(message)

        return await self.app(scope, receive, send_with_headers)


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
        return await _refuse(HTTPStatus.FORBIDDEN, "Another site's page may not ask for this.")(scope, receive, send)

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


class UploadBudget:
    """Refuses an upload, before its first byte is taken, that would let uploads outgrow the server's memory.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "PUT" or not own_path(scope).startswith(_UPLOAD):
            return await self.app(scope, receive, send)
        length = Headers(scope=scope).get("content-length", "")
        if not length.isdecimal():
            return await _refuse(HTTPStatus.LENGTH_REQUIRED, "An upload must say how long it is.")(scope, receive, send)
        if self._is_too_much(own_path(scope).removeprefix(_UPLOAD).partition("/")[0], int(length)):
            answer = _refuse(HTTPStatus.INSUFFICIENT_STORAGE, "Too many photographs are open; remove some.")
            return await answer(scope, receive, send)
        self.arriving += int(length)
        try:
            return await self.app(scope, receive, send)
        finally:
            self.arriving -= int(length)

    def _is_too_much(self, session: str, length: int) -> bool:
        manager = get_instance().uploaded_file_mgr
        if not isinstance(manager, MemoryUploadedFileManager):
            return False
        sessions = list(manager.file_storage.items())  # copies: uploads come and go meanwhile
        held = {name: [len(file.data) for file in list(files.values())] for name, files in sessions}
        mine, everything = held.get(session, []), sum(map(sum, held.values()))
        return (
            len(mine) >= MAX_SESSION_FILES
            or sum(mine) + length > MAX_SESSION_BYTES
            or everything + self.arriving + length > MAX_ALL_BYTES
        )


def _refuse(status: HTTPStatus, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status)
