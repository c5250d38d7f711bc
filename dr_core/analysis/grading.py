"""How well the five grades are told apart: confusion, quadratic kappa, accuracy, and whether probabilities are true."""

from dataclasses import dataclass

import numpy as np

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.analysis.discrimination import check_scores

CALIBRATION_BINS = 10
"""Bins of equal width into which probabilities fall."""


def count_confusion(grades: np.ndarray, answers: np.ndarray, draws: PatientDraws, classes: int = 5) -> np.ndarray:
    """Count eyes by true and answered grade in every draw: n_ij = number of eyes of grade i that are answered as j.

    Args:
        grades: Int (N,), true grades 0..classes-1.
        answers: Int (N,), answered grades.
        draws: Draws of the patients of these eyes.
        classes: Number of grades.

    Returns:
        Float64 (classes, classes, 1 + D); rows are the truth.
    """
    cell = np.asarray(grades, np.int64) * classes + np.asarray(answers, np.int64)
    counts = draws.apply(lambda counts: counts.astype(np.float64), draws.table(cell, classes**2))
    return counts.reshape(classes, classes, -1)


def quadratic_kappa(confusion: np.ndarray) -> np.ndarray:
    """Agreement beyond chance, a miss by two grades weighing four times a miss by one.

    kappa = 1 - sum over ij of w_ij n_ij / sum over ij of w_ij e_ij, with w_ij = (i - j)^2 and e_ij = n_i. n_.j / n.

    Args:
        confusion: Float (C, C, ...).

    Returns:
        Float (...): 1 all right, 0 as by chance; NaN where truth and answers are one and the same single grade.

    Source: Cohen 1968, Psychological Bulletin 70:213-220.
    """
    classes = np.arange(len(confusion))
    weights = (classes[:, None] - classes[None]) ** 2.0
    truth, answered = confusion.sum(axis=1), confusion.sum(axis=0)
    observed = np.einsum("ij,ij...->...", weights, confusion) * truth.sum(axis=0)
    expected = np.einsum("ij,i...,j...->...", weights, truth, answered)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - observed / expected, np.nan)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of eyes on the diagonal, sum over i of n_ii / n: float (...), 0 to 1, of confusions float (C, C, ...)."""
    share: np.ndarray = np.einsum("ii...->...", confusion) / confusion.sum(axis=(0, 1))
    return share


@dataclass(frozen=True)
class Calibration:
    """Probabilities against what came true, in every draw.

    Attributes:
        count: Float64 (bins, 1 + D), eyes in each bin.
        predicted: Float64 (bins, 1 + D), mean probability in the bin; NaN where it is empty.
        observed: Float64 (bins, 1 + D), share of positive eyes in the bin; NaN where it is empty.
        error: Float64 (1 + D,), expected calibration error, 0 (true) .. 1.
    """

    count: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    error: np.ndarray


def measure_calibration(
    scores: np.ndarray, labels: np.ndarray, draws: PatientDraws, bins: int = CALIBRATION_BINS
) -> Calibration:
    """Hold probabilities against what came true: ECE = sum over bins b of n_b / n |observed_b - predicted_b|.

    Args:
        scores: Float (N,), probabilities 0..1.
        labels: Bool (N,).
        draws: Draws of the patients of these eyes.
        bins: Number of bins of equal width; a probability on a border belongs to the upper bin.

    Raises:
        InputError: If a score is NaN.

    Source: Guo et al. 2017, ICML, equation 3.
    """
    scores, labels = check_scores(scores, labels)
    bins_of = np.clip((scores * bins).astype(np.int64), 0, bins - 1)

    counted = draws.apply(lambda sums: sums.astype(np.float64), draws.table(bins_of + bins * labels, 2 * bins))
    predicted = draws.apply(lambda sums: sums, draws.table(bins_of, bins, scores))
    positive = counted[bins:]
    counts = counted[:bins] + positive
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(predicted - positive).sum(axis=0) / counts.sum(axis=0)
        return Calibration(counts, predicted / counts, positive / counts, error)
