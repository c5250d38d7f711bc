"""A few people at once, driven as benchmarks/load.py drives many."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers import start_server

load = pytest.importorskip("benchmarks.load")


def finish(work):
    """What a coroutine gives; in a thread of its own, since a browser of other tests may keep a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def quiet():
    """A server with nobody else on it: its address and process."""
    with start_server() as server:
        yield server


@pytest.fixture(scope="module")
def people(quiet):
    """What each visitor sees alone."""
    return finish(load.ask_alone(quiet[0], sessions=3, rounds=2))


def test_sessions_see_their_own_eyes_and_nothing_fails(people):
    with start_server() as (address, process):
        work = load.drive(address, people, seconds=4, patience=(0.0, 0.3))
        record, memory = finish(load.watched(work, process))
    assert record.wrong == []
    assert {kind: len(times) >= 3 for kind, times in record.seconds.items()} == dict.fromkeys(
        ("upload", "slide", "explain", "masks"), True
    )
    assert memory[-1][1] < load.MEMORY_AIM


def test_every_page_tells_eyes_apart(people):
    """Otherwise nobody would notice if sessions were mixed up."""
    first, second = people[0].expected
    assert len(first) == 3
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_what_one_click_costs(quiet):
    """Nothing is computed when a control goes back to where it was; the search for garbage alone took 0.3 s.

    Processor time is counted, which does not depend on what else the machine does; beside the first clicks the server
    still imports what later ones need.
    """

    async def move_until_cheap(address, process, end):
        async with load.Visitor(address) as visitor:
            page, cost = await visitor.open("Compare"), float("inf")
            while cost >= 0.15 and time.monotonic() < end:
                before = load.processor_seconds(process)
                for value in 4 * (0.4, 0.6):
                    page = await visitor.set(page.find("slider"), double_array_value=[value])
                cost = (load.processor_seconds(process) - before) / 8
            return cost

    address, process = quiet
    assert finish(move_until_cheap(address, process, time.monotonic() + 60)) < 0.15
