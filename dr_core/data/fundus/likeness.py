"""How far a picture's figures lie from those of fundus photographs of many cameras.

The table beside this module holds the median, the spread below and above it and the covariance of each figure on 673
photographs of twelve cameras; `benchmarks/calibration/fundus_likeness.py` writes it. No other picture had a part in it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from dr_core.data.fundus.figures import STRUCTURE

_TABLE = Path(__file__).with_name("likeness.json")

MOST_SPREADS = 4.0
"""A figure counts as at most this many spreads away, so that none alone decides."""


@dataclass(frozen=True, kw_only=True)
class LikenessTable:
    """The figures of fundus photographs.

    Attributes:
        names: The figures, F.
        median: Float64 (F,).
        below: Float64 (F,), spread under the median: its distance to the 10th percentile over 1.28.
        above: Float64 (F,), spread over the median, likewise to the 90th.
        covariance: Float64 (F, F) of the standardized figures, shrunk.
        mean: Float64 (F,) of the standardized figures.
        limit: Distance within which 98 % of photographs lie whose camera had no part in the table.
        structure_limit: The same for 93 % and the figures that need no color.
    """

    names: tuple[str, ...]
    median: np.ndarray
    below: np.ndarray
    above: np.ndarray
    covariance: np.ndarray
    mean: np.ndarray
    limit: float
    structure_limit: float

    def standardize(self, figures: Mapping[str, float]) -> np.ndarray:
        """Figures in spreads from the median, float64 (F,), at most `MOST_SPREADS` away."""
        away = np.array([figures[name] for name in self.names]) - self.median
        spreads: np.ndarray = away / np.where(away > 0, self.above, self.below)
        return spreads.clip(-MOST_SPREADS, MOST_SPREADS)

    def distance(self, figures: Mapping[str, float], among: Sequence[str] | None = None) -> float:
        """d^2 = (z - m)^T C^-1 (z - m), z the standardized figures, m and C their mean and covariance on photographs.

        Args:
            figures: Name -> figure.
            among: Figures that count; None takes all.

        Source: Mahalanobis 1936, Proceedings of the National Institute of Sciences of India 2:49-55; the covariance is
            shrunk as in Ledoit and Wolf 2004, Journal of Multivariate Analysis 88:365-411, equation 14.
        """
        chosen = [n for n, name in enumerate(self.names) if among is None or name in among]
        away = (self.standardize(figures) - self.mean)[chosen]
        return float(away @ np.linalg.solve(self.covariance[np.ix_(chosen, chosen)], away))


def fit_table(
    rows: Sequence[Mapping[str, float]], limit: float = np.nan, structure_limit: float = np.nan
) -> LikenessTable:
    """Fit the table to the figures of photographs.

    Args:
        rows: Figures of each photograph.
        limit: Largest distance of a photograph.
        structure_limit: The same without color.
    """
    from sklearn.covariance import ledoit_wolf  # fitting alone needs it

    names = tuple(rows[0])
    values = np.array([[row[name] for name in names] for row in rows])
    median, (low, high) = np.median(values, axis=0), np.quantile(values, (0.1, 0.9), axis=0)
    table = LikenessTable(
        names=names,
        median=median,
        below=(median - low) / 1.28,
        above=(high - median) / 1.28,
        covariance=np.eye(len(names)),
        mean=np.zeros(len(names)),
        limit=limit,
        structure_limit=structure_limit,
    )
    standard = np.stack([table.standardize(row) for row in rows])
    return LikenessTable(**vars(table) | {"covariance": ledoit_wolf(standard)[0], "mean": standard.mean(axis=0)})


@cache
def read_table() -> LikenessTable:
    """The table that comes along."""
    stored = json.loads(_TABLE.read_text(encoding="utf-8"))
    median, below, above, covariance, mean = (
        np.array(stored[name], np.float64) for name in ("median", "below", "above", "covariance", "mean")
    )
    return LikenessTable(
        names=tuple(stored["names"]),
        median=median,
        below=below,
        above=above,
        covariance=covariance,
        mean=mean,
        limit=float(stored["limit"]),
        structure_limit=float(stored["structure_limit"]),
    )


def write_likeness(table: LikenessTable, about: str) -> None:
    """Write the table that comes along; four digits are enough for a covariance, and give the same bytes anywhere."""
    arrays = {
        name: np.round(getattr(table, name), 4).tolist() for name in ("median", "below", "above", "covariance", "mean")
    }
    limits = {name: round(float(getattr(table, name)), 1) for name in ("limit", "structure_limit")}
    text = json.dumps({"about": about, "names": table.names} | limits | arrays)
    _TABLE.write_text(text.replace("], [", "],\n [").replace(', "', ',\n "') + "\n", encoding="utf-8")


def distance_to_photographs(figures: Mapping[str, float]) -> float:
    """How far a picture lies from fundus photographs; 1 is the limit that 98 % of those of other cameras keep."""
    table = read_table()
    return table.distance(figures) / table.limit


def structure_distance(figures: Mapping[str, float]) -> float:
    """The same without color."""
    table = read_table()
    return table.distance(figures, STRUCTURE) / table.structure_limit
