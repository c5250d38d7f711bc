"""Uploads: held in memory only, within shares of a session, of a user and of the whole server."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.runtime import exists, get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from dr_ui.shell import connections

_LOG = logging.getLogger("dr_lens")

_STEP = 2**20
"""Bytes of an upload after which the shares are looked at again."""


@dataclass(frozen=True, kw_only=True)
class UploadShares:
    """What uploads may take of the server's memory and time.

    Attributes:
        session_bytes: Held by one session (one tab).
        user_bytes: Held by all sessions of one user; of one network address where nobody signs in.
        all_bytes: Held by everybody.
        session_files: Files of one session.
        stall_seconds: Without a byte of an upload.
        longest_seconds: For one upload.
    """

    session_bytes: int = 2**29
    user_bytes: int = 3 * 2**28
    all_bytes: int = 3 * 2**29
    session_files: int = 2000
    stall_seconds: float = 20.0
    longest_seconds: float = 600.0


def keep_in_memory() -> None:
    """Let the parser of forms hold an upload of the greatest size in memory; above 1 MB it would write to TMPDIR."""
    MultiPartParser.spool_max_size = 2**20 * (int(config.get_option("server.maxUploadSize")) + 1)


@dataclass(eq=False)
class Arrival:
    """An upload on its way.

    Attributes:
        session: Whose tab.
        user: Whose.
        received: Bytes that came; they count against the shares.
        checked: How many had come when the shares were last looked at.
    """

    session: str
    user: str
    received: int = 0
    checked: int = 0


class UploadError(Exception):
    """An upload that is taken no further; `status` and the sentence go to the browser."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class UploadBudget:
    """Refuses an upload that would take more than its shares; counts the bytes that came, not those announced.

    Args:
        app: The application behind.
        shares: What may be taken.
    """

    def __init__(self, app: ASGIApp, shares: UploadShares | None = None) -> None:
        self.app = app
        self.shares = shares or UploadShares()
        self.arriving: set[Arrival] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        path = connections.own_path(scope) if scope["type"] == "http" else ""
        if scope.get("method") != "PUT" or not path.startswith(connections.UPLOADS):
            await self.app(scope, receive, send)
            return
        session = connections.session_of(path)
        arrival = Arrival(session, connections.OWNERS.owner(session) or connections.user_of(scope))
        self.arriving.add(arrival)
        answer = _Answer(send)
        try:
            self._check(arrival, _announced(scope))
            await self.app(scope, self._counted(arrival, receive), answer)
        except UploadError as refused:
            if not answer.begun:
                response = PlainTextResponse(str(refused), refused.status, {"Connection": "close"})
                await response(scope, receive, send)
        except ClientDisconnect:
            _LOG.debug("an upload was given up after %d bytes", arrival.received)
        finally:
            self.arriving.discard(arrival)
        if answer.status == HTTPStatus.NO_CONTENT:
            connections.count_upload(session)

    def _counted(self, arrival: Arrival, receive: Receive) -> Receive:
        end = asyncio.get_running_loop().time() + self.shares.longest_seconds

        async def counted() -> Message:
            left = min(self.shares.stall_seconds, end - asyncio.get_running_loop().time())
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                raise UploadError(HTTPStatus.REQUEST_TIMEOUT, "The upload stalled; try again.") from None
            arrival.received += len(message.get("body", b""))
            if arrival.received - arrival.checked >= _STEP or not message.get("more_body"):
                self._check(arrival, arrival.received)
            return message

        return counted

    def _check(self, arrival: Arrival, size: int) -> None:
        """Ask whether an upload may have this many bytes.

        Raises:
            UploadError: If they exceed a share.
        """
        arrival.checked = arrival.received
        others = [one for one in [*_held(), *self.arriving] if one is not arrival]
        if not _fits(arrival, size, 1, others, self.shares):
            raise UploadError(HTTPStatus.INSUFFICIENT_STORAGE, "Too many photographs are open; remove some.")


def _fits(arrival: Arrival, size: int, files: int, others: Sequence[Arrival], shares: UploadShares) -> bool:
    """Whether so many bytes and files beside those of others stay within the shares."""
    mine = [one for one in others if one.session == arrival.session]
    theirs = [one for one in others if one.user == arrival.user]
    limits = ((mine, shares.session_bytes), (theirs, shares.user_bytes), (others, shares.all_bytes))
    is_too_much = any(size + sum(one.received for one in some) > limit for some, limit in limits)
    return not is_too_much and len(mine) + files <= shares.session_files


def may_hold(session: str, size: int, files: int) -> bool:
    """Whether a session may hold so many more bytes and files that come out of an upload."""
    if not exists():  # no server, as in a test of one page
        return True
    return _fits(Arrival(session, connections.OWNERS.owner(session) or ""), size, files, _held(), UploadShares())


def _announced(scope: Scope) -> int:
    """Bytes that the request says it has; 0 if it does not say."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _held() -> list[Arrival]:
    """The uploads that Streamlit holds."""
    manager = get_instance().uploaded_file_mgr
    if not isinstance(manager, MemoryUploadedFileManager):
        return []
    held = []
    for session, files in list(manager.file_storage.items()):  # copies: uploads come and go meanwhile
        user = connections.OWNERS.owner(session) or ""
        held += [Arrival(session, user, len(file.data)) for file in list(files.values())]
    return held


class _Answer:
    """Passes an answer on, and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    @property
    def begun(self) -> bool:
        return self.status != 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
