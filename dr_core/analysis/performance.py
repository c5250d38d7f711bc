"""How good the answers are: AUC with an interval by patients."""

from dataclasses import dataclass

import numpy as np

from dr_core.seeds import numpy_generator


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A measured value with its 95 % bootstrap interval.

    Attributes:
        value: The value on all eyes.
        low: Lower end.
        high: Upper end.
        n: Number of eyes.
        positives: Number of eyes that carry the label.
    """

    value: float
    low: float
    high: float
    n: int
    positives: int


def estimate_auc(
    scores: np.ndarray, labels: np.ndarray, patients: np.ndarray, *, draws: int = 1000, seed: int = 0
) -> Estimate:
    """Area under the ROC curve, with an interval from drawing patients with replacement.

    Args:
        scores: Float (N,), higher means more likely positive.
        labels: Bool (N,).
        patients: Anything (N,); the eyes of one patient are drawn together.
        draws: Number of bootstrap draws; a draw with only one class is left out.
        seed: Seed of the draws.

    Returns:
        The estimate; all values NaN where only one class is present.

    Source: Paper, section 3.1 (AUC); Efron and Tibshirani 1993 (percentile interval).
    """
    labels = np.asarray(labels, bool)
    counts = {"n": len(labels), "positives": int(labels.sum())}
    if not 0 < counts["positives"] < counts["n"]:
        return Estimate(value=np.nan, low=np.nan, high=np.nan, **counts)
    value = weighted_auc(scores, labels, np.ones((1, len(labels))))[0]
    values = weighted_auc(scores, labels, _draw_weights(patients, draws, numpy_generator(seed, "bootstrap")))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Estimate(value=float(value), low=float(low), high=float(high), **counts)


def _draw_weights(patients: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """How often each eye is drawn when patients are drawn with replacement, float (draws, N)."""
    _, cluster = np.unique(patients, return_inverse=True)
    number = int(cluster.max()) + 1
    times = generator.multinomial(number, np.full(number, 1 / number), size=draws)  # (draws, patients)
    return times[:, cluster].astype(np.float64)


def weighted_auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of the same scores under many weightings of the eyes at once.

    Args:
        scores: Float (N,).
        labels: Bool (N,).
        weights: Float (D, N), not negative.

    Returns:
        Float64 (D,): the weighted share of pairs in right order, ties counted half; NaN where a class has no weight.

    Source: Hanley and McNeil 1982, Radiology 143:29-36 (AUC as the probability of right order).
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(scores)[order], prepend=-np.inf))  # where a new score begins
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)  # (D, distinct scores)
    negative = np.add.reduceat(weights[:, order] * ~labels[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - 0.5 * negative
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
