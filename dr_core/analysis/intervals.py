"""Intervals that cover with few patients: areas under the ROC curve and proportions, patients as clusters of eyes.

The percentile bootstrap of an AUC covers .73 to .84 instead of .95 with 50 patients of whom 10 to 20 % are sick. The
coverage of these intervals from 50 patients on is measured by `benchmarks/intervals.py` and stands in docs/methods.md;
they never have zero width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from dr_core.errors import InputError

CONFIDENCE = 0.95

FEW_POSITIVES = 10
"""Fewer positive (or negative) eyes than this bring a warning."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its interval.

    Attributes:
        value: The value on all eyes.
        low: Lower end of the 95 % interval; NaN where none can be given.
        high: Upper end.
        error: Standard error of the value, patients as clusters.
        warning: Why the interval deserves caution, in words; empty where it does not.
    """

    value: float
    low: float
    high: float
    error: float
    warning: str = ""


@dataclass(frozen=True)
class AucInfluence:
    """How much each patient moves an AUC.

    Attributes:
        value: Float64 (K,), the AUCs of K scores on the same eyes.
        influence: Float64 (P, K); the sum of products of two columns is the covariance of their AUCs.
        freedom: Degrees of freedom of the variances (Satterthwaite over the two classes), the least of the scores'.
    """

    value: np.ndarray
    influence: np.ndarray
    freedom: float


def auc_influence(scores: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> AucInfluence:
    """Linearize AUCs by patients, so that any contrast of them has its variance.

    With V10 and V01 the placements of sick and healthy eyes, summed over the eyes of patient i,
    psi_i = sqrt(I10 / (I10 - 1)) sum(V10 - AUC) / M + sqrt(I01 / (I01 - 1)) sum(V01 - AUC) / N.

    Args:
        scores: Float (K, N), higher means more likely positive.
        labels: Bool (N,), true where the eye is sick.
        patients: Anything (N,); equal values are one patient.

    Raises:
        InputError: If fewer than two patients have an eye of a class.

    Source: Obuchowski 1997, Biometrics 53:567-578, equations 3 to 6, which differ in the factor of the mixed term,
    I / (I - 1) with all I patients.
    """
    sick, healthy, cluster = _cluster_placements(scores, labels, patients)
    value = sick.mean(axis=1)
    sums = [
        _sum_by(cluster[members], placements - value[:, None], int(cluster.max()) + 1)
        for members, placements in ((labels, sick), (~labels, healthy))
    ]
    number = [len(np.unique(cluster[members])) for members in (labels, ~labels)]
    factors = [
        np.sqrt(count / (count - 1)) / part.shape[1] for count, part in zip(number, (sick, healthy), strict=True)
    ]
    parts = [factor * part for factor, part in zip(factors, sums, strict=True)]
    variances = np.stack([(part**2).sum(axis=0) for part in parts])  # (2, K)
    spread = (variances**2 / (np.array(number)[:, None] - 1)).sum(axis=0)
    known = variances.sum(axis=0)[spread > 0] ** 2 / spread[spread > 0]
    freedom = float(known.min()) if len(known) else float(min(number) - 1)
    return AucInfluence(value, parts[0] + parts[1], freedom)


def _cluster_placements(
    scores: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Placements of sick (K, M) and healthy eyes (K, N), and the number of each eye's patient."""
    scores = np.atleast_2d(np.asarray(scores, np.float64))
    if np.isnan(scores).any() or scores.shape[1] != len(labels):
        raise InputError("There must be one score that is a number for each eye; compute them again.")
    cluster = np.unique(np.asarray(patients), return_inverse=True)[1]
    if min(len(np.unique(cluster[labels])), len(np.unique(cluster[~labels]))) < 2:
        raise InputError("An AUC's interval needs two patients with positive and two with negative eyes at least.")
    together = rankdata(scores, axis=1)
    sick = (together[:, labels] - rankdata(scores[:, labels], axis=1)) / (~labels).sum()
    healthy = 1 - (together[:, ~labels] - rankdata(scores[:, ~labels], axis=1)) / labels.sum()
    return sick, healthy, cluster


def _sum_by(cluster: np.ndarray, values: np.ndarray, clusters: int) -> np.ndarray:
    """Sums of values (K, N) by cluster, float64 (clusters, K)."""
    return np.stack([np.bincount(cluster, row, clusters) for row in values], axis=1)


