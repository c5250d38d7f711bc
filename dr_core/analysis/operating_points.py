"""Operating points: thresholds for stated sensitivities and specificities on stated eyes, and what they reach there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.analysis.discrimination import Operation, check_scores
from dr_core.analysis.intervals import Interval, proportion_interval
from dr_core.errors import InputError
from dr_core.registry import Registry

HALF = "probability 0.5"
"""Name of the threshold that nobody chose on any eyes."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """What an operating point is chosen for.

    Attributes:
        kind: `"specificity"` or `"sensitivity"`: the least that is asked; `"probability"`: the threshold itself.
        value: The least share, or the threshold, 0..1.
    """

    kind: Literal["specificity", "sensitivity", "probability"]
    value: float

    @property
    def name(self) -> str:
        """Name in tables, options and links, such as `"specificity 0.9"`."""
        return f"{self.kind} {self.value:g}"

    @property
    def label(self) -> str:
        """Name for people, such as `"90 % specificity"`."""
        if self.kind == "probability":
            return f"probability {self.value:.2f}, chosen on no eyes"
        return f"{100 * self.value:g} % {self.kind}"


CRITERIA: Registry[Criterion] = Registry(
    "criterion",
    (
        Criterion(kind="specificity", value=0.9),
        Criterion(kind="specificity", value=0.95),
        Criterion(kind="specificity", value=0.8),
        Criterion(kind="sensitivity", value=0.9),
        Criterion(kind="sensitivity", value=0.95),
        Criterion(kind="sensitivity", value=0.8),
        Criterion(kind="probability", value=0.5),
    ),
)
"""The criteria for which every study stores thresholds."""


@dataclass(frozen=True, kw_only=True)
class ReachedPoint:
    """A threshold and what it reaches on the eyes on which it was chosen.

    Attributes:
        criterion: What it was chosen for.
        threshold: Score from which an eye is flagged, 0..1; above 1 where no eye may be flagged.
        threshold_low: Lower end of the threshold's 95 % interval by drawing patients; NaN where it was not chosen.
        threshold_high: Upper end.
        sensitivity: Share of positive eyes that are flagged, with its interval.
        specificity: Share of negative eyes that are not flagged, with its interval.
    """

    criterion: Criterion
    threshold: float
    threshold_low: float
    threshold_high: float
    sensitivity: Interval
    specificity: Interval


def choose_threshold(
    scores: np.ndarray, labels: np.ndarray, criterion: Criterion, weights: np.ndarray | None = None
) -> float:
    """Choose the threshold t of a criterion: flagged are eyes with score >= t.

    For a specificity c the lowest t, among the scores and one above them all, with P(s < t | healthy) >= c; for a
    sensitivity c the highest score t with P(s >= t | sick) >= c.

    Args:
        scores: Float (N,), higher means more likely positive.
        labels: Bool (N,).
        criterion: What is asked.
        weights: Float (N,), how often each eye counts; None counts each once.

    Raises:
        InputError: If a score is NaN, or the class is absent that the criterion is about.

    Source: Fawcett 2006, Pattern Recognition Letters 27:861-874 (thresholds are the corners of the ROC curve).
    """
    scores, labels = check_scores(scores, labels)
    if criterion.kind == "probability":
        return criterion.value
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    members = labels if criterion.kind == "sensitivity" else ~labels
    if not weights[members].sum():
        raise InputError(
            "An operating point needs positive and negative eyes; these eyes have only one class. Take eyes of both."
        )
    above = float(np.nextafter(scores.max(), np.inf))
    if criterion.kind == "sensitivity":
        order = np.argsort(-scores[members], kind="stable")
        share = np.cumsum(weights[members][order]) / weights[members].sum()
        return float(scores[members][order][np.argmax(share >= criterion.value - 1e-9)])
    order = np.argsort(scores[members], kind="stable")
    ordered = scores[members][order]
    share = np.cumsum(weights[members][order]) / weights[members].sum()
    last = float(ordered[np.argmax(share >= criterion.value - 1e-9)])  # the highest healthy score that is left alone
    higher = scores[scores > last]
    return float(higher.min()) if len(higher) else above


def reach_points(
    scores: np.ndarray, labels: np.ndarray, draws: PatientDraws, criteria: Sequence[Criterion]
) -> tuple[ReachedPoint, ...]:
    """Choose thresholds, and measure sensitivity = TP / (TP + FN) and specificity = TN / (TN + FP) there.

    The shares are those of the eyes on which the threshold was chosen; on other eyes they are others. The interval of a
    threshold comes from choosing it again in every draw of the patients.

    Args:
        scores: Float (N,), 0..1.
        labels: Bool (N,).
        draws: Draws of the patients of these eyes.
        criteria: What is asked.

    Raises:
        InputError: If a score is NaN or a class is absent.

    Source: Efron and Tibshirani 1993, chapter 13 (percentile interval); Wilson 1927 (shares).
    """
    scores, labels = check_scores(scores, labels)
    found = []
    for criterion in criteria:
        threshold = choose_threshold(scores, labels, criterion)
        flagged = scores >= threshold
        low, high = _threshold_interval(scores, labels, draws, criterion)
        found.append(
            ReachedPoint(
                criterion=criterion,
                threshold=threshold,
                threshold_low=low,
                threshold_high=high,
                sensitivity=proportion_interval(flagged[labels], draws.patient[labels]),
                specificity=proportion_interval(~flagged[~labels], draws.patient[~labels]),
            )
        )
    return tuple(found)


def _threshold_interval(
    scores: np.ndarray, labels: np.ndarray, draws: PatientDraws, criterion: Criterion
) -> tuple[float, float]:
    members = labels if criterion.kind == "sensitivity" else ~labels
    if criterion.kind == "probability" or draws.times.shape[1] < 2:
        return float("nan"), float("nan")
    times = draws.times[draws.patient, 1:]
    chosen = [
        choose_threshold(scores, labels, criterion, times[:, draw])
        for draw in range(times.shape[1])
        if times[members, draw].sum()
    ]
    low, high = np.percentile(chosen, [2.5, 97.5])
    return float(low), float(high)


def operate_from(scores: np.ndarray, labels: np.ndarray, threshold: float) -> Operation:
    """Count what happens where an eye is called positive from a given threshold t on.

    TP = #{s >= t, y = 1}, FN = #{s < t, y = 1}, FP = #{s >= t, y = 0}, TN = #{s < t, y = 0}.

    Args:
        scores: Float (N,), s, higher means more likely positive.
        labels: Bool (N,), y.
        threshold: The threshold, as one that was chosen on other eyes.

    Raises:
        InputError: If a score is NaN.

    Source: Fawcett 2006, Pattern Recognition Letters 27(8), section 2.
    """
    scores, labels = check_scores(scores, labels)
    called = scores >= threshold
    return Operation(
        threshold=threshold,
        true_positives=int((called & labels).sum()),
        false_negatives=int((~called & labels).sum()),
        false_positives=int((called & ~labels).sum()),
        true_negatives=int((~called & ~labels).sum()),
    )
