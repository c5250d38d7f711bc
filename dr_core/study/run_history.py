"""What a run folder says of its training: what was asked for, what each epoch measured, whether it is at its end."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dr_core.data.grades import PAPER_READING, READINGS
from dr_core.errors import InputError
from dr_core.files import read_regular

CONFIG, METRICS = "config.json", "metrics.jsonl"
"""Files of a run folder: what was asked for, and what was measured, a line an epoch."""

PROVENANCE = "provenance"
"""Key under which a configuration says by what it was computed: a list, since a training may go on elsewhere."""

MONITOR = f"auc_referable_{READINGS[PAPER_READING].positive_from}"
"""Measure on the validation eyes by which a finetuning chooses its epoch, and stops early where it has patience."""

_MAX_TEXT_BYTES = 32 * 2**20
"""Bytes of a configuration or of measures that are read at most; a line of measures takes 300."""


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.jsonl`; a line that is not complete yet is left out.

    Raises:
        InputError: If it is damaged, or holds lines that are no measures.
    """
    if not path.is_file():
        return []
    try:
        lines = read_regular(path, _MAX_TEXT_BYTES).decode("utf-8").splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); remove it.") from error
    if not all(isinstance(line, dict) and all(map(_is_measure, line.values())) for line in found):
        raise InputError(f"{path} holds lines that are no measures of a training; remove it.")
    return found


def _is_measure(value: object) -> bool:
    return value is None or isinstance(value, int | float | str)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of a run folder, perhaps a stranger's.

    Raises:
        InputError: If the file is no regular one, too large, or holds no object.
    """
    try:
        values = json.loads(read_regular(path, _MAX_TEXT_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); remove the folder to train it anew.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no configuration; remove the folder to train it anew.")
    return values


def has_stalled(history: Sequence[Mapping[str, float]], monitor: str | None, patience: int) -> bool:
    """Whether the best epoch lies `patience` epochs back or more; never without patience or a measure."""
    if not patience or monitor is None or not history:
        return False
    values = [past[monitor] for past in history]
    return len(values) - 1 - values.index(max(values)) >= patience


def is_at_end(config: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> bool:
    """Whether a training has done all its epochs, or has stopped early as its recipe says.

    Args:
        config: What was asked for.
        history: What was measured, an epoch each.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: If the configuration does not say how many epochs it takes.
    """
    measured = [line for line in history if MONITOR in line]
    return len(history) >= int(config["epochs"]) or has_stalled(measured, MONITOR, int(config.get("patience", 0)))


def is_finished(folder: Path) -> bool:
    """Whether the training in a run folder is at its end, so that its best epoch is its result.

    A folder without a configuration holds a checkpoint that was put there, not a training, and counts.
    """
    if not (folder / CONFIG).is_file():
        return True
    try:
        return is_at_end(read_object(folder / CONFIG), read_metrics(folder / METRICS))
    except (InputError, OSError, KeyError, TypeError, ValueError, OverflowError):
        return False
