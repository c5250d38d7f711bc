"""What a study's tables hold of each network's eigenvalues, read once for all claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from dr_core.publish.paper.claim import FOUR, Tables

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers of one network, in the order of the forward pass.

    Attributes:
        names: L names.
        stages: The stage of each.
        condition: Float64 (L,), log10 of the condition number.
    """

    names: tuple[str, ...]
    stages: tuple[str, ...]
    condition: np.ndarray

    def select(self, stages: Sequence[str]) -> np.ndarray:
        """Log10 of the condition numbers of the layers of some stages."""
        values: np.ndarray = self.condition[[stage in stages for stage in self.stages]]
        return values


@dataclass(frozen=True, kw_only=True)
class Laws:
    """Laws fitted to the first layer of one network.

    Attributes:
        alpha: Shape of the Pareto law on distfit's scale, as the paper estimated it; NaN where it was not fitted.
        rss: Law -> distfit's residual sum of squares.
        vuong: Other law -> Vuong's z of Pareto against it.
    """

    alpha: float
    rss: Mapping[str, float]
    vuong: Mapping[str, float]


Run = tuple[str, int]
"""Set-up and seed."""

ByRun = Mapping[Run, T]
"""Run -> what was measured of it on one data set."""


def _by_data(tables: Tables, table: str, read: Callable[[pd.DataFrame], T]) -> dict[str, dict[Run, T]]:
    found: dict[str, dict[Run, T]] = {}
    rows = tables[table]
    for data, part in rows.groupby("data", sort=False):
        full = part[(part["fraction"] == 100) & part["setup"].isin(FOUR)]
        groups = full.groupby(["setup", "seed"], sort=False)
        found[str(data)] = {(str(setup), int(str(seed))): read(of_run) for (setup, seed), of_run in groups}
    return found


def read_layers(tables: Tables) -> dict[str, dict[Run, Layers]]:
    """Data set -> run -> its layers."""
    return _by_data(tables, "spectrum", _read_layers)


def _read_layers(rows: pd.DataFrame) -> Layers:
    rows = rows.sort_values("place", kind="stable")
    names, stages = (tuple(rows[column].astype(str)) for column in ("layer", "stage"))
    return Layers(names=names, stages=stages, condition=np.log10(rows["condition"].to_numpy(float)))


def read_first_layers(tables: Tables) -> dict[str, dict[Run, np.ndarray]]:
    """Data set -> run -> the eigenvalues of its first layer, float64 (C,)."""
    return _by_data(
        tables, "eigenvalues", lambda rows: rows[rows["layer"] == rows["layer"].iloc[0]]["eigenvalue"].to_numpy(float)
    )


def read_laws(tables: Tables) -> dict[str, dict[Run, Laws]]:
    """Data set -> run -> the laws of its first layer."""
    return _by_data(tables, "distributions", _read_laws)


def _read_laws(rows: pd.DataFrame) -> Laws:
    by_name = rows.set_index("distribution")
    rss, vuong = (
        {str(name): float(value) for name, value in by_name[column].dropna().items()} if column in by_name else {}
        for column in ("rss", "vuong")
    )
    return Laws(alpha=float(rows["alpha_distfit"].iloc[0]), rss=rss, vuong=vuong)
