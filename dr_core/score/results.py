"""Reading a table that `run_scoring` wrote: what the models answered about photographs that are elsewhere."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dr_core.data.grades import GRADES, TWO_OUTPUTS
from dr_core.data.intake.table import ROW, BadRows, read_label_table
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS
from dr_core.experiments.recorded import RecordedEye
from dr_core.files import fuse_cell

CHECKPOINT_DIGITS = 12
"""Hexadecimal digits by which the table names a checkpoint."""

_COLUMNS = ("path", "setup", *ANSWERS, "warnings", "level", "checkpoint", "error", "reason")
_SUM_WITHIN = 1e-3


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """A table of scores as it was understood.

    Attributes:
        eyes: The photographs, in the order of the table.
        notes: What was left out, a sentence each.
    """

    eyes: tuple[RecordedEye, ...]
    notes: tuple[str, ...]


@dataclass
class _Photograph:
    """What the rows of one photograph hold together; `others` counts answers of other checkpoints."""

    answers: dict[str, np.ndarray] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    warnings: str = ""
    level: str = ""
    others: int = 0

    def take(self, row: Mapping[str, str], checkpoint: str) -> str:
        """Take a row; what is wrong with it, in words, empty where nothing is."""
        self.warnings = self.warnings or fuse_cell(row["warnings"])
        self.level = self.level or row["level"]
        setup, softmax = row["setup"], _parse_softmax(row)
        if row["error"] or row["reason"]:
            self.reasons.append(fuse_cell(row["error"] or row["reason"]))
        elif not checkpoint or row["checkpoint"] != checkpoint:
            self.others += 1
        elif setup in self.answers:
            return f"{row['path']} has a second row of {setup}"
        elif not any(row[column] for column in ANSWERS):
            self.reasons.append(f"Single grades: {TWO_OUTPUTS}.")
        elif softmax is None:
            return "p0 to p4 are no probabilities"
        else:
            self.answers[setup] = softmax
        return ""


def read_score_table(source: bytes, title: str, checkpoints: Mapping[str, str], most: int) -> ScoreTable:
    """Read a table of scores.

    Args:
        source: The CSV file.
        title: What to call it in messages.
        checkpoints: Set-up -> digest of its checkpoint file, SHA-256; answers of others are not taken.
        most: How many photographs, the first ones of the table.

    Raises:
        InputError: If it is no such table, a probability is none, a photograph has two rows of one set-up, or no answer
            is of these checkpoints.
    """
    table, bad = read_label_table(source, list(_COLUMNS), title), BadRows(title)
    found: dict[str, _Photograph] = defaultdict(_Photograph)
    for record in table.frame.to_dict("records"):
        row = {str(column): str(cell) for column, cell in record.items()}
        path, checkpoint = fuse_cell(row["path"]), checkpoints.get(row["setup"], "")[:CHECKPOINT_DIGITS]
        fault = found[path].take(row, checkpoint) if path else "it names no photograph"
        if fault:
            bad.add(record[ROW], fault)
    bad.check("take the table as it was written")
    others = sum(one.others for one in found.values())
    if others and not any(one.answers for one in found.values()):
        raise InputError(
            f"{title} holds answers of other checkpoints than those of this study; open the study that it was scored "
            "with, or score the photographs with this one."
        )
    return _gather(title, found, others, most)


def _parse_softmax(row: Mapping[str, str]) -> np.ndarray | None:
    """Probabilities of the grades, float64 (5,); None where they are none."""
    try:
        softmax = np.array([float(row[column]) for column in ANSWERS])
    except ValueError:
        return None
    fits = len(softmax) == len(GRADES) and (softmax >= 0).all() and abs(softmax.sum() - 1) <= _SUM_WITHIN
    return softmax if fits else None


def _gather(title: str, found: Mapping[str, _Photograph], others: int, most: int) -> ScoreTable:
    eyes = tuple(
        RecordedEye(
            source=title,
            name=path,
            answers=one.answers,
            warnings=(one.warnings,) if one.warnings else (),
            level=one.level,
            error="" if one.answers else next(iter(one.reasons), "no answer of this study's checkpoints"),
        )
        for path, one in list(found.items())[:most]
    )
    notes = [
        f"{title}: {len(found)} photographs" + (f", the first {most} of them listed." if most < len(found) else ".")
    ]
    if others:
        notes.append(f"{others} rows of other checkpoints, or of means over them, were left out.")
    return ScoreTable(eyes=eyes, notes=tuple(notes))
