"""From eyes to patients: the worse eye decides, and an eye that cannot be judged leaves the other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dr_core.errors import InputError


@dataclass(frozen=True)
class PatientScores:
    """Patients by their worse eye.

    Attributes:
        patients: Names, (P,).
        scores: Float64 (P,), the highest score of the patient's judged eyes; NaN where none could be judged.
        labels: Bool (P,), whether any eye of the patient is positive, judged or not.
        judged: Int (P,), number of eyes that were judged.
        eyes: Int (P,), number of eyes.
    """

    patients: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    judged: np.ndarray
    eyes: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Bool (P,), patients with an answer."""
        return self.judged > 0


def join_eyes(
    scores: np.ndarray, labels: np.ndarray, patients: np.ndarray, judged: np.ndarray | None = None
) -> PatientScores:
    """Join the eyes of each patient: S_p = max over judged eyes i of s_i, Y_p = max over eyes i of y_i.

    Args:
        scores: Float (N,), higher means more likely positive.
        labels: Bool (N,).
        patients: Names, (N,).
        judged: Bool (N,), whether an eye could be judged; None stands for all.

    Raises:
        InputError: If the lengths differ.

    Source: as screening programs do, the worse eye decides (ICDR: Wilkinson et al. 2003, Ophthalmology 110:1677-1682).
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, bool)
    judged = np.ones(len(scores), bool) if judged is None else np.asarray(judged, bool)
    if not len(scores) == len(labels) == len(patients) == len(judged):
        raise InputError("There must be one score, label and patient for each eye.")
    names, where = np.unique(np.asarray(patients).astype(str), return_inverse=True)
    best = np.full(len(names), -np.inf)
    np.maximum.at(best, where[judged], scores[judged])
    positive = np.zeros(len(names), bool)
    np.logical_or.at(positive, where, labels)
    return PatientScores(
        patients=names,
        scores=np.where(np.isfinite(best), best, np.nan),
        labels=positive,
        judged=np.bincount(where, judged, len(names)).astype(int),
        eyes=np.bincount(where, minlength=len(names)),
    )


@dataclass(frozen=True, kw_only=True)
class PatientAnswer:
    """One model's answer about one patient.

    Attributes:
        score: The highest score of the judged eyes, 0..1; NaN where none could be judged.
        referable: Whether the patient is referable; None where that cannot be told.
        unjudged: The eyes that could not be judged.
    """

    score: float
    referable: bool | None
    unjudged: tuple[str, ...]


def answer_patient(scores: Mapping[str, float], threshold: float) -> PatientAnswer:
    """One patient's answer, S = max over judged eyes i of s_i: referable where S reaches the threshold.

    Below it the patient is not referable only if every eye was judged: an eye without an answer clears nobody.

    Args:
        scores: Name of an eye -> score, 0..1; NaN where it cannot be judged.
        threshold: Score from which an eye is referable.

    Source: as `join_eyes`.
    """
    judged = {eye: score for eye, score in scores.items() if not math.isnan(score)}
    unjudged = tuple(eye for eye in scores if eye not in judged)
    score = max(judged.values(), default=math.nan)
    referable = True if score >= threshold else None if unjudged or not judged else False
    return PatientAnswer(score=score, referable=referable, unjudged=unjudged)
