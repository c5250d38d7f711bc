"""Running a grid of cells: each once, those that it needs before it; a failed one stops nobody but its followers."""

import hashlib
import json
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from dr_core.files import write_json
from dr_core.pipeline.cells import Cell

State = Literal["waiting", "running", "done", "failed", "left out"]

_POLL = 0.1
"""Seconds between two looks at what is running."""


class Running(Protocol):
    """A cell at work."""

    def poll(self) -> int | None:
        """Exit code, or None while it runs."""

    def stop(self) -> None:
        """End it."""


class Executor(Protocol):
    """Who starts cells: this machine, or a cluster."""

    at_once: int
    """How many cells run side by side."""

    def start(self, cell: Cell, log: Path) -> Running:
        """Start a cell; what it prints goes to `log`."""


@dataclass(frozen=True, kw_only=True)
class CellReport:
    """A cell that changed its state.

    Attributes:
        cell: The cell.
        state: Its state now.
        seconds: How long it ran; 0 where it did not.
        log: What it printed.
        done: Cells that are done or need not run again.
        total: All cells.
    """

    cell: Cell
    state: State
    seconds: float
    log: Path
    done: int
    total: int


def run_grid(
    cells: Sequence[Cell], out: Path, executor: Executor, chosen: Collection[str] | None = None
) -> Iterator[CellReport]:
    """Run cells, or what is left of them.

    What a cell has done is written in `out/grid/<name>.json` with a digest of its arguments and of the cells that it
    needs: it is not done again until one of these changes. Logs lie beside it.

    Args:
        cells: All cells of the study, each behind those that it needs.
        out: The study's folder.
        executor: Who starts them.
        chosen: Names of those that are run; None runs all. What they need must have been done before.

    Yields:
        A report whenever a cell starts or ends, or is left out because one that it needs is not done.
    """
    grid = _Grid(cells, out / "grid", executor, chosen)
    try:
        while grid.unfinished():
            yield from grid.start_ready()
            yield from grid.collect_ended()
            time.sleep(_POLL)
    finally:
        grid.stop()


class _Grid:
    """The states of a study's cells, and those that are at work."""

    def __init__(self, cells: Sequence[Cell], folder: Path, executor: Executor, chosen: Collection[str] | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.executor = folder, executor
        self.digests = digest_cells(cells)
        self.cells = [cell for cell in cells if chosen is None or cell.name in chosen]
        self.states: dict[str, State] = {
            cell.name: "done" if read_digest(folder, cell.name) == self.digests[cell.name] else "left out"
            for cell in cells
        }
        for cell in self.cells:
            if self.states[cell.name] != "done":
                self.states[cell.name] = "waiting"
        self.running: dict[str, tuple[Cell, Running, float]] = {}

    def unfinished(self) -> bool:
        return bool(self.running) or "waiting" in self.states.values()

    def start_ready(self) -> Iterator[CellReport]:
        for cell in (one for one in self.cells if self.states[one.name] == "waiting"):
            needed = {self.states[name] for name in cell.needs}
            if needed & {"failed", "left out"}:
                yield self._report(cell, "left out")
            elif needed <= {"done"} and len(self.running) < self.executor.at_once:
                job = self.executor.start(cell, self.folder / f"{cell.name}.log")
                self.running[cell.name] = cell, job, time.monotonic()
                yield self._report(cell, "running")

    def collect_ended(self) -> Iterator[CellReport]:
        for cell, job, started in list(self.running.values()):
            code = job.poll()
            if code is None:
                continue
            del self.running[cell.name]
            seconds = time.monotonic() - started
            if code == 0:
                done = {"digest": self.digests[cell.name], "seconds": seconds}
                write_json(_path(self.folder, cell.name), asdict(cell) | done)
            yield self._report(cell, "failed" if code else "done", seconds)

    def stop(self) -> None:
        for _, job, _ in self.running.values():
            job.stop()

    def _report(self, cell: Cell, state: State, seconds: float = 0.0) -> CellReport:
        self.states[cell.name] = state
        done = sum(self.states[one.name] == "done" for one in self.cells)
        log = self.folder / f"{cell.name}.log"
        return CellReport(cell=cell, state=state, seconds=seconds, log=log, done=done, total=len(self.cells))


def digest_cells(cells: Sequence[Cell]) -> dict[str, str]:
    """Digest of each cell's arguments and of all that it rests on."""
    found: dict[str, str] = {}
    for cell in cells:
        text = json.dumps([cell.arguments, [found[name] for name in cell.needs]])
        found[cell.name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def read_digest(folder: Path, name: str) -> str | None:
    """Digest with which a cell was done, or None."""
    path = _path(folder, name)
    return json.loads(path.read_text(encoding="utf-8"))["digest"] if path.is_file() else None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"
