"""Verdicts: does a claim hold on this study's data? Rules as pure functions over contrasts and their joint error.

A claim that many contrasts must bear out is an intersection of hypotheses: it *holds* if each is above 0 at the nominal
one-sided level, for none of them may be false (an intersection-union test). It *does not hold* if one of them is below
0 at a level corrected for their number (Holm). Counts are lower bounds from one joint test of all contrasts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from scipy.special import stdtr

from dr_core.analysis.multiplicity import holm_adjusted
from dr_core.publish.paper.evidence import Evidence

LEVEL, _POWER = 0.025, 0.8
"""One-sided level of a verdict (a 95 % interval wholly on one side); share of studies that find a detectable effect."""


class Verdict(StrEnum):
    """What a study says of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "cannot tell"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A contrast as it is shown.

    Attributes:
        name: What is compared, such as `"IFI-CL - IFI-FS, 10 %"`.
        value: The number; above 0 it speaks for the claim.
        low: Lower end of its 95 % interval; NaN where none is known.
        high: Upper end.
        published: The same number of the paper; NaN where it gives none.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    published: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """A verdict and how it came about.

    Attributes:
        verdict: The verdict.
        reason: One sentence, with the count that decided.
    """

    verdict: Verdict
    reason: str


@dataclass(frozen=True, kw_only=True)
class Power:
    """Could this study have told?

    Attributes:
        detectable: Effect in every contrast at which four of five studies like this one would say that the claim holds;
            NaN where it cannot be said.
        found: Share of studies like this one that would say so if the truth were the paper's own numbers, or for a
            claim of equality if all were exactly equal; NaN where the paper gives no numbers.
    """

    detectable: float = math.nan
    found: float = math.nan


def list_comparisons(evidence: Evidence) -> tuple[Comparison, ...]:
    """The contrasts with their 95 % intervals."""
    half = evidence.half(LEVEL)
    columns = (evidence.names, evidence.values, half, evidence.published)
    return tuple(
        Comparison(
            name=name,
            value=float(value),
            low=float(value - width),
            high=float(value + width),
            published=float(published),
        )
        for name, value, width, published in zip(*columns, strict=True)
    )


