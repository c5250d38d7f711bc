"""Trainings as TensorBoard reads them: events that are written from `metrics.jsonl`, which stays the source."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr_core.errors import InputError
from dr_core.study.run_history import CONFIG, METRICS, read_metrics, read_object

_SUFFIX = ".dr-lens"
"""End of the names of event files that are written here, and may be written anew."""


@dataclass(frozen=True, kw_only=True)
class EventReport:
    """What was written of one training.

    Attributes:
        run: Name of its folder.
        epochs: Epochs whose events were written.
        folder: Folder of the events.
    """

    run: str
    epochs: int
    folder: Path


class EventWriter:
    """Writes the events of all trainings in a folder, and later those of the epochs that came since.

    Args:
        runs: Folder of run folders, such as `runs/` of a study.
        out: Folder of the events, with one folder for each training.

    Raises:
        InputError: If the writer of events is not installed, or there is no such folder.
    """

    def __init__(self, runs: Path, out: Path) -> None:
        if not runs.is_dir():
            raise InputError(f"There are no trainings in {runs}; name the folder of a study that was trained.")
        self.runs, self.out = runs, out
        self._new_writer = _find_writer()
        self._writers: dict[str, Any] = {}
        self._written: dict[str, list[dict[str, float]]] = {}

    def update(self) -> Iterator[EventReport]:
        """Write what is new; a training that was begun anew is written anew.

        Yields:
            A report for each training that has new epochs.

        Raises:
            InputError: If the measures of a training are damaged.
        """
        for path in sorted(self.runs.glob(f"*/{METRICS}")):
            history, name = read_metrics(path), path.parent.name
            before = self._written.get(name)
            if before is None or history[: len(before)] != before:
                before = self._begin(path.parent)
            if len(history) > len(before):
                self._write(name, history, len(before), path.stat().st_mtime)
                yield EventReport(run=name, epochs=len(history) - len(before), folder=self.out / name)
            self._written[name] = history

    def close(self) -> None:
        """Write what is buffered, and close every file."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _begin(self, run: Path) -> list[dict[str, float]]:
        """Begin the events of a training, in place of those that were written here before."""
        if run.name in self._writers:
            self._writers.pop(run.name).close()
        folder = self.out / run.name
        for old in folder.glob(f"events.out.tfevents.*{_SUFFIX}"):
            old.unlink()
        self._writers[run.name] = writer = self._new_writer(str(folder), filename_suffix=_SUFFIX)
        if (run / CONFIG).is_file():
            asked = json.dumps(read_object(run / CONFIG), indent=2)
            writer.add_text("configuration", f"```\n{asked}\n```", 0)
        return []

    def _write(self, name: str, history: list[dict[str, float]], start: int, changed: float) -> None:
        """Write the epochs from `start` on, each at the time at which it ended as the last one's file says."""
        writer = self._writers[name]
        for number in range(start, len(history)):
            later = sum(_number(line.get("seconds")) for line in history[number + 1 :])
            for tag, value in history[number].items():
                if tag != "epoch" and isinstance(value, int | float):
                    writer.add_scalar(tag, value, global_step=number + 1, walltime=changed - later)
        writer.flush()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _find_writer() -> Any:  # noqa: ANN401 - a class of a package that may be missing
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise InputError(
            "Writing events for TensorBoard needs the package tensorboardX; install it with: pip install tensorboardX "
            "(the extra `tensorboard`). The measures are in metrics.jsonl of every run folder, with or without it."
        ) from error
    return SummaryWriter
