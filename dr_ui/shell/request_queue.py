"""Taking turns: a busy machine answers in the order of asking, and says how many are before you.

There are two lines: heatmaps with their controls take about ten times as long as answers, and whoever compares answers
does not stand behind them.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

_PATIENCE, _AGAIN = 0.5, 1.0
"""Seconds of waiting after which it is said, and until it is said anew."""


class Line:
    """People who wait for one of some places, first come, first served.

    Args:
        places: How many are served at once.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self._changed = threading.Condition()
        self._waiting: list[object] = []
        self._served = 0

    def join(self) -> object:
        """Stand at the end of the line; gives a ticket."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        return ticket

    def wait(self, ticket: object, seconds: float) -> bool:
        """Wait for a place, at most so long; True once it is taken."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._may_enter(ticket), seconds):
                return False
            self._waiting.remove(ticket)
            self._served += 1
            self._changed.notify_all()  # there may be a second free place
            return True

    def _may_enter(self, ticket: object) -> bool:
        return self._served < self.places and self._waiting[0] is ticket

    def before(self, ticket: object) -> int:
        """How many stand before this ticket."""
        with self._changed:
            return self._waiting.index(ticket)

    def crowd(self) -> int:
        """How many are served or wait."""
        with self._changed:
            return self._served + len(self._waiting)

    def leave(self, ticket: object) -> None:
        """Give the place back, or leave the line."""
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            else:
                self._served -= 1
            self._changed.notify_all()


_CORES = os.cpu_count() or 1

SHORT = Line(2 * _CORES)
"""Of pages that answer in tenths of a second. Twice the cores: a slow one does not hold up those who move a slider."""

LONG = Line(max(1, _CORES // 2))
"""Of pages that compute for a second and more, each with as many threads as there are models, up to the cores."""


@contextmanager
def take_turn(line: Line) -> Iterator[None]:
    """Wait for a place, saying so if it takes long, and hold it for the block.

    Args:
        line: In which line.
    """
    ticket = line.join()
    try:
        if not line.wait(ticket, _PATIENCE):
            notice = st.empty()
            while True:
                notice.info(_told(line.before(ticket)), icon=":material/hourglass_empty:")
                if line.wait(ticket, _AGAIN):
                    break
            notice.empty()
        yield
    finally:
        line.leave(ticket)


def has_company() -> bool:
    """Whether a request that has its place is not the only one: then nothing is computed ahead."""
    return SHORT.crowd() + LONG.crowd() > 1


def _told(before: int) -> str:
    if before == 0:
        return "The machine is busy with others; you are next."
    people = "1 request is" if before == 1 else f"{before} requests are"
    return f"The machine is busy; {people} before yours."
