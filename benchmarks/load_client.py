"""A visitor without a browser: Streamlit's own protocol over a websocket, as its page speaks it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_COOKIE = "_streamlit_xsrf"
_LONGEST = 300.0
"""Seconds after which a page counts as hanging."""


@dataclass
class Visit:
    """What a page held when its script had run.

    Attributes:
        elements: Place on the page -> its element, as the browser would have it.
        seconds: From the asking to the last word.
    """

    elements: dict[tuple[int, ...], Any]
    seconds: float

    def html(self) -> str:
        """All HTML of the page, one after the other."""
        return "\n".join(one.html.body for one in self.elements.values() if one.WhichOneof("type") == "html")

    def errors(self) -> list[str]:
        """What the page complains of."""
        alerts = [one.alert for one in self.elements.values() if one.WhichOneof("type") == "alert"]
        failures = [one.exception.message for one in self.elements.values() if one.WhichOneof("type") == "exception"]
        return failures + [one.body for one in alerts if one.format == one.ERROR]

    def find(self, kind: str) -> Any:  # noqa: ANN401 - one of Streamlit's messages
        """The first element of a kind."""
        return self.all(kind)[0]

    def all(self, kind: str) -> list[Any]:
        """All elements of a kind."""
        return [getattr(one, kind) for one in self.elements.values() if one.WhichOneof("type") == kind]

    def told(self, pattern: str) -> list[str]:
        """What the HTML has for a pattern."""
        return re.findall(pattern, self.html())


@dataclass
class Visitor:
    """One session.

    Args:
        address: Of the server, such as `"http://127.0.0.1:8501"`.
    """

    address: str
    _pages: dict[str, str] = field(default_factory=dict)
    _known: dict[str, ForwardMsg] = field(default_factory=dict)
    _states: dict[str, Any] = field(default_factory=dict)
    _session: str = ""
    _page: str = ""

    async def __aenter__(self) -> "Visitor":
        self._http = httpx.AsyncClient(base_url=self.address, timeout=_LONGEST)
        await self._http.get("/_stcore/health")
        await self._http.get("/_stcore/host-config")
        token = self.token
        self._socket = await websockets.connect(
            self.address.replace("http", "ws", 1) + "/_stcore/stream",
            subprotocols=[websockets.Subprotocol(one) for one in ("streamlit", token) if one],
            additional_headers={"Cookie": f"{_COOKIE}={token}"},
            origin=websockets.Origin(self.address),
            max_size=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._http.aclose()

    async def open(self, page: str, query: str = "") -> Visit:
        """Open a page by its name; the first one is `""`. What other pages' widgets held is forgotten."""
        self._page, self._states = page, {}
        return await self._run(query)

    async def set(self, widget: Any, **state: Any) -> Visit:  # noqa: ANN401
        """Give a widget a value, such as `double_array_value=[.3]`, and let the page run."""
        self._states[widget.id] = state
        return await self._run("")

    async def file_urls(self, names: Iterable[str]) -> list[FileURLs]:
        """Where to upload files of these names, as the page's uploader asks for it."""
        message = BackMsg()
        request = message.file_urls_request
        request.request_id, request.session_id = f"{time.monotonic_ns()}", self._session
        request.file_names.extend(names)
        await self.send(message)
        return list((await self._receive("file_urls_response")).file_urls_response.file_urls)

    async def upload(self, uploader: Any, files: Mapping[str, bytes]) -> Visit:  # noqa: ANN401
        """Put files, name -> content, into an uploader, in the place of what it held."""
        state = FileUploaderState()
        for urls, (name, content) in zip(await self.file_urls(files), files.items(), strict=True):
            form = {"file": (name, content, "application/octet-stream")}
            put = await self._http.put(urls.upload_url, files=form, headers={"X-Xsrftoken": self.token})
            put.raise_for_status()
            state.uploaded_file_info.add(file_id=urls.file_id, name=name, size=len(content), file_urls=urls)
        return await self.set(uploader, file_uploader_state_value=state)

    @property
    def token(self) -> str:
        """What proves to the server that its own page asks."""
        return self._http.cookies.get(_COOKIE) or ""

    async def put(self, url: str, body: bytes | AsyncIterator[bytes], headers: Mapping[str, str]) -> httpx.Response:
        """Upload a body as it is; the answer, whatever it is."""
        return await self._http.put(url, content=body, headers={**headers, "X-Xsrftoken": self.token})

    async def get(self, path: str) -> httpx.Response:
        """Ask for a path."""
        return await self._http.get(path)

    async def send(self, message: BackMsg) -> None:
        """Send a message as it is."""
        await self._socket.send(message.SerializeToString())

    def leave(self) -> None:
        """Go without a goodbye, as a browser that is killed does."""
        self._socket.transport.abort()

    async def _run(self, query: str) -> Visit:
        started = time.monotonic()
        await self.send(self._request(query))
        elements: dict[tuple[int, ...], Any] = {}
        while True:
            told = await self._receive(None)
            kind = told.WhichOneof("type")
            if kind == "new_session":
                self._session, elements = told.new_session.initialize.session_id or self._session, {}
            elif kind == "navigation":
                pages = told.navigation.app_pages
                self._pages = {"" if page.is_default else page.url_pathname: page.page_script_hash for page in pages}
            elif kind == "delta" and told.delta.WhichOneof("type") == "new_element":
                elements[tuple(told.metadata.delta_path)] = told.delta.new_element
            elif kind == "script_finished":
                return Visit(elements, time.monotonic() - started)

    def _request(self, query: str) -> BackMsg:
        """The page and what its widgets hold, as the browser sends them."""
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_name = query, self._page
        run.page_script_hash = self._pages.get(self._page, "")
        run.context_info.url = f"{self.address}/{self._page}"
        for key, state in self._states.items():
            widget = run.widget_states.widgets.add(id=key)
            for name, value in state.items():
                if isinstance(value, list):
                    getattr(widget, name).data.extend(value)
                elif isinstance(value, bool):
                    setattr(widget, name, value)
                else:
                    getattr(widget, name).CopyFrom(value)
        return message

    async def _receive(self, kind: str | None) -> ForwardMsg:
        while True:
            message = ForwardMsg()
            message.ParseFromString(await asyncio.wait_for(self._socket.recv(), _LONGEST))
            if message.WhichOneof("type") == "ref_hash":
                known = self._known[message.ref_hash]
                whole = ForwardMsg()
                whole.CopyFrom(known)
                whole.metadata.CopyFrom(message.metadata)
                message = whole
            elif message.metadata.cacheable or message.hash:
                self._known[message.hash] = message
            if kind is None or message.WhichOneof("type") == kind:
                return message