def auc_interval(scores: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Interval:
    """AUC with a 95 % interval, patients as clusters.

    logit(A) +- z se / (A (1 - A)) with A = (AUC m n + 1/2) / (m n + 1), m and n patients with sick and healthy
    eyes; se^2 = S10 / M + S01 / N + 2 S11 / (M N), at least half of what Hanley and McNeil's formula gives, since
    a few placements that hardly vary say little of their variance.

    Args:
        scores: Float (N,), higher means more likely positive.
        labels: Bool (N,), true where the eye is sick.
        patients: Anything (N,); equal values are one patient.

    Returns:
        The interval; only NaN where a class has fewer than two patients, with the reason as its warning.

    Raises:
        InputError: If a score is NaN.

    Source: Obuchowski 1997, Biometrics 53:567-578; logit as in Pepe 2003, section 5.2; Hanley and McNeil 1982,
    Radiology 143:29-36. The half count and the floor are ours, for coverage (`benchmarks/intervals.py`).
    """
    labels = np.asarray(labels, bool)
    cluster = np.unique(np.asarray(patients), return_inverse=True)[1]
    m, n = (len(np.unique(cluster[members])) for members in (labels, ~labels))
    if min(m, n) < 2:
        return _unknown("fewer than two patients with positive or with negative eyes")
    found = auc_influence(scores, labels, patients)
    value = float(found.value[0])
    center = (value * m * n + 0.5) / (m * n + 1)
    variance = max(float((found.influence[:, 0] ** 2).sum()), hanley_mcneil_variance(center, m, n) / 2)
    half = float(norm.isf((1 - CONFIDENCE) / 2) * np.sqrt(variance) / (center * (1 - center)))
    return Interval(
        value=value,
        low=min(value, float(expit(logit(center) - half))),
        high=max(value, float(expit(logit(center) + half))),
        error=float(np.sqrt(variance)),
        warning=warn_few(labels),
    )


def auc_difference_interval(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> tuple[Interval, float]:
    """Difference of two AUCs on the same eyes with a 95 % interval, and the p-value of none; patients as clusters.

    D +- t se with se^2 = sum over patients of (psi_1 - psi_2)^2, at least half a pair of patients, 1 / (2 m n).

    Args:
        first: Float (N,), higher means more likely positive.
        second: Float (N,), another score of the same eyes.
        labels: Bool (N,), true where the eye is sick.
        patients: Anything (N,); equal values are one patient.

    Returns:
        The interval, and p; only NaN where a class has fewer than two patients.

    Raises:
        InputError: If a score is NaN.

    Source: DeLong et al. 1988, Biometrics 44:837-845; for clusters Obuchowski 1997, Biometrics 53:567-578. The floor is
    ours.
    """
    labels = np.asarray(labels, bool)
    cluster = np.unique(np.asarray(patients), return_inverse=True)[1]
    m, n = (len(np.unique(cluster[members])) for members in (labels, ~labels))
    if min(m, n) < 2:
        return _unknown("fewer than two patients with positive or with negative eyes"), float("nan")
    found = auc_influence(np.stack([first, second]), labels, patients)
    value = float(found.value[0] - found.value[1])
    variance = float(((found.influence[:, 0] - found.influence[:, 1]) ** 2).sum())
    error = max(float(np.sqrt(variance)), 1 / (2 * m * n))
    freedom = max(found.freedom, 2)
    half = float(student.isf((1 - CONFIDENCE) / 2, freedom)) * error
    low, high = max(value - half, -1.0), min(value + half, 1.0)
    p = float(2 * student.sf(abs(value) / error, freedom))
    return Interval(value=value, low=low, high=high, error=error, warning=warn_few(labels)), p


def mean_auc_interval(scores: Sequence[np.ndarray], labels: Sequence[np.ndarray], patients: np.ndarray) -> Interval:
    """Mean of AUCs of the same eyes, each with labels of its own, with a 95 % interval; patients as clusters.

    logit(A) +- z se / (A (1 - A)), se^2 = sum over patients of (mean over k of psi_k)^2, else as `auc_interval`.

    Args:
        scores: K times float (N,).
        labels: K times bool (N,).
        patients: Anything (N,); equal values are one patient.

    Returns:
        The interval; only NaN where no AUC has two patients of each class.

    Source: Hand and Till 2001, Machine Learning 45:171-186 (mean over classes); Obuchowski 1997.
    """
    cluster = np.unique(np.asarray(patients), return_inverse=True)[1]
    parts = []
    for score, label in zip(scores, labels, strict=True):
        m, n = (len(np.unique(cluster[members])) for members in (label, ~label))
        if min(m, n) >= 2:
            found = auc_influence(score, label, patients)
            value = float(found.value[0])
            center = (value * m * n + 0.5) / (m * n + 1)
            parts.append((value, center, found.influence[:, 0], hanley_mcneil_variance(center, m, n)))
    if not parts:
        return _unknown("fewer than two patients with positive or with negative eyes")
    value, center = (float(np.mean([part[column] for part in parts])) for column in (0, 1))
    least = sum(part[3] for part in parts) / len(parts) ** 2 / 2
    variance = max(float((np.mean([part[2] for part in parts], axis=0) ** 2).sum()), least)
    half = float(norm.isf((1 - CONFIDENCE) / 2) * np.sqrt(variance) / (center * (1 - center)))
    low, high = (float(expit(logit(center) + sign * half)) for sign in (-1, 1))
    warning = next((warn for warn in map(warn_few, labels) if warn), "")
    return Interval(
        value=value, low=min(value, low), high=max(value, high), error=float(np.sqrt(variance)), warning=warning
    )


def _unknown(reason: str) -> Interval:
    nothing = float("nan")
    return Interval(value=nothing, low=nothing, high=nothing, error=nothing, warning=reason)


def hanley_mcneil_variance(auc: float, sick: float, healthy: float) -> float:
    """Variance of an AUC from its size and two counts, A (1 - A) (1 + q (1 - A) / (2 - A) + q A / (1 + A)) / (M N).

    q = (M + N) / 2 - 1 is Newcombe's symmetric form of Hanley and McNeil's exponential model.

    Args:
        auc: The area A, 0..1.
        sick: Number M of independent positive eyes.
        healthy: Number N of independent negative eyes.

    Source: Newcombe 2006, Statistics in Medicine 25:559-573, method 5.
    """
    q = (sick + healthy) / 2 - 1
    return auc * (1 - auc) * (1 + q * (1 - auc) / (2 - auc) + q * auc / (1 + auc)) / (sick * healthy)


def proportion_interval(hits: np.ndarray, patients: np.ndarray) -> Interval:
    """A share of eyes with Wilson's 95 % interval, at the number of eyes that the clusters are worth.

    The design effect d is the cluster-robust variance of the share over the binomial one, at least 1 where clusters
    have several eyes; Wilson's interval is taken at n / d eyes with Student's t for z.

    Args:
        hits: Bool (N,).
        patients: Anything (N,); equal values are one patient.

    Returns:
        The interval; NaN without eyes.

    Source: Wilson 1927, JASA 22:209-212; effective sample size as in Korn and Graubard 1998, Survey Methodology
    24:193-201.
    """
    hits = np.asarray(hits, bool)
    if not len(hits):
        return _unknown("no eyes")
    cluster = np.unique(np.asarray(patients), return_inverse=True)[1]
    value, n, count = float(hits.mean()), len(hits), int(cluster.max()) + 1
    binomial = value * (1 - value) / n
    effect = n / count  # all eyes of a patient alike: the most that clusters can cost
    if binomial > 0 and count > 1:
        sums = np.bincount(cluster, hits - value, count)
        variance = count / (count - 1) * float((sums**2).sum()) / n**2
        effect = min(max(variance / binomial, 1.0), effect) if n > count else 1.0
    worth = n / effect
    t = float(student.isf((1 - CONFIDENCE) / 2, max(count - 1, 2)))
    low, high = wilson(value, worth, t)
    return Interval(
        value=value,
        low=low,
        high=high,
        error=float(np.sqrt(binomial * effect)),
        warning=warn_few(hits) if n >= 2 * FEW_POSITIVES else f"only {n} eyes",
    )


def wilson(value: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a share, (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).

    Args:
        value: The share p, 0..1.
        n: Number of independent eyes that it is of, above 0.
        z: Standard errors in half of the interval.

    Source: Wilson 1927, JASA 22:209-212.
    """
    middle = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def warn_few(labels: np.ndarray, unit: str = "eyes") -> str:
    """Say in words that a class has too few eyes, or other units, for a sure interval; empty where it has enough."""
    labels = np.asarray(labels, bool)
    for name, count in (("positive", int(labels.sum())), ("negative", int((~labels).sum()))):
        if count < FEW_POSITIVES:
            return f"only {count} {name} {unit}"
    return ""
