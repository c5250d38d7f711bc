"""How far the trainings in a folder are, read from what they write and without disturbing them."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr_core.errors import InputError
from dr_core.study.run_history import CONFIG, METRICS, is_at_end, read_metrics
from dr_core.training.run_folder import RunFolder

_PATIENCE = 600.0
"""Seconds without a written epoch after which a training counts as stalled, unless three of its epochs take longer."""


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """A training that is not at its end.

    Attributes:
        name: Name of its folder.
        epochs: Epochs that it shall have.
        history: Its measures, one dict an epoch that is done.
        silent: Seconds since it wrote anything.
        seconds_left: Seconds until its end by its median epoch; NaN before the first is done.
    """

    name: str
    epochs: int
    history: list[dict[str, float]]
    silent: float
    seconds_left: float

    @property
    def stalled(self) -> bool:
        """Whether it has been silent for too long: stopped, killed, or waiting."""
        times = [line["seconds"] for line in self.history if "seconds" in line]
        return self.silent > max(_PATIENCE, 3 * statistics.median(times) if times else 0.0)


def find_running(runs: Path, now: float | None = None) -> list[RunProgress]:
    """Find the trainings in a folder of run folders that are not at their end.

    Args:
        runs: Such as `runs/` of a study; need not exist.
        now: Seconds since 1970; None takes the clock.

    Returns:
        The one that wrote last first. A folder that cannot be understood is left out.
    """
    found = [_read_run(folder, time.time() if now is None else now) for folder in sorted(runs.glob("*/"))]
    return sorted((run for run in found if run is not None), key=lambda run: run.silent)


def _measures(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line; what is none, or not finite where time is counted, is left out."""
    numbers = {name: value for name, value in line.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if name != "seconds" or 0 <= value < _LONGEST_EPOCH}


_LONGEST_EPOCH = 1e8
"""Seconds; three years."""


def _read_run(folder: Path, now: float) -> RunProgress | None:
    config, metrics = folder / CONFIG, folder / METRICS
    try:
        if not folder.resolve().is_relative_to(folder.parent.resolve()):
            return None  # a link out of the study
        asked = RunFolder.read_config(folder)
        epochs = int(asked["epochs"])
        history = [_measures(line) for line in read_metrics(metrics)]
        ended = is_at_end(asked, history)
        written = max(path.stat().st_mtime for path in (config, metrics) if path.is_file())
    except (InputError, OSError, ValueError, OverflowError, KeyError, TypeError):
        return None
    if ended:
        return None
    times = [line["seconds"] for line in history if "seconds" in line]
    left = (epochs - len(history)) * statistics.median(times) if times else float("nan")
    silent = max(0.0, now - written)
    return RunProgress(name=folder.name, epochs=epochs, history=history, silent=silent, seconds_left=left)
