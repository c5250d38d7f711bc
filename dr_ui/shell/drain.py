"""What the server does when it is stopped: it says so in every tab and finishes what it is computing."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

from streamlit.runtime import get_instance
from streamlit.runtime.app_session import AppSessionState

from dr_ui.shell import connections

LONGEST = 20.0
"""Seconds for what is being computed."""

_LOOK = 0.1

_SENTENCE = "This server is being restarted. The page will reconnect by itself; photographs must be uploaded again."

Handler = Callable[[int, FrameType | None], object]


def on_sigterm() -> None:
    """Drain before the server ends; a second signal ends it at once. Belongs to the main thread's event loop."""
    if threading.current_thread() is not threading.main_thread():
        return
    ends, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()
    if not callable(ends):
        return

    def begin(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, ends)
        loop.call_soon_threadsafe(lambda: _keep(loop.create_task(_drain(lambda: ends(number, frame)))))

    signal.signal(signal.SIGTERM, begin)


_tasks: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """Hold on to a task; the loop alone would let it be collected."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def _is_busy() -> bool:
    """Whether a page is being computed for somebody."""
    sessions = get_instance()._session_mgr.list_active_sessions()
    return any(one.session._state is AppSessionState.APP_IS_RUNNING for one in sessions)


async def _drain(end: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    latest = loop.time() + LONGEST
    try:
        await asyncio.wait_for(asyncio.gather(*(tab.tell(_SENTENCE) for tab in list(connections.TABS))), LONGEST / 4)
        while _is_busy() and loop.time() < latest:
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(_LOOK)  # the last words are on their way
    finally:
        end()
