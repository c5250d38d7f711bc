"""The websockets of the open tabs: whose they are, when they end, and what one browser may not do to the others."""

import asyncio
import time
from http.cookies import SimpleCookie

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.runtime import get_instance

from dr_ui.shell import audit, paths
from dr_ui.shell.sessions import Login, Logins, Owners, Timeouts

UPLOADS, MEDIA = "/_stcore/upload_file/", "/media/"

RETURN_SECONDS = 120.0
"""How long a tab whose connection broke may come back to what it held."""

LOGIN = "dr_lens.login"
"""Where a request's scope holds its `Login`, once it passed the gate."""


def own_path(scope: Scope) -> str:
    """Path of a request inside the app, without `server.baseUrlPath`."""
    path: str = scope["path"]
    return "/" + path.removeprefix(base_path())


def base_path() -> str:
    """Where the app begins on its host, with a slash at its end."""
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/" if base else "/"


def session_of(path: str) -> str:
    """The session that an upload's path names."""
    return path.removeprefix(UPLOADS).partition("/")[0]


def user_of(scope: Scope) -> str:
    """Who asks: the e-mail address, or the network address where nobody signs in."""
    login: Login | None = scope.get(LOGIN)
    return login.user if login is not None else (scope.get("client") or ("",))[0]


def _close_session(session: str) -> None:
    get_instance().close_session(session)


def _is_kept(session: str) -> bool:
    return get_instance()._session_mgr.get_session_info(session) is not None


LOGINS = Logins(Timeouts(), close_session=_close_session)
OWNERS = Owners()
TABS: "set[Tab]" = set()


class Connections:
    """Ends the websockets of a login with it, and drops the one request that would concern everybody.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "websocket":
            return await self.app(scope, receive, send)
        tab = Tab(scope, receive, send)
        TABS.add(tab)
        try:
            return await self.app(scope, tab.receive, tab.send)
        finally:
            TABS.discard(tab)
            tab.leave()


class Tab:
    """One open tab: the websocket between a browser and Streamlit.

    Args:
        scope: Of the websocket.
        receive: Gives what the browser sends.
        send: Takes what goes to the browser.

    Attributes:
        user: Whose it is.
        session: Streamlit's name of it, `""` until it is known.
        uploads: How many photographs were uploaded in it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.login: Login | None = scope.get(LOGIN)
        self.user = user_of(scope)
        self.session = ""
        self.uploads = 0
        self._receive, self._send = receive, send
        self._opened = time.monotonic()
        self._is_closed = False
        self._is_local = self.login is None and paths.is_local()

    async def receive(self) -> Message:
        """The next message of the browser; a disconnection once the login is over."""
        while True:
            message = await (self._receive() if self.login is None else self._receive_until_end(self.login))
            if message["type"] != "websocket.receive" or not _concerns_everybody(message):
                return message

    async def _receive_until_end(self, login: Login) -> Message:
        asking, ending = asyncio.ensure_future(self._receive()), asyncio.ensure_future(login.ended.wait())
        try:
            while (left := LOGINS.seconds_left(login)) > 0:
                await asyncio.wait({asking, ending}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if asking.done() and not login.ended.is_set():
                    LOGINS.touch(login)
                    return asking.result()
            if not login.ended.is_set():
                audit.record("timeout", self.user)
                LOGINS.end_expired(login)
            await self._close()
            return {"type": "websocket.disconnect", "code": 1008}
        finally:
            asking.cancel()
            ending.cancel()

    async def _close(self) -> None:
        """Send the browser to the login, and end the connection."""
        if not self._is_closed:
            self._is_closed = True
            redirect = ForwardMsg()
            redirect.auth_redirect.url = base_path()
            await self._send({"type": "websocket.send", "bytes": redirect.SerializeToString()})
            await self._send({"type": "websocket.close", "code": 1008})

    async def send(self, message: Message) -> None:
        """Pass a message on to the browser; nothing after the end."""
        if self._is_closed:
            return
        if not self.session and message["type"] == "websocket.send" and message.get("bytes"):
            self._learn_session(ForwardMsg.FromString(message["bytes"]))
        if not self._is_local and message.get("bytes"):
            message = {**message, "bytes": paths.without_folders(message["bytes"])}
        await self._send(message)

    def _learn_session(self, message: ForwardMsg) -> None:
        self.session = message.new_session.initialize.session_id
        if self.session:
            OWNERS.claim(self.session, self.user, _is_kept)
            if self.login is not None:
                self.login.sessions.add(self.session)

    async def tell(self, sentence: str) -> None:
        """Show a sentence that stays, in a corner of the page."""
        message = ForwardMsg()
        message.metadata.delta_path[:] = [RootContainer.EVENT, 0]
        toast = message.delta.new_element.toast
        toast.body, toast.icon, toast.duration = sentence, ":material/restart_alt:", 0
        await self.send({"type": "websocket.send", "bytes": message.SerializeToString()})

    def leave(self) -> None:
        """Forget the tab, and what it held in memory: at once after a login that is over, else unless it comes back."""
        if self.session and self.login is not None and self.login.ended.is_set():
            _close_session(self.session)
        elif self.session:
            asyncio.get_running_loop().call_later(RETURN_SECONDS, close_abandoned, self.session)
        audit.record("leave", self.user, uploads=self.uploads, minutes=int((time.monotonic() - self._opened) / 60))


def close_abandoned(session: str) -> None:
    """Close a session, with its uploads and pictures, unless a tab has it again."""
    if all(tab.session != session for tab in TABS):
        _close_session(session)


def _concerns_everybody(message: Message) -> bool:
    """Whether the browser asks to clear the caches of all sessions, as Streamlit lets any one of them."""
    try:
        result: bool = BackMsg.FromString(message.get("bytes") or b"").WhichOneof("type") == "clear_cache"
        return result
    except DecodeError:
        return False  # Streamlit closes the connection


def count_upload(session: str) -> None:
    """Count an upload for the audit log."""
    for tab in TABS:
        if tab.session == session:
            tab.uploads += 1


def watch_media() -> None:
    """Note who is shown which picture or download, from now on."""
    manager = get_instance().media_file_mgr
    add, execute = manager.add, manager.execute_deferred

    def add_and_note(path_or_data: bytes | str, mimetype: str, coordinates: str, *more: object, **named: object) -> str:
        url = add(path_or_data, mimetype, coordinates, *more, **named)  # type: ignore[arg-type]
        OWNERS.show_file(file_of(url), _script_session(), manager._file_metadata)
        return url

    def execute_and_note(file_id: str) -> str:
        entry = manager._deferred_callables.get(file_id)
        url = execute(file_id)
        if entry is not None:
            OWNERS.show_file(file_of(url), entry["session_id"], manager._file_metadata)
        return url

    manager.add = add_and_note  # type: ignore[method-assign]
    manager.execute_deferred = execute_and_note  # type: ignore[method-assign]


def file_of(path: str) -> str:
    """Streamlit's name of the picture or download at a path."""
    return path.rpartition("/")[2].partition(".")[0]


def _script_session() -> str:
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context is not None else ""


def cookies_set(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The cookies that an answer sets, name -> value; those that it deletes are left out."""
    jar = SimpleCookie()
    for name, value in headers:
        if name.lower() == b"set-cookie":
            jar.load(value.decode("latin-1"))
    return {name: cookie.value for name, cookie in jar.items() if cookie.value}
