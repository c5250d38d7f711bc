"""Thirty people at once: each uploads eyes, moves the threshold and asks for heatmaps, for three minutes.

Starts the real server on the demo study and drives it over Streamlit's own protocol, without browsers, so that the
machine's cores serve the app. Everybody uploads a new eye in every round and waits 1.5 to 4.5 s between two requests.
Now and then somebody is gone in the middle of a request, without a goodbye, and opens the app anew. The pages must
equal, letter by letter, what a single user sees of the same eye on a server of his own; the last JSON line has the 95th
percentile of the time until four answers are there, which means something on a machine that does nothing else, and the
processor time of a round, which also does on a busy one.

    python benchmarks/load.py [--sessions 30] [--minutes 3] [--eyes N]
    python benchmarks/load.py --uploads 1000     # one session, one eye after the other: memory
"""

import argparse
import asyncio
import itertools
import json
import math
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import cv2
import numpy as np
import websockets

from benchmarks.load_client import Visit, Visitor
from benchmarks.load_server import growth, processor_seconds, start_server, watched
from dr_core.data.phantom import draw_phantom

PATIENCE = (1.5, 4.5)
"""Shortest and longest pause between two requests of one person, seconds."""

AIM, MEMORY_AIM, ROUNDS_AIM = 3.0, 3 * 2**30, 300

LEAVING = 0.1
"""Share of the rounds that end with somebody who is gone in the middle of a request."""


Pause = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Specimen:
    """A drawn eye as somebody would upload it: a photograph and two masks."""

    photograph: bytes
    masks: dict[str, bytes]

    def files(self) -> dict[str, bytes]:
        """All of it."""
        return {"eye.jpg": self.photograph, **self.masks}


