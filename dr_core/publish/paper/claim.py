"""A claim of the paper as a statement that can be checked on a study's tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dr_core.models.setups import SETUPS
from dr_core.publish.paper.verdicts import Comparison, Rule

_HALF = 1.959964
"""Standard errors in half of a 95 % interval of a normal law."""

TRAININGS = (("iwne_fs", "iwne_cl"), ("ifi_fs", "ifi_cl"))
"""Supervised and contrastive set-up of each initialization."""

INITIALIZATIONS = (("iwne_fs", "ifi_fs"), ("iwne_cl", "ifi_cl"))
"""Set-up from scratch and from ImageNet of each training."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim.

    Attributes:
        key: Short name.
        place: Figure or table of the paper.
        section: Section of the paper that states it.
        statement: The claim as a sentence that can be checked.
        paper: What the paper gives for it, in words or numbers.
        table: Key of `RESULT_COLUMNS` whose rows decide.
        compare: From the table's rows to the comparisons on each data set, by its key.
        rule: How comparisons become a verdict.
    """

    key: str
    place: str
    section: str
    statement: str
    paper: str
    table: str
    compare: Callable[[pd.DataFrame], Mapping[str, Sequence[Comparison]]]
    rule: Rule


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error."""

    value: float
    error: float

    def minus(self, other: "Estimate") -> "Estimate":
        """Difference of two estimates, taken as independent.

        Where both were measured on the same eyes that makes the interval too wide, never too narrow.
        """
        return Estimate(self.value - other.value, float(np.hypot(self.error, other.error)))

    def compared(self, name: str, published: float = float("nan")) -> Comparison:
        """As a comparison with its 95 % interval."""
        half = _HALF * self.error
        return Comparison(
            name=name, value=self.value, low=self.value - half, high=self.value + half, published=published
        )


def estimate(value: float, low: float, high: float) -> Estimate:
    """An estimate from a 95 % interval, taken as that of a normal law."""
    return Estimate(float(value), float(high - low) / (2 * _HALF))


def by_data(
    rows: pd.DataFrame, compare: Callable[[pd.DataFrame], Iterable[Comparison]]
) -> dict[str, Sequence[Comparison]]:
    """Compare on each data set of a table by itself."""
    return {str(data): tuple(compare(part)) for data, part in rows.groupby("data", sort=False)}


def label(setup: str) -> str:
    """Name of a set-up for people."""
    return SETUPS[setup].label
