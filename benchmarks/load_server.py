"""The app as a process that is driven and watched from outside, for load.py and the tests."""

import asyncio
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

ROOT = Path(__file__).parents[1]

Result = TypeVar("Result")


def choose_port() -> int:
    """A port that nobody listens on, of those that the system gives to no connection meanwhile."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("all ports are taken")


@contextmanager
def start_server(log: Path | None = None, *, script: str = "app.py", **environment: str) -> Iterator[tuple[str, int]]:
    """Start the app on the demo study.

    Args:
        log: Where its output goes; None throws it away.
        script: What Streamlit runs instead of the app.
        environment: Variables on top of this process's.

    Yields:
        Its address and process.
    """
    port = choose_port()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DR_")}
    with Path(log or os.devnull).open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=inherited | environment, stdout=output, stderr=output)
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2)
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()
            server.wait(20)


def resident_bytes(process: int) -> int:
    """Memory of a process and of those that it started."""
    total, waiting = 0, [process]
    while waiting:
        one = waiting.pop()
        status = Path(f"/proc/{one}/status").read_text()
        total += 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        waiting += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
    return total


async def watched(
    work: Coroutine[object, object, Result], process: int, every: float = 2.0
) -> tuple[Result, list[tuple[float, int]]]:
    """Do the work and look at the server's memory meanwhile."""
    started, memory = time.monotonic(), []

    async def look() -> None:
        while True:
            memory.append((time.monotonic() - started, resident_bytes(process)))
            await asyncio.sleep(every)

    looking = asyncio.create_task(look())
    try:
        return await work, memory
    finally:
        looking.cancel()


def processor_seconds(process: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def growth(memory: list[tuple[float, int]]) -> float:
    """Growth of the memory from the second third of the time to the last, relative."""
    end = memory[-1][0]
    middle = [size for when, size in memory if end / 3 <= when < 2 * end / 3]
    last = [size for when, size in memory if when >= 2 * end / 3]
    return float(np.median(last) / np.median(middle) - 1)