def draw_specimen(seed: int) -> Specimen:
    """Draw an eye with lesions."""
    phantom = draw_phantom(2 + seed % 3, 768, 10_000 + seed)
    photograph = cv2.imencode(".jpg", phantom.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    names = {"eye_HE.png": "haemorrhages", "eye_EX.png": "hard_exudates"}
    masks = {name: phantom.masks[lesion].astype(np.uint8) * 255 for name, lesion in names.items()}
    return Specimen(photograph, {name: cv2.imencode(".png", mask)[1].tobytes() for name, mask in masks.items()})


@dataclass
class Record:
    """What happened.

    Attributes:
        seconds: Kind of request -> how long each took.
        wrong: Pages that were not what a single user sees, or complained.
        rounds: Rounds that were finished.
        left: How often somebody was gone in the middle of a request.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    rounds: int = 0
    left: int = 0

    def note(self, kind: str, visit: Visit) -> None:
        """Take a visit down."""
        self.seconds.setdefault(kind, []).append(visit.seconds)
        self.wrong += [f"{kind}: {error}" for error in visit.errors()]


def numbers(visit: Visit) -> str:
    """What a page says of an eye: its cards and tables."""
    found = re.findall(r'<section class="lens-card.*?</section>|<table.*?</table>', visit.html(), re.DOTALL)
    return "\n".join(found)


async def remove_uploads(visitor: Visitor, page: Visit) -> Visit:
    """Remove what was uploaded on earlier visits, where the page offers it: uploads stay until they are removed."""
    for button in page.all("button"):
        if button.label.startswith("Remove ") and "remove_uploads" in button.id:
            return await visitor.set(button, trigger_value=True)
    return page


async def visit_once(visitor: Visitor, specimen: Specimen, threshold: float, record: Record, pause: Pause) -> list[str]:
    """One round of one person.

    Args:
        visitor: Who.
        specimen: The eye.
        threshold: Where the slider goes.
        record: Is written to.
        pause: Awaited between two requests.

    Returns:
        What the three pages said.
    """
    page = await visitor.open("Compare")
    page = await remove_uploads(visitor, page)
    page = await visitor.set(page.find("slider"), double_array_value=[0.5])  # where the last round left it
    await pause()
    page = await visitor.upload(page.find("file_uploader"), {"eye.jpg": specimen.photograph})
    record.note("upload", page)
    said = [numbers(page)]
    await pause()
    page = await visitor.set(page.find("slider"), double_array_value=[threshold])
    record.note("slide", page)
    said.append(numbers(page))
    await pause()
    page = await visitor.open("Explain")  # the photograph comes along
    record.note("explain", page)
    page = await remove_uploads(visitor, page)
    await pause()
    page = await visitor.upload(page.find("file_uploader"), specimen.files())
    record.note("masks", page)
    return [*said, numbers(page)]


@dataclass(frozen=True)
class Person:
    """Who uses the app, and what a single user would see: eyes, and what the pages say of each."""

    threshold: float
    specimens: list[Specimen]
    expected: list[list[str]]


_WARM_UP = 100_000
"""Seed of the eye that nobody else has."""


async def ask_alone(address: str, sessions: int, rounds: int, first: int = 0) -> list[Person]:
    """Draw eyes, another for every round of every person, and ask about each while nobody else does.

    Args:
        address: Of a server that is asked about them by nobody else, so that another one has never seen them.
        sessions: How many people.
        rounds: Eyes of each.
        first: Seed of the first eye.
    """

    async def at_once() -> None:
        return

    people = []
    for number in range(sessions):
        threshold = 0.1 + 0.05 * (number % 17)
        specimens = [draw_specimen(first + number * rounds + one) for one in range(rounds)]
        async with Visitor(address) as visitor:
            expected = [await visit_once(visitor, one, threshold, Record(), at_once) for one in specimens]
        people.append(Person(threshold, specimens, expected))
    said = [tuple(of_one) for person in people for of_one in person.expected]
    if len(set(said)) < len(said) or not all(text for of_one in said for text in of_one):
        raise AssertionError("the eyes must differ, or one session's answers could pass for another's")
    return people


async def drive(address: str, people: list[Person], seconds: float, patience: tuple[float, float] = PATIENCE) -> Record:
    """Let people use a server, all at once.

    Args:
        address: Of the server.
        people: Who.
        seconds: How long, but a round each; a person whose eyes are used up begins with the first one again.
        patience: Shortest and longest pause between two requests.

    Returns:
        What happened.
    """
    record, end = Record(), time.monotonic() + seconds

    async def use(number: int, person: Person) -> None:
        generator = np.random.default_rng(number)

        async def pause() -> None:
            await asyncio.sleep(generator.uniform(*patience))

        await asyncio.sleep(generator.uniform(0, patience[1]))
        rounds = itertools.cycle(zip(person.specimens, person.expected, strict=True))
        while True:
            async with Visitor(address) as visitor:
                for specimen, expected in rounds:
                    said = await visit_once(visitor, specimen, person.threshold, record, pause)
                    record.wrong += [f"session {number}: {line}" for line in _differences(said, expected)]
                    record.rounds += 1
                    if time.monotonic() >= end:
                        return
                    if generator.random() < LEAVING:
                        await _leave(visitor, float(generator.uniform(0, 1)))
                        record.left += 1
                        break

    await asyncio.gather(*(use(number, person) for number, person in enumerate(people)))
    return record


def _differences(said: list[str], expected: list[str]) -> list[str]:
    """Where pages say something else than they said to a single user."""
    lines = []
    for page, one, other in zip(("answers", "answers at the threshold", "heatmaps"), said, expected, strict=True):
        if one != other:
            at = len(os.path.commonprefix([one, other]))  # noqa: RUF071 - by letter is meant
            near = slice(max(0, at - 80), at + 80)
            lines.append(f"{page} say ...{one[near]}..., to a single user ...{other[near]}...")
    return lines


async def _leave(visitor: Visitor, seconds: float) -> None:
    """Ask for heatmaps, and be gone before they are there."""
    asked = asyncio.create_task(visitor.open("Explain"))
    await asyncio.sleep(seconds)
    visitor.leave()
    with suppress(websockets.ConnectionClosed):
        await asked


async def upload_many(address: str, uploads: int) -> Record:
    """One session, one new eye after the other."""
    record = Record()
    base = draw_specimen(0).photograph
    image = cv2.imdecode(np.frombuffer(base, np.uint8), cv2.IMREAD_COLOR)
    async with Visitor(address) as visitor:
        page = await visitor.open("Compare")
        for number in range(uploads):
            image[:4, :4] = number % 256, number // 256, 0  # another photograph, to the letter
            content = cv2.imencode(".jpg", image)[1].tobytes()
            page = await visitor.upload(page.find("file_uploader"), {f"eye{number}.jpg": content})
            record.note("upload", page)
    return record


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--eyes", type=int, help="of each person, before the first comes again (default: all rounds)")
    parser.add_argument("--uploads", type=int, default=0)
    options = parser.parse_args()
    people, seconds = [], 60 * options.minutes
    if not options.uploads:
        with start_server() as (address, _):  # one of its own: what it remembers must not help the other
            rounds = options.eyes or math.ceil(seconds / (2 * sum(PATIENCE)))
            people = asyncio.run(ask_alone(address, options.sessions, rounds))
    with start_server() as (address, process):
        if not options.uploads:  # a server that has just started imports for seconds, whoever asks first
            asyncio.run(ask_alone(address, sessions=1, rounds=1, first=_WARM_UP))
        work = upload_many(address, options.uploads) if options.uploads else drive(address, people, seconds)
        before = processor_seconds(process)
        record, memory = asyncio.run(watched(work, process))
        used = processor_seconds(process) - before
    _print(record, memory, used / max(record.rounds, 1))
    too_few = not options.uploads and record.rounds < ROUNDS_AIM * seconds / 180
    sys.exit(1 if record.wrong or too_few or max(size for _, size in memory) > MEMORY_AIM else 0)


def _print(record: Record, memory: list[tuple[float, int]], each: float) -> None:
    lines = [f"wrong: {error} ({record.wrong.count(error)} times)" for error in sorted(set(record.wrong))]
    for kind, seconds in record.seconds.items():
        median, p95, longest = np.percentile(seconds, [50, 95, 100])
        lines.append(f"{kind}: {len(seconds)} times, median {median:.2f} s, 95 % {p95:.2f} s, longest {longest:.2f} s")
    lines.append(
        f"{record.rounds} rounds were finished; {record.left} times somebody was gone in the middle of a request"
    )
    lines.append(f"{each:.2f} s of processor time a round; the machine's load was {os.getloadavg()[0]:.1f}")
    most = max(size for _, size in memory)
    lines.append(f"memory: at most {most / 2**30:.2f} GiB, last third {growth(memory):+.1%} on the one before")
    p95 = float(np.percentile(record.seconds["upload"] + record.seconds.get("slide", []), 95))
    line = {"name": "load_p95", "ours": round(p95, 3), "peer": None, "peer_name": "none; the aim is 3 s", "unit": "s"}
    line |= {
        "ratio": round(AIM / p95, 2),
        "rounds": record.rounds,
        "wrong": len(record.wrong),
        "memory_gib": round(most / 2**30, 2),
        "processor_seconds_a_round": round(each, 2),
    }
    sys.stdout.write("\n".join([*lines, json.dumps(line), ""]))


if __name__ == "__main__":
    main()
