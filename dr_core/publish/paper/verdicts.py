"""Verdicts: does a statement hold on this study's data? One rule for all statements, said here once.

A statement is a list of comparisons, each a number whose sign decides, with its 95 % interval. A comparison speaks
*for* the statement if its interval lies wholly above 0, *against* it if wholly below 0, and is open otherwise. Where
all of `m` comparisons must hold, each interval is widened to 1 - 5 % / m (Bonferroni, its halves taken as those of a
normal law), so that a statement about many bars is not thrown over by one bar's chance.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from scipy.stats import binom, norm

LEVEL = 0.05
"""Chance of an error that an interval of 95 % leaves."""


class Verdict(StrEnum):
    """What a study says of a statement."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "cannot tell"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A number whose sign speaks for or against a statement.

    Attributes:
        name: What is compared, such as `"IFI-CL - IFI-FS, 10 %"`.
        value: The number; above 0 it speaks for the statement.
        low: Lower end of its 95 % interval; NaN where none is known.
        high: Upper end.
        published: The same number of the paper; NaN where it gives none.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    published: float = math.nan

    def speaks(self, comparisons: int = 1) -> int:
        """1 for the statement, -1 against it, 0 open.

        Args:
            comparisons: How many intervals must hold at once.
        """
        if not math.isfinite(self.value + self.low + self.high):
            return 0
        wider = float(norm.isf(LEVEL / 2 / comparisons) / norm.isf(LEVEL / 2))
        above = self.value - wider * (self.value - self.low) > 0
        below = self.value + wider * (self.high - self.value) < 0
        return int(above) - int(below)


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """A verdict and how it came about.

    Attributes:
        verdict: The verdict.
        reason: One sentence, with the count that decided.
    """

    verdict: Verdict
    reason: str


def judge_all(comparisons: Sequence[Comparison]) -> Judgment:
    """A statement that every comparison must bear out.

    It holds if all speak for it, does not hold if one speaks against it, at intervals widened for their number.
    """
    number = len(comparisons)
    spoken = [comparison.speaks(number) for comparison in comparisons]
    in_favor, against = spoken.count(1), spoken.count(-1)
    verdict = Verdict.FAILS if against else Verdict.HOLDS if number and in_favor == number else Verdict.OPEN
    return Judgment(verdict=verdict, reason=_count(in_favor, against, number))


def judge_most(comparisons: Sequence[Comparison]) -> Judgment:
    """A statement that most comparisons must bear out.

    It holds if more than half speak for it, does not hold if half or more speak against it.
    """
    number = len(comparisons)
    spoken = [comparison.speaks() for comparison in comparisons]
    in_favor, against = spoken.count(1), spoken.count(-1)
    verdict = Verdict.OPEN
    if number and 2 * in_favor > number:
        verdict = Verdict.HOLDS
    elif number and 2 * against >= number:
        verdict = Verdict.FAILS
    return Judgment(verdict=verdict, reason=_count(in_favor, against, number))


def _count(in_favor: int, against: int, number: int) -> str:
    if number == 1:
        return {1: "clearly so", -1: "clearly the other way"}.get(in_favor - against, "the interval includes both")
    return f"{in_favor} of {number} clearly so, {against} clearly the other way"


def judge_close(comparisons: Sequence[Comparison], margin: float) -> Judgment:
    """A statement that something is as good as equal: relative differences within a margin.

    Args:
        comparisons: Relative differences, 0 is equal.
        margin: Largest relative difference that counts as equal; each statement says its own.

    It holds if every interval lies within the margin, does not hold if one lies wholly outside of it.
    """
    inside = [-margin < one.low and one.high < margin for one in comparisons]
    outside = [one.low > margin or one.high < -margin for one in comparisons]
    verdict = Verdict.FAILS if any(outside) else Verdict.HOLDS if inside and all(inside) else Verdict.OPEN
    reason = f"{sum(inside)} of {len(inside)} within {margin:.0%}, {sum(outside)} clearly outside"
    return Judgment(verdict=verdict, reason=reason)


def judge_signs(comparisons: Sequence[Comparison]) -> Judgment:
    """A statement about many things that have no intervals, such as layers: only signs are counted.

    It holds if so many are in favor, or does not if so many are against, as a fair coin would give with a chance of
    2.5 % at most. Things that hang together, as layers do, make this rule too sure; it is a count, not a test.
    """
    signs = [math.copysign(1, one.value) for one in comparisons if math.isfinite(one.value) and one.value != 0]
    number, in_favor = len(signs), signs.count(1)
    verdict = Verdict.OPEN
    if number and binom.sf(in_favor - 1, number, 0.5) <= LEVEL / 2:
        verdict = Verdict.HOLDS
    elif number and binom.cdf(in_favor, number, 0.5) <= LEVEL / 2:
        verdict = Verdict.FAILS
    return Judgment(verdict=verdict, reason=f"{in_favor} of {number} so")


def judge_exact(comparisons: Sequence[Comparison]) -> Judgment:
    """A statement about this very study, to which no chance belongs: it holds if all numbers are above 0."""
    in_favor = sum(one.value > 0 for one in comparisons)
    verdict = Verdict.OPEN
    if comparisons and all(math.isfinite(one.value) for one in comparisons):
        verdict = Verdict.HOLDS if in_favor == len(comparisons) else Verdict.FAILS
    return Judgment(verdict=verdict, reason=f"{in_favor} of {len(comparisons)} so")


@dataclass(frozen=True)
class Rule:
    """A rule by which comparisons become a verdict.

    Attributes:
        words: The rule for people.
        judge: The rule.
    """

    words: str
    judge: Callable[[Sequence[Comparison]], Judgment]


ALL = Rule(
    "Holds if every comparison's interval lies on the claimed side of 0, does not hold if one lies on the other side; "
    "intervals are widened for the number of comparisons (Bonferroni). Otherwise cannot tell.",
    judge_all,
)
MOST = Rule(
    "Holds if the 95 % interval of more than half of the comparisons lies on the claimed side of 0, does not hold if "
    "that of half or more lies on the other side. Otherwise cannot tell.",
    judge_most,
)
SIGNS = Rule(
    "Counted without intervals: holds if so many are on the claimed side as a fair coin gives with a chance of at most "
    "2.5 %, does not hold if so many are on the other. Otherwise cannot tell.",
    judge_signs,
)
EXACT = Rule("A count in which chance has no part: holds if all are so, otherwise does not hold.", judge_exact)


def close(margin: float) -> Rule:
    """The rule that a relative difference lies within a margin."""
    words = (
        f"Holds if the 95 % interval of the relative difference lies within {margin:.0%} either way, does not hold if "
        "it lies wholly outside. Otherwise cannot tell."
    )
    return Rule(words, partial(judge_close, margin=margin))