def holm(p: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Which of many hypotheses are rejected at a family-wise level, bool (K,).

    The i-th smallest of K p-values is rejected if it and all smaller ones satisfy p_(i) <= level / (K - i + 1).

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    result: np.ndarray = np.less_equal(holm_adjusted(p), level)
    return result


def step_down(evidence: Evidence, sign: int = 1, level: float = LEVEL) -> np.ndarray:
    """Which contrasts are on a side, all of them right at once with probability 1 - level; bool (K,).

    The contrast with the largest t = value / error is tested against the quantile of the largest t of the joint draws,
    then the next one against that of the contrasts that are left, until one is not rejected. The number of rejected
    ones is a lower confidence bound of the number of contrasts that truly are on the side.

    Source: Romano and Wolf 2005, JASA 100:94-108, algorithm 3.1.
    """
    usable = np.isfinite(evidence.error) & np.isfinite(evidence.values)
    rejected = np.zeros(len(usable), bool)
    if not usable.any():
        return rejected
    with np.errstate(invalid="ignore"):
        ranks = np.where(usable, sign * evidence.values / evidence.error, -np.inf)
        drawn = np.where(usable[:, None], evidence.draw() / evidence.error[:, None], -np.inf)
    order = np.argsort(-ranks, kind="stable")
    largest = np.maximum.accumulate(drawn[order[::-1]], axis=0)[::-1]  # of the contrasts from each place on
    for position, contrast in enumerate(order):
        if not usable[contrast] or ranks[contrast] <= np.quantile(largest[position], 1 - level):
            break
        rejected[contrast] = True
    return rejected


def judge_all(evidence: Evidence) -> Judgment:
    """A claim that every contrast must bear out.

    It holds if each is above 0 at the nominal level, does not hold if one is below 0 by Holm.

    Source: Berger 1982, Technometrics 24:295-300 (intersection-union tests); Holm 1979.
    """
    in_favor, against = evidence.clear(1, LEVEL), holm(evidence.tail(-1))
    return Judgment(
        verdict=_decide(bool(in_favor.all()) and len(in_favor) > 0, bool(against.any())),
        reason=_count(int(in_favor.sum()), int(against.sum()), len(in_favor)),
    )


def foresee_all(evidence: Evidence) -> Power:
    """Power of `judge_all` in a study with the same errors."""
    limit, drawn = evidence.half(LEVEL)[:, None], evidence.draw()
    return Power(
        detectable=_quantile(np.max(limit - drawn, axis=0)),
        found=_share(np.min(evidence.published[:, None] + drawn - limit, axis=0) > 0, evidence.published),
    )


def judge_most(evidence: Evidence) -> Judgment:
    """A claim that more than half of the contrasts must bear out.

    It holds if more than half are above 0 by one joint test of all (`step_down`), does not hold if half or more are
    below.
    """
    number = len(evidence.values)
    in_favor, against = (int(step_down(evidence, sign).sum()) for sign in (1, -1))
    return Judgment(
        verdict=_decide(2 * in_favor > number, number > 0 and 2 * against >= number),
        reason=_count(in_favor, against, number),
    )


def foresee_most(evidence: Evidence) -> Power:
    """Power of `judge_most` in a study with the same errors, by the first step's limit for all: a little too low."""
    drawn, error = evidence.draw(), evidence.error[:, None]
    limit = _quantile(np.max(drawn / error, axis=0), 1 - LEVEL) * error
    return Power(detectable=_quantile(np.sort(limit - drawn, axis=0)[len(error) // 2]))


def judge_close(evidence: Evidence, margin: float) -> Judgment:
    """A claim that something is as good as equal: every contrast within a margin either way.

    It holds if each 95 % interval lies within the margin (two one-sided tests each), does not hold if one contrast lies
    outside by Holm.

    Args:
        evidence: Contrasts; 0 is equal.
        margin: Largest distance from 0 that counts as equal; each claim says its own.

    Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657-680 (two one-sided tests).
    """
    with np.errstate(invalid="ignore"):
        inside = np.abs(evidence.values) + evidence.half(LEVEL) < margin
    outside = holm(np.minimum(evidence.tail(1, margin), evidence.tail(-1, margin)))
    return Judgment(
        verdict=_decide(bool(inside.all()) and len(inside) > 0, bool(outside.any())),
        reason=f"{int(inside.sum())} of {len(inside)} clearly within {margin:.2g}, {int(outside.sum())} outside",
    )


def foresee_close(evidence: Evidence, margin: float) -> Power:
    """Power of `judge_close` in a study with the same errors where all is exactly equal."""
    half = evidence.half(LEVEL)
    return Power(found=_share(np.max(np.abs(evidence.draw()) + half[:, None], axis=0) < margin, half))


def judge_same_direction(evidence: Evidence) -> Judgment:
    """A claim that pairs of contrasts go the same way, whichever way that is; contrasts 2i and 2i + 1 are a pair.

    It holds if in each pair both are on one side at the nominal two-sided level, does not hold if in one pair they are
    on opposite sides by Holm over the pairs.
    """
    above, below = (evidence.clear(sign, LEVEL).reshape(-1, 2) for sign in (1, -1))
    same: np.ndarray = np.logical_or(above.all(axis=1), below.all(axis=1))
    up, down = (np.minimum(1, 2 * evidence.tail(sign)).reshape(-1, 2) for sign in (1, -1))
    crossed = np.minimum(np.maximum(up[:, 0], down[:, 1]), np.maximum(down[:, 0], up[:, 1]))
    opposite = holm(crossed, 2 * LEVEL)
    reason = f"{int(same.sum())} of {len(same)} clearly the same way, {int(opposite.sum())} clearly opposite"
    return Judgment(verdict=_decide(bool(same.all()) and len(same) > 0, bool(opposite.any())), reason=reason)


def judge_outlier(evidence: Evidence) -> Judgment:
    """A claim that the first of K cells lies conspicuously far from the others.

    With m the mean of the other cells it holds if (1) the first cell's distance from m is larger than every other
    cell's by the joint error, each at the nominal level, and (2) it lies outside the prediction interval of one more
    cell drawn like the others, |v1 - m| > t sd sqrt(1 + 1 / (K - 1)): the farthest of K like cells is some cell by
    chance, and in 1 of K studies it is the first. It does not hold if another cell is farther by Holm.

    Source: Grubbs 1969, Technometrics 11:1-21, for a cell that was named beforehand.
    """
    values, number = evidence.values, len(evidence.values)
    if number < 4:
        return Judgment(verdict=Verdict.OPEN, reason="fewer than four cells")
    side = np.sign(values - values[1:].mean())
    away = _distances(number, side)
    farther = Evidence(
        names=evidence.names[1:],
        values=away @ values,
        of_patients=evidence.of_patients @ away.T,
        of_runs=evidence.of_runs @ away.T,
        patient_freedom=evidence.patient_freedom,
        run_freedom=evidence.run_freedom,
        runs=evidence.runs,
        published=np.full(number - 1, math.nan),
    )
    spread = float(values[1:].std(ddof=1)) * math.sqrt(1 + 1 / (number - 1))
    ratio = abs(float(values[0] - values[1:].mean())) / spread if spread > 0 else math.nan
    p = float(2 * stdtr(number - 2, -ratio)) if math.isfinite(ratio) else 1.0
    clear, beaten = farther.clear(1, LEVEL), holm(farther.tail(-1))
    reason = f"farther than {int(clear.sum())} of {number - 1} clearly; {int(beaten.sum())} clearly farther than it; "
    reason += f"as far as one of the others lies with a chance of {p:.2g}"
    return Judgment(verdict=_decide(bool(clear.all()) and p <= LEVEL, bool(beaten.any())), reason=reason)


def _distances(number: int, side: np.ndarray) -> np.ndarray:
    """Weights (K - 1, K): distance of the first cell from the mean of the others, minus that of each other one."""
    center = np.zeros(number)
    center[1:] = 1 / (number - 1)
    cells = np.eye(number)
    result: np.ndarray = side[0] * (cells[0] - center) - side[1:, None] * (cells[1:] - center)
    return result


def judge_description(evidence: Evidence) -> Judgment:
    """A statement about these very networks to which no chance belongs: it holds if all numbers are above 0."""
    in_favor, number = int((evidence.values > 0).sum()), len(evidence.values)
    verdict = Verdict.OPEN
    if number and np.isfinite(evidence.values).all():
        verdict = Verdict.HOLDS if in_favor == number else Verdict.FAILS
    return Judgment(verdict=verdict, reason=f"{in_favor} of {number} so")


def _decide(holds: bool, fails: bool) -> Verdict:
    return Verdict.FAILS if fails else Verdict.HOLDS if holds else Verdict.OPEN


def _count(in_favor: int, against: int, number: int) -> str:
    if number == 1:
        return {1: "clearly so", -1: "clearly the other way"}.get(in_favor - against, "the interval includes both")
    return f"{in_favor} of {number} clearly so, {against} clearly the other way"


def _quantile(values: np.ndarray, share: float = _POWER) -> float:
    return float(np.quantile(values, share)) if np.isfinite(values).all() else math.nan


def _share(found: np.ndarray, known: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(found)) if len(known) and np.isfinite(known).all() else math.nan


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule by which contrasts become a verdict.

    Attributes:
        name: Short name.
        words: The rule for people.
        judge: The rule.
        foresee: Its power in a study with the same errors; None where it cannot be said.
        equality: Whether it looks for equality, so that equal set-ups bear it out.
    """

    name: str
    words: str
    judge: Callable[[Evidence], Judgment]
    foresee: Callable[[Evidence], Power] | None = None
    equality: bool = False


ALL = Rule(
    name="all",
    words="Holds if every contrast's 95 % interval lies above 0 (intersection-union test), does not hold if one lies "
    "below after Holm's correction for their number. Otherwise cannot tell.",
    judge=judge_all,
    foresee=foresee_all,
)
MOST = Rule(
    name="most",
    words="Holds if more than half of the contrasts are above 0 in one joint test of all of them (Romano and Wolf), "
    "does not hold if half or more are below. Otherwise cannot tell.",
    judge=judge_most,
    foresee=foresee_most,
)
SAME_DIRECTION = Rule(
    name="same direction",
    words="Holds if the two contrasts of every pair are clearly on the same side, whichever it is, does not hold if "
    "those of one pair are clearly on opposite sides after Holm's correction. Otherwise cannot tell.",
    judge=judge_same_direction,
)
OUTLIER = Rule(
    name="outlier",
    words="Holds if the named cell is clearly farther from the mean of the others than every other one, and outside "
    "the 97.5 % prediction interval of one more cell like them; does not hold if another one is clearly farther.",
    judge=judge_outlier,
)
DESCRIPTION = Rule(
    name="description",
    words="A description of these very networks in which chance has no part: holds if all are so, otherwise does not "
    "hold.",
    judge=judge_description,
)


def close(margin: float, unit: str) -> Rule:
    """The rule that every contrast lies within a margin, in a unit for people."""
    return Rule(
        name="close",
        words=f"Holds if every contrast's 95 % interval lies within {margin:.2g} {unit} of 0 (two one-sided tests; "
        "the margin is ours), does not hold if one lies outside after Holm's correction. Otherwise cannot tell.",
        judge=partial(judge_close, margin=margin),
        foresee=partial(foresee_close, margin=margin),
        equality=True,
    )
