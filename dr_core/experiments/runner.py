"""Running a step of an experiment: what is done is kept, parts are put together, tables are written whole."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.experiments.origins import Origin, keep_replaced, record_origin, trace_origin
from dr_core.experiments.step import Report, Step
from dr_core.study.folder import Study
from dr_core.study.shards import Shard, parts_folder, read_part, write_part

_UNITS = "units"
"""Table of a part that lists the units that are done."""

_PAUSE, _PAUSE_FACTOR = 5.0, 20.0
"""Seconds between two writings of a part at least, and as many times as long as the last writing took."""


def run_step(study: Study, step: Step, shard: Shard, origin: Origin | None = None) -> Iterator[Report]:
    """Measure the units of one part that are not done yet; the part that is done last writes the tables.

    Args:
        study: The study.
        step: The step.
        shard: Which part.
        origin: What is measured, by content; None takes the study's training runs and unknown eyes.

    Yields:
        The step's reports, and a last one that says whether the tables have been written.

    Raises:
        InputError: If a model was trained anew while it was measured.
    """
    origin = origin or trace_origin(study, {})
    notes = step.notes
    mine = shard.take(step.units)
    last = Report(done=len(mine), total=len(mine), step=step.name)
    joined: dict[str, pd.DataFrame] | None = {}
    if step.units:
        folder = parts_folder(study.path, step.name, *step.facts)
        for report in _measure(step, _Part(folder, step, shard), mine):
            last = report
            yield report
        joined = _join(folder, step, shard)
    unanswered: tuple[str, ...] = ()
    if joined is not None:
        unanswered = step.unanswered(joined)
        notes += _write(study, step, joined, origin)
    yield replace(last, units=(), tables={}, notes=notes, written=joined is not None, unanswered=unanswered)


class _Part:
    """What this process has measured, kept in files from which a stopped run goes on."""

    def __init__(self, folder: Path, step: Step, shard: Shard) -> None:
        self.folder, self.step, self.shard = folder, step, shard
        before = read_part(folder, _UNITS, shard)
        self.units: list[str] = [] if before is None else before["unit"].tolist()
        self.frames: dict[str, list[pd.DataFrame]] = {name: [] for name in step.tables}
        for name, frames in self.frames.items():
            rows = read_part(folder, name, shard)
            if rows is not None:  # a process that was killed may have left rows of a unit that it had not finished
                frames.append(rows[rows[step.unit].isin(self.units)])
        self._changed, self._time, self._cost = before is None, time.monotonic(), 0.0

    def add(self, report: Report) -> None:
        """Take the rows of finished units; they are written now and then."""
        for name, rows in report.tables.items():
            self.frames[name].append(rows)
        self.units += report.units
        self._changed |= bool(report.units)
        if time.monotonic() - self._time > max(_PAUSE, _PAUSE_FACTOR * self._cost):
            self.write()

    def write(self) -> None:
        """Write what has been measured, the list of units last."""
        if not self._changed:
            return
        started = time.monotonic()
        for name, frames in self.frames.items():
            if frames:
                frames[:] = [pd.concat(frames, ignore_index=True)]
                write_part(self.folder, name, frames[0], self.shard)
        write_part(self.folder, _UNITS, pd.DataFrame({"unit": pd.Series(self.units, dtype=str)}), self.shard)
        self._changed, self._time = False, time.monotonic()
        self._cost = self._time - started


def _measure(step: Step, part: _Part, units: Sequence[str]) -> Iterator[Report]:
    done = set(part.units)
    missing = [unit for unit in units if unit not in done]
    try:
        for report in step.measure(missing) if missing else ():
            part.add(report)
            yield replace(report, step=step.name)
    finally:  # also where it is stopped
        part.write()


def _join(folder: Path, step: Step, shard: Shard) -> dict[str, pd.DataFrame] | None:
    """The rows of all parts by table, in the order of the units; None while a unit is missing."""
    parts = [Shard(number=number, count=shard.count) for number in range(1, shard.count + 1)]
    listed = [read_part(folder, _UNITS, part) for part in parts]
    done = {unit for units in listed if units is not None for unit in units["unit"]}
    if not done.issuperset(step.units):
        return None
    position = {unit: number for number, unit in enumerate(step.units)}
    tables = {}
    for name in step.tables:
        found = [rows for part in parts if (rows := read_part(folder, name, part)) is not None]
        if found:
            rows = pd.concat(found, ignore_index=True)
            order = rows[step.unit].map(position)
            tables[name] = rows.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)
    return tables


def _write(study: Study, step: Step, rows: Mapping[str, pd.DataFrame], origin: Origin) -> tuple[str, ...]:
    """Compute every table before the first one is written; gives what a reader must know.

    An empty one replaces an old one and begins none.
    """
    summaries = {name: table for name, table in step.summarize(rows).items() if len(table) or study.has_results(name)}
    tables, replaced = record_origin(summaries, step.tables, origin), 0
    for name, table in tables.items():
        replaced += keep_replaced(study, name, origin)
        study.write_results(name, table, origin.computed)
    if step.export is not None:
        step.export(tables, study.path / "results")
    if not replaced:
        return ()
    return (f"{replaced} rows on other eyes were of earlier weights; they are in replaced/results now.",)
