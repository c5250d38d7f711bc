"""The paper's published numbers."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

ALPHA = {"iwne_fs": 1.45, "iwne_cl": 1.28, "ifi_fs": 0.87, "ifi_cl": 0.73}
"""Set-up -> shape of the Pareto law that fits its first layer's eigenvalues. Source: Table 2."""

PARETO_80_20 = 1.16
"""Shape at which 20 % of the causes bring 80 % of the results. Source: section 4.2.3."""


UNTRAINED_ALPHA = {"distfit": (0.40, 0.40), "likelihood": (0.25, 0.29)}
"""Range of alpha of the first layers of networks before any training, by estimator: the demo's slim ResNet-50 and drawn
eyes, measured by the code that fits a study's (docs/methods.md)."""


@dataclass(frozen=True, kw_only=True)
class ReferencePoint:
    """A published AUC that stands in Figure 2 beside the paper's own curves.

    Attributes:
        name: Authors and year.
        eyepacs: AUC on EyePACS.
        messidor2: AUC on Messidor-2.
        positive: What counts as positive.
        note: What is different from this project's measure.
    """

    name: str
    eyepacs: float
    messidor2: float
    positive: str
    note: str


FIGURE_2_POINTS = (
    ReferencePoint(
        name="Gulshan 2016",
        eyepacs=0.991,
        messidor2=0.990,
        positive="grade 2 or worse, or referable macular edema",
        note="an ensemble of ten networks on private training data; macular edema alone also counts as referable",
    ),
    ReferencePoint(
        name="Voets 2019",
        eyepacs=0.951,
        messidor2=0.853,
        positive="grade 2 or worse",
        note="an ensemble of ten networks, eyes split by image",
    ),
)
"""Sources: Gulshan et al., JAMA 316 (2016); Voets et al., PLOS ONE 14 (2019)."""


@cache
def _table3() -> pd.DataFrame:
    wide = pd.read_csv(Path(__file__).with_name("table3.csv"))
    keys = ["lesion", "setup", "pooling", "score", "method"]
    return wide.melt(keys, ["mean", "median"], var_name="statistic", value_name="value")


def table3() -> pd.DataFrame:
    """The paper's Table 3, on 80 eyes of IDRiD.

    Returns:
        Rows named as those of `localization_summary`: lesion, setup, pooling, score, method, statistic, value. What the
        paper calls relevance rank accuracy is our recall (docs/methods.md).
    """
    return _table3().copy()


@cache
def _means() -> dict[tuple[str, ...], float]:
    rows = _table3()
    rows = rows[rows["statistic"] == "mean"]
    keys = rows[["lesion", "setup", "pooling", "score", "method"]].itertuples(index=False, name=None)
    return dict(zip(keys, rows["value"].astype(float), strict=True))


def published_mean(lesion: str, setup: str, pooling: str, score: str, method: str) -> float:
    """A mean of the paper's Table 3; NaN for what it does not give."""
    return _means().get((lesion, setup, pooling, score, method), math.nan)
