"""SIGTERM, by which job systems and containers announce that they will kill a process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came where no work asks for it: what is being written is removed, what is finished is kept."""


@dataclass
class _Announcement:
    """Whether a work asks between its steps whether it should stop, and whether SIGTERM came since."""

    is_asked_for: bool = False
    came: bool = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if not self.is_asked_for or self.came:
            raise Terminated
        self.came = True


_ANNOUNCEMENT = _Announcement()


def should_stop() -> bool:
    """Whether SIGTERM came. A work that asks is not interrupted by the first one, but by the second."""
    _ANNOUNCEMENT.is_asked_for = True
    return _ANNOUNCEMENT.came


@contextmanager
def answering_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, or be heard by a work that asks `should_stop`."""
    _ANNOUNCEMENT.is_asked_for = _ANNOUNCEMENT.came = False
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield
        return
    before = signal.signal(signal.SIGTERM, _ANNOUNCEMENT.hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
