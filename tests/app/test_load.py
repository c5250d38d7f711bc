"""A few people at once, driven as benchmarks/load.py drives many."""

import asyncio
import sys

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

load = pytest.importorskip("load")


@pytest.fixture(scope="module")
def server():
    with load.start_server() as started:
        yield started


def test_sessions_see_their_own_eyes_and_nothing_fails(server):
    address, process = server
    work = load.drive(address, sessions=3, seconds=4, patience=(0.0, 0.3))
    record, memory = asyncio.run(load.watched(work, process))
    assert record.wrong == []
    assert {kind: len(times) >= 3 for kind, times in record.seconds.items()} == dict.fromkeys(
        ("upload", "slide", "explain", "masks"), True
    )
    assert memory[-1][1] < load.MEMORY_AIM


def test_another_eye_is_another_page(server):
    """Otherwise nobody would notice if sessions were mixed up."""
    address, _ = server

    async def look():
        return [await load._alone(address, load.draw_specimen(number), 0.5) for number in (0, 1)]

    first, second = asyncio.run(look())
    assert all(one != other for one, other in zip(first, second, strict=True))
