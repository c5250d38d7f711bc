"""Answers that a table holds about single eyes, so that an eye can be listed before, or without, its picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True)
class RecordedEye:
    """What a table holds of one eye.

    Attributes:
        source: Key of the data set, or name of the table.
        name: Name of the eye in the table.
        answers: Set-up -> softmax, float64 (5,), 0..1; empty where no model answered.
        patient: Name of the patient; empty where it is not known.
        grade: True grade 0..4; -1 where it is not known.
        warnings: What speaks against an answer, in sentences.
        level: How far the photograph is from what the models know; empty where it was not measured.
        error: Why there is no answer; empty where there is one.
        is_repeated: Whether the table has several eyes of this name.
    """

    source: str
    name: str
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)
    patient: str = ""
    grade: int = -1
    warnings: tuple[str, ...] = ()
    level: str = ""
    error: str = ""
    is_repeated: bool = False


def list_recorded(predictions: pd.DataFrame, data: str, setups: Sequence[str]) -> tuple[RecordedEye, ...]:
    """The eyes of a data set with what the models answered.

    Args:
        predictions: Rows of the table `predictions`, one for each eye and set-up.
        data: Key of the data set.
        setups: Set-ups whose answers are taken.

    Returns:
        The eyes in the order of the table.
    """
    from dr_core.experiments.answers import ANSWERS  # takes seconds, for which whoever lists no eyes does not wait

    rows = predictions[(predictions["data"] == data) & predictions["setup"].isin(list(setups))]
    eyes = pd.MultiIndex.from_frame(rows[["patient", "eye"]].astype(str))
    shown = eyes.unique()
    repeated = shown.get_level_values("eye").value_counts()
    answers: dict[tuple[str, str], dict[str, np.ndarray]] = {key: {} for key in shown}
    grades: dict[tuple[str, str], int] = {}
    softmax = rows[ANSWERS].to_numpy(np.float64)
    for row, (patient, eye, setup, grade) in enumerate(
        rows[["patient", "eye", "setup", "grade"]].itertuples(index=False)
    ):
        key = (str(patient), str(eye))
        answers[key][str(setup)] = softmax[row]
        grades[key] = int(grade)
    return tuple(
        RecordedEye(
            source=data,
            name=eye,
            patient=patient,
            answers=answers[patient, eye],
            grade=grades[patient, eye],
            is_repeated=bool(repeated[eye] > 1),
        )
        for patient, eye in shown
    )
