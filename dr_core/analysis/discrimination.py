"""How well a score separates positive from negative eyes: AUC, average precision, operating points, DeLong's test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.errors import InputError


@dataclass(frozen=True)
class Separation:
    """Measures in every draw, each float64 (1 + D,); NaN where a class is absent.

    Attributes:
        auc: Area under the ROC curve.
        average_precision: Mean precision over the recalls.
        sensitivity: Highest sensitivity whose specificity is at least the asked one.
        specificity: Highest specificity whose sensitivity is at least the asked one.
    """

    auc: np.ndarray
    average_precision: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray


@dataclass(frozen=True, kw_only=True)
class DeLongTest:
    """Two AUCs on the same eyes.

    Attributes:
        difference: First AUC minus second.
        error: Standard error of the difference.
        p: Two-sided p-value of no difference.
    """

    difference: float
    error: float
    p: float


def check_scores(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring scores to float64 (N,) and labels to bool (N,).

    Raises:
        InputError: If a score is NaN, or their numbers differ.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, bool)
    if scores.shape != labels.shape or scores.ndim != 1:
        raise InputError(f"There must be one score for each eye, not {scores.shape} for {labels.shape}.")
    if np.isnan(scores).any():
        raise InputError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores are not numbers; compute them again.")
    return scores, labels


def _group(scores: np.ndarray, labels: np.ndarray, *, merge_positive: bool = False) -> tuple[np.ndarray, int]:
    """Number eyes by falling score: equal scores share a group, and so do neighbors that are all negative.

    No threshold between two negative eyes is ever the better one, and no area changes: all measures stay exact.
    Neighbors that are all positive may be merged for the area under the ROC curve, not for the average precision.
    """
    order = np.argsort(-scores, kind="stable")
    distinct = np.cumsum(np.diff(scores[order], prepend=np.inf) != 0) - 1
    number = int(distinct[-1]) + 1
    positive = np.bincount(distinct, labels[order], number)
    negative = np.bincount(distinct, ~labels[order], number)
    joins = (positive[1:] == 0) & (positive[:-1] == 0)
    if merge_positive:
        joins |= (negative[1:] == 0) & (negative[:-1] == 0)
    opens = np.concatenate([[True], ~joins])
    group = np.empty(len(scores), np.int64)
    group[order] = (np.cumsum(opens) - 1)[distinct]
    return group, int(opens.sum())


def measure_separation(
    scores: np.ndarray,
    labels: np.ndarray,
    draws: PatientDraws,
    *,
    at_specificity: float = 0.9,
    at_sensitivity: float = 0.9,
) -> Separation:
    """Measure how well a score separates two classes, in every draw.

    Args:
        scores: Float (N,), higher means more likely positive.
        labels: Bool (N,).
        draws: Draws of the patients of these eyes.
        at_specificity: Specificity at which the sensitivity is taken, 0..1.
        at_sensitivity: Sensitivity at which the specificity is taken, 0..1.

    Raises:
        InputError: If a score is NaN or an operating point is outside 0..1.

    Source: Hanley and McNeil 1982 (AUC, ties half); average precision as the sum of (recall step) x precision.
    """
    scores, labels = check_scores(scores, labels)
    for name, value in (("specificity", at_specificity), ("sensitivity", at_sensitivity)):
        if not 0 <= value <= 1:
            raise InputError(f"The {name} must be between 0 and 1, not {value}.")
    if not 0 < labels.sum() < len(labels):
        nothing = np.full(draws.times.shape[1], np.nan)
        return Separation(nothing, nothing, nothing, nothing)
    group, groups = _group(scores, labels)
    table = draws.table(group + groups * labels, 2 * groups)  # negatives first, then positives
    return Separation(*draws.apply(lambda counts: _separate(counts, at_specificity, at_sensitivity), table))


def _separate(counts: np.ndarray, specificity: float, sensitivity: float) -> np.ndarray:
    """The four measures, float64 (4, d), from counts (2, groups, d) by falling score."""
    negative, positive = np.split(counts, 2)
    found, false_positives = np.cumsum(positive, axis=0), np.cumsum(negative, axis=0)
    sick, healthy = found[-1].astype(np.float64), false_positives[-1].astype(np.float64)
    corner = np.arange(counts.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = _area(positive, negative, false_positives)
        precision = np.divide(found, np.maximum(found + false_positives, 1), dtype=np.float64)
        average_precision = np.einsum("gd,gd->d", positive, precision) / sick
        # both rise along the groups, so that a count of groups is a row; 1e-6 eyes: rounding of the product
        allowed = np.count_nonzero(false_positives <= ((1 - specificity) * healthy + 1e-6), axis=0)
        reached = np.where(allowed > 0, found[np.maximum(allowed, 1) - 1, corner], 0) / sick
        short = np.count_nonzero(found < (sensitivity * sick - 1e-6), axis=0)
        specificity_there = (
            1
            - np.where(sensitivity > 0, false_positives[np.minimum(short, len(false_positives) - 1), corner], 0)
            / healthy
        )
    measures = np.stack([auc, average_precision, reached, specificity_there])
    measures[:, (sick == 0) | (healthy == 0)] = np.nan
    return measures


def _area(positive: np.ndarray, negative: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    """AUC, float64 (d,), from counts (groups, d) by falling score; NaN where a class is absent."""
    # twice the pairs in wrong order; a cumulated count is exact in float32, a sum of products is not
    wrong = np.einsum("gd,gd->d", positive, 2 * false_positives - negative, dtype=np.float64)
    pairs = 2 * positive.sum(axis=0, dtype=np.float64) * false_positives[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        result: np.ndarray = 1 - wrong / pairs
        return result


def measure_auc(scores: np.ndarray, labels: np.ndarray, draws: PatientDraws) -> np.ndarray:
    """AUC in every draw, float64 (1 + D,): (pairs in right order + half of the tied ones) / all pairs.

    Source: Hanley and McNeil 1982, Radiology 143:29-36.
    """
    scores, labels = check_scores(scores, labels)
    if not 0 < labels.sum() < len(labels):
        return np.full(draws.times.shape[1], np.nan)
    group, groups = _group(scores, labels, merge_positive=True)

    def area(counts: np.ndarray) -> np.ndarray:
        negative, positive = np.split(counts, 2)
        return _area(positive, negative, np.cumsum(negative, axis=0))

    return draws.apply(area, draws.table(group + groups * labels, 2 * groups))


def compare_aucs(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> DeLongTest:
    """Test whether two scores on the same eyes have the same AUC.

    Eyes count as independent, as in the source; where patients bring two eyes, look at the bootstrap interval, too.

    Args:
        first: Float (N,).
        second: Float (N,).
        labels: Bool (N,).

    Returns:
        The test; all NaN with fewer than two eyes of a class, p = 1 where both scores rank all eyes alike.

    Raises:
        InputError: If a score is NaN.

    Source: DeLong et al. 1988, Biometrics 44:837-845; by midranks as Sun and Xu 2014, IEEE SPL 21:1389-1393.
    """
    pairs = [check_scores(scores, labels) for scores in (first, second)]
    labels = pairs[0][1]
    sick, healthy = int(labels.sum()), int((~labels).sum())
    if min(sick, healthy) < 2:
        return DeLongTest(difference=np.nan, error=np.nan, p=np.nan)
    of_sick, of_healthy = [], []
    for scores, _ in pairs:
        among_all = rankdata(scores)
        of_sick.append((among_all[labels] - rankdata(scores[labels])) / healthy)
        of_healthy.append(1 - (among_all[~labels] - rankdata(scores[~labels])) / sick)
    difference = float(of_sick[0].mean() - of_sick[1].mean())
    variance = np.var(of_sick[0] - of_sick[1], ddof=1) / sick
    variance += np.var(of_healthy[0] - of_healthy[1], ddof=1) / healthy
    if variance <= 0:
        return DeLongTest(difference=difference, error=0.0, p=1.0 if difference == 0 else 0.0)
    error = float(np.sqrt(variance))
    return DeLongTest(difference=difference, error=error, p=float(2 * norm.sf(abs(difference) / error)))


def roc_points(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of the ROC curve: at threshold t sensitivity = P(s >= t | sick), specificity = P(s < t | healthy).

    Returns:
        Thresholds (falling, the first infinite), sensitivities and specificities there, each float64 (K,); an eye is
        called positive where its score is at least the threshold.

    Source: Fawcett 2006, Pattern Recognition Letters 27:861-874.
    """
    scores, labels = check_scores(scores, labels)
    thresholds, where = np.unique(-scores, return_inverse=True)
    positive = np.bincount(where, labels, len(thresholds))
    negative = np.bincount(where, ~labels, len(thresholds))
    with np.errstate(invalid="ignore"):
        sensitivity = np.concatenate([[0], np.cumsum(positive)]) / labels.sum()
        false_positive_rate = np.concatenate([[0], np.cumsum(negative)]) / (~labels).sum()
    return np.concatenate([[np.inf], -thresholds]), sensitivity, 1 - false_positive_rate


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A model at one threshold.

    Attributes:
        threshold: Score from which an eye is called positive.
        true_positives: Positive eyes called positive.
        false_negatives: Positive eyes called negative.
        false_positives: Negative eyes called positive.
        true_negatives: Negative eyes called negative.
    """

    threshold: float
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int

    @property
    def sensitivity(self) -> float:
        """Share of positive eyes that are found, 0..1; NaN without any."""
        positive = self.true_positives + self.false_negatives
        return self.true_positives / positive if positive else float("nan")

    @property
    def specificity(self) -> float:
        """Share of negative eyes that are not flagged, 0..1; NaN without any."""
        negative = self.false_positives + self.true_negatives
        return self.true_negatives / negative if negative else float("nan")


def operate(scores: np.ndarray, labels: np.ndarray, specificity: float) -> Operation:
    """Choose the lowest threshold with specificity >= c, and count what happens there.

    Raises:
        InputError: If a score is NaN or a class is absent.
    """
    return operate_at(scores, labels, [specificity])[0]


def operate_at(scores: np.ndarray, labels: np.ndarray, specificities: Sequence[float]) -> list[Operation]:
    """As `operate`, at many specificities >= c from one sorting of the scores."""
    scores, labels = check_scores(scores, labels)
    if not 0 < labels.sum() < len(labels):
        raise InputError("An operating point needs positive and negative eyes; this data set has only one class.")
    thresholds, sensitivity, specificities_there = roc_points(scores, labels)
    sick, healthy = int(labels.sum()), int((~labels).sum())
    points = []
    for specificity in specificities:
        corner = int((specificities_there >= specificity - 1e-9).sum()) - 1
        found, kept = round(float(sensitivity[corner]) * sick), round(float(specificities_there[corner]) * healthy)
        points.append(
            Operation(
                threshold=float(thresholds[corner]),
                true_positives=found,
                false_negatives=sick - found,
                false_positives=healthy - kept,
                true_negatives=kept,
            )
        )
    return points


@dataclass(frozen=True)
class Referral:
    """What happens when a model passes its least sure eyes to a person.

    Attributes:
        referred: Float (K,), share of eyes passed on, 0..1.
        accuracy: Float (K,), share of right answers among the eyes that the model keeps.
        low: Float (K,), lower end of the 95 % interval by patients; NaN where nobody was drawn.
        high: Float (K,), upper end.
    """

    referred: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray


def refer_unsure(
    scores: np.ndarray,
    labels: np.ndarray,
    threshold: float = 0.5,
    points: int = 51,
    draws: PatientDraws | None = None,
) -> Referral:
    """Accuracy on the kept eyes when the eyes nearest to the threshold are passed on first.

    Args:
        scores: Float (N,), probability of being positive.
        labels: Bool (N,).
        threshold: Probability from which an eye is called positive.
        points: Number of shares from 0 to .95.
        draws: Draws of the patients of these eyes; None leaves the intervals out.

    Raises:
        InputError: If a score is NaN.

    Source: Leibig et al. 2017, Scientific Reports 7:17816 (referral by uncertainty).
    """
    scores, labels = check_scores(scores, labels)
    order = np.argsort(-np.abs(scores - threshold), kind="stable")
    right = ((scores >= threshold) == labels)[order]
    referred = np.linspace(0, 0.95, points)
    kept = np.maximum(1, np.round((1 - referred) * len(right)).astype(int))
    accuracy = np.cumsum(right)[kept - 1] / kept
    if draws is None:
        nothing = np.full(points, np.nan)
        return Referral(referred, accuracy, nothing, nothing)
    # eyes by rank fall between the shares; what each stretch holds is summed up in every draw
    stretch = np.empty(len(right), np.int64)
    stretch[order] = np.searchsorted(np.sort(kept), np.arange(len(right)), side="right")
    answered = np.empty(len(right), bool)
    answered[order] = right
    group, groups = stretch + (points + 1) * answered, 2 * (points + 1)
    counts = draws.apply(lambda sums: sums.astype(np.float64), draws.table(group, groups))
    wrong, good = (np.cumsum(part, axis=0)[:points][::-1] for part in np.split(counts, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = good / (good + wrong)
    low, high = np.nanpercentile(drawn[:, 1:], [2.5, 97.5], axis=1)
    return Referral(referred, accuracy, low, high)
