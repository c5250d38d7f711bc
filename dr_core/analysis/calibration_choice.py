"""Choosing a calibration on labeled eyes: every method fitted, judged on patients that it was not fitted on."""

from dataclasses import dataclass

import numpy as np

from dr_core.analysis.calibration import LEAST, BinaryMap, CalibrationMethod, FittedMap, methods_of
from dr_core.analysis.discrimination import check_scores
from dr_core.errors import InputError

MIN_EYES = 50
"""Fewest eyes from which a calibration is fitted; on fewer its error is larger than what it could mend."""

MIN_OF_CLASS = 5
"""Fewest eyes of either class."""

FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class CrossValidated:
    """A method, fitted on all eyes and judged on eyes that it was not fitted on.

    Attributes:
        method: The method.
        fitted: Fitted on all eyes.
        outside: Float64 (N,) or (N, K), each eye calibrated by what was fitted on other patients.
        log_loss: Mean of -log q(truth) over `outside`.
    """

    method: CalibrationMethod
    fitted: FittedMap
    outside: np.ndarray
    log_loss: float


def check_calibration_eyes(labels: np.ndarray, patients: np.ndarray) -> None:
    """Refuse eyes from which no calibration can be fitted: N < 50, fewer than 5 of a class, fewer than 5 patients.

    Args:
        labels: Bool (N,).
        patients: Anything (N,).

    Raises:
        InputError: If they are too few, or of one class.
    """
    positive, number = int(np.sum(labels)), len(labels)
    if number < MIN_EYES:
        raise InputError(f"A calibration needs at least {MIN_EYES} labeled eyes, not {number}; add further ones.")
    if min(positive, number - positive) < MIN_OF_CLASS:
        raise InputError(
            f"A calibration needs at least {MIN_OF_CLASS} eyes of each class; of these {number} eyes {positive} are "
            "positive. Add eyes of the other class."
        )
    if len(np.unique(patients)) < FOLDS:
        raise InputError(f"A calibration needs eyes of at least {FOLDS} patients, not {len(np.unique(patients))}.")


def cross_validate(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, *, of_grades: bool
) -> tuple[CrossValidated, ...]:
    """Fit every method, and judge each by log loss = mean of -log q(truth) on patients that it was not fitted on.

    Args:
        probabilities: Float (N,), the score of a reading, or (N, K), softmax over the grades.
        labels: Bool (N,), or grades, int (N,).
        patients: Anything (N,); equal values are one patient, whose eyes are never on both sides of a fold.
        of_grades: Whether the grades are calibrated as a whole.

    Returns:
        The methods in the order of the registry; the one of least `log_loss` is the choice of `choose_method`.

    Source: Stone 1974, JRSS B 36:111-147 (cross-validatory choice); folds by patients.
    """
    from sklearn.model_selection import GroupKFold

    folds = list(GroupKFold(FOLDS).split(probabilities, groups=patients))
    found = []
    for method in methods_of(of_grades=of_grades):
        outside = np.empty_like(probabilities, dtype=np.float64)
        for inside, others in folds:
            outside[others] = _fit(method, probabilities[inside], labels[inside]).apply(probabilities[others])
        found.append(
            CrossValidated(
                method=method,
                fitted=method.fit(probabilities, labels),
                outside=outside,
                log_loss=log_loss(outside, labels),
            )
        )
    return tuple(found)


def _fit(method: CalibrationMethod, probabilities: np.ndarray, labels: np.ndarray) -> FittedMap:
    """Fit on a fold; one that happens to hold a single class of a reading is calibrated by nothing."""
    if not method.of_grades and len(np.unique(labels)) < 2:
        return BinaryMap()
    return method.fit(probabilities, labels)


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log q(truth), natural logarithm.

    Args:
        probabilities: Float (N,), the probability of a positive eye, or (N, K).
        labels: Bool (N,), or int (N,).

    Source: Good 1952, JRSS B 14:107-114.
    """
    if probabilities.ndim == 1:
        scores, labels = check_scores(probabilities, labels)
        truth = np.where(labels, scores, 1 - scores)
    else:
        truth = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(truth, LEAST, 1)).mean())


def choose_method(found: tuple[CrossValidated, ...]) -> CrossValidated:
    """The method of the least cross-validated log loss: m = argmin over m of mean of -log q_m(truth)."""
    return min(found, key=lambda one: one.log_loss)
