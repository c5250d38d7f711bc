"""Running a grid of cells: each once, those that it needs before it; a failed one stops nobody but its followers."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from dr_core.pipeline.cells import Cell
from dr_core.pipeline.lineage import (
    Record,
    find_key,
    find_output,
    is_unchanged,
    made_folder,
    read_record,
    write_record,
)

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

    How a cell was done is written in `out/grid/<name>.json`: the digest of its request and of the content of all that
    it was made from. It is not done again until one of these changes; then what it made before is moved to
    `out/replaced`. Logs lie beside the records.

    Args:
        cells: All cells of the study, each behind those that it needs.
        out: The study's folder.
        executor: Who starts them.
        chosen: Names of those that are run; None runs all. What they need must have been done before.

    Yields:
        A report whenever a cell starts or ends, or is left out because one that it needs is not done.
    """
    grid = _Grid(cells, out, executor, chosen)
    try:
        while grid.unfinished():
            yield from grid.start_ready()
            yield from grid.collect_ended()
            time.sleep(_POLL)
    finally:
        grid.stop()


def find_done(cells: Sequence[Cell], out: Path) -> dict[str, str]:
    """Cells that need not run again: name -> digest of what each made.

    Args:
        cells: All cells of the study, each behind those that it needs.
        out: The study's folder.
    """
    outputs: dict[str, str] = {}
    for cell in cells:
        output = find_present(cell, out, outputs)
        if output is not None:
            outputs[cell.name] = output
    return outputs


def find_present(cell: Cell, out: Path, outputs: dict[str, str]) -> str | None:
    """Digest of what a cell made, if it is there and follows from what it would be made from now; otherwise None."""
    record = read_record(out / "grid", cell.name)
    if record is None or not set(cell.needs) <= outputs.keys() or not is_unchanged(cell, record):
        return None
    return record.output if find_key(cell, out, outputs)[0] == record.key else None


class _Grid:
    """The states of a study's cells, and those that are at work."""

    def __init__(self, cells: Sequence[Cell], out: Path, executor: Executor, chosen: Collection[str] | None) -> None:
        self.out, self.folder, self.executor = out, out / "grid", executor
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cells = [cell for cell in cells if chosen is None or cell.name in chosen]
        self.outputs = find_done(cells, out)
        self.states: dict[str, State] = {
            cell.name: "done" if cell.name in self.outputs else "left out" for cell in cells
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
                present = find_present(cell, self.out, self.outputs)
                if present is not None:  # what it needs was made again, and is what it was
                    self.outputs[cell.name] = present
                    yield self._report(cell, "done")
                    continue
                self._move_away(cell)
                job = self.executor.start(cell, self.folder / f"{cell.name}.log")
                self.running[cell.name] = cell, job, time.monotonic()
                yield self._report(cell, "running")

    def _move_away(self, cell: Cell) -> None:
        """Move what a cell made from other inputs, or a hand changed, out of its way; what was only begun stays."""
        record, made = read_record(self.folder, cell.name), made_folder(cell)
        if record is None or made is None or not made.exists():
            return
        replaced = self.out / "replaced"
        replaced.mkdir(exist_ok=True)
        number = sum(1 for _ in replaced.glob(f"{cell.name}-*")) + 1
        made.rename(replaced / f"{cell.name}-{number}")
        (self.folder / f"{cell.name}.json").unlink()

    def collect_ended(self) -> Iterator[CellReport]:
        for cell, job, started in list(self.running.values()):
            code = job.poll()
            if code is None:
                continue
            del self.running[cell.name]
            seconds = time.monotonic() - started
            if code == 0:
                self._record(cell, seconds)
            yield self._report(cell, "failed" if code else "done", seconds)

    def _record(self, cell: Cell, seconds: float) -> None:
        key, inputs = find_key(cell, self.out, self.outputs)
        output, stamp = find_output(cell, key)
        self.outputs[cell.name] = output
        record = Record(key=key, output=output, stamp=stamp, inputs=inputs, seconds=seconds)
        write_record(self.folder, cell, self.out, record)

    def stop(self) -> None:
        for _, job, _ in self.running.values():
            job.stop()

    def _report(self, cell: Cell, state: State, seconds: float = 0.0) -> CellReport:
        self.states[cell.name] = state
        done = sum(self.states[one.name] == "done" for one in self.cells)
        log = self.folder / f"{cell.name}.log"
        return CellReport(cell=cell, state=state, seconds=seconds, log=log, done=done, total=len(self.cells))
