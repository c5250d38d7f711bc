"""Conformal sets of grades: sets that hold the true grade of a stated share of eyes of the calibration eyes' kind."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dr_core.errors import InputError
from dr_core.registry import Registry

RAPS_PENALTY, RAPS_RANK = 0.1, 2
"""Penalty of a grade beyond this rank. Source: Angelopoulos et al. 2021, section 2.2, whose lambda and k_reg these are;
the values are ours, for five grades."""

MIN_EYES = 50
"""Fewest calibration eyes: with 50, coverage varies by about .04 (standard deviation) between calibrations."""


@dataclass(frozen=True, kw_only=True)
class SetMethod:
    """A way to order the grades of an eye.

    Attributes:
        name: Name in tables.
        label: Name for people.
        score: From softmax, float (N, K), to the nonconformity of every grade, float64 (N, K): low belongs in the set.
        contiguous: Whether a set without gaps between its grades is given.
        summary: One sentence for people.
    """

    name: str
    label: str
    score: Callable[[np.ndarray], np.ndarray]
    contiguous: bool
    summary: str


def score_adaptive(probabilities: np.ndarray) -> np.ndarray:
    """APS: s_k = sum over j of p_j with p_j > p_k, the mass of all likelier grades.

    The mass without that of grade k itself: the likeliest grade scores 0 and is in every set, and scores stay apart
    where a network is so sure that the mass with k would be 1 for several grades.

    Args:
        probabilities: Float (N, K), softmax.

    Returns:
        Float64 (N, K); grades of equal probability are taken in the order of the grades.

    Source: Romano et al. 2020, NeurIPS, equation 5 with u = 0 in place of a random number.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(probabilities, order, axis=1).astype(np.float64)
    mass = np.cumsum(np.pad(ordered, ((0, 0), (1, 0)))[:, :-1], axis=1)
    scores = np.empty_like(mass)
    np.put_along_axis(scores, order, mass, axis=1)
    return scores


def score_regularized(probabilities: np.ndarray) -> np.ndarray:
    """RAPS: s_k = APS_k + lambda max(0, rank_k - k_reg), so that long sets cost more.

    Args:
        probabilities: Float (N, K), softmax.

    Source: Angelopoulos et al. 2021, ICLR, equation 4, without randomization.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape), axis=1)
    return score_adaptive(probabilities) + RAPS_PENALTY * np.maximum(0, rank - RAPS_RANK)


def score_ordinal(probabilities: np.ndarray) -> np.ndarray:
    """Ordinal APS: s_k = mass of the interval that grows from the likeliest grade, before it takes k.

    The interval takes the likelier of its two neighbors each time, so that its grades are always neighbors.

    Args:
        probabilities: Float (N, K), softmax.

    Source: Lu et al. 2022, MICCAI, algorithm 1 (ordinal adaptive prediction sets).
    """
    number, classes = probabilities.shape
    rows = np.arange(number)
    low = probabilities.argmax(axis=1)
    high, mass = low.copy(), probabilities[rows, low].astype(np.float64)
    scores = np.full((number, classes), np.inf)
    scores[rows, low] = 0.0
    padded = np.pad(probabilities.astype(np.float64), ((0, 0), (1, 1)), constant_values=-1.0)
    for _ in range(classes - 1):
        below, above = padded[rows, low], padded[rows, high + 2]  # padded by one: grade k stands at k + 1
        down = below >= above
        low, high = low - down, high + ~down
        taken = np.where(down, low, high)
        scores[rows, taken] = mass
        mass = mass + probabilities[rows, taken]
    return scores


SET_METHODS: Registry[SetMethod] = Registry(
    "set method",
    (
        SetMethod(
            name="ordinal",
            label="ordinal, contiguous",
            score=score_ordinal,
            contiguous=True,
            summary="Neighboring grades around the likeliest one.",
        ),
        SetMethod(
            name="aps",
            label="APS",
            score=score_adaptive,
            contiguous=False,
            summary="The likeliest grades until their mass reaches the threshold.",
        ),
        SetMethod(
            name="raps",
            label="RAPS",
            score=score_regularized,
            contiguous=False,
            summary="As APS, with a penalty on long sets.",
        ),
    ),
)
"""The methods; the first is shown first."""


def conformal_threshold(scores: np.ndarray, coverage: float) -> float:
    """The threshold q = the ceil((n + 1) c)-th smallest score of the true grades; infinite where n is too small.

    Args:
        scores: Float (n,), nonconformity of the true grade of each calibration eye.
        coverage: Share c of eyes whose set shall hold the truth, 0..1.

    Raises:
        InputError: If the coverage is not between 0 and 1.

    Source: Vovk et al. 2005; Angelopoulos and Bates 2023, Foundations and Trends in ML 16(4), equation 1.
    """
    if not 0 < coverage < 1:
        raise InputError(f"The coverage must be between 0 and 1, not {coverage}.")
    rank = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def fit_thresholds(
    method: SetMethod, probabilities: np.ndarray, grades: np.ndarray, coverage: float, *, by_class: bool
) -> np.ndarray:
    """Thresholds q_k of every grade: one for all, or with `by_class` from the eyes of that grade alone.

    Args:
        method: The method.
        probabilities: Float (n, K), softmax of the calibration eyes.
        grades: Int (n,), their true grades.
        coverage: Share of eyes whose set shall hold the truth.
        by_class: Whether the share shall hold for the eyes of each grade; infinite for a grade with too few eyes.

    Returns:
        Float64 (K,).

    Raises:
        InputError: If there are fewer than 50 eyes.

    Source: Vovk 2012, ACML, section 4 (label-conditional, or Mondrian, conformal prediction).
    """
    if len(grades) < MIN_EYES:
        raise InputError(f"Sets of grades need at least {MIN_EYES} graded calibration eyes, not {len(grades)}.")
    classes = probabilities.shape[1]
    scores = method.score(probabilities)[np.arange(len(grades)), grades]
    if not by_class:
        return np.full(classes, conformal_threshold(scores, coverage))
    return np.array([conformal_threshold(scores[grades == grade], coverage) for grade in range(classes)])


def conformal_sets(method: SetMethod, probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The sets {k: s_k <= q_k}, bool (N, K).

    Of a method with contiguous sets any gap is filled, which only adds grades.

    Args:
        method: The method with which the thresholds were fitted.
        probabilities: Float (N, K), softmax.
        thresholds: Float (K,).

    Source: Vovk et al. 2005; the filling is ours.
    """
    inside: np.ndarray = method.score(probabilities) <= thresholds
    if method.contiguous:
        from_left = np.logical_or.accumulate(inside, axis=1)
        from_right = np.logical_or.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
        inside = from_left & from_right
    return inside


def describe_set(members: np.ndarray, names: tuple[str, ...]) -> str:
    """A set in words, such as "moderate to severe"."""
    grades = [int(grade) for grade in np.flatnonzero(members)]
    if len(grades) == 1:
        return names[grades[0]]
    if len(grades) == grades[-1] - grades[0] + 1:
        return "any grade" if len(grades) == len(names) else f"{names[grades[0]]} to {names[grades[-1]]}"
    return ", ".join(names[grade] for grade in grades[:-1]) + f" or {names[grades[-1]]}"
