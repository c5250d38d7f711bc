"""Claims of section 4.3, Figure 4: damaged eyes."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from dr_core.corruption import CORRUPTIONS
from dr_core.experiments.robustness import CLEAN, PAIRS
from dr_core.publish.paper.claim import Claim, by_data, estimate
from dr_core.publish.paper.verdicts import ALL, EXACT, MOST, Comparison

_NOISES = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "pixelate")
_LOW = 2
"""Severities up to here count as low levels of saturation; the paper does not say."""


def _damaged(rows: pd.DataFrame, initialization: str | None = None) -> pd.DataFrame:
    kept = rows[rows["corruption"] != CLEAN]
    return kept if initialization is None else kept[kept["initialization"] == initialization]


def _cells(rows: pd.DataFrame) -> Iterator[Comparison]:
    for row in rows.to_dict("records"):
        pair = row["initialization"].upper()
        title = CORRUPTIONS[row["corruption"]].label if row["corruption"] in CORRUPTIONS else row["corruption"]
        yield Comparison(
            name=f"{pair}-CL - {pair}-FS, {title}, severity {row['severity']:g}",
            value=row["value"],
            low=row["low"],
            high=row["high"],
        )


def _always(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _cells(_damaged(rows, "iwne"))


def _mostly(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _cells(_damaged(rows))


def _leveled(rows: pd.DataFrame) -> Iterator[Comparison]:
    """How much larger the mean difference is from scratch; its interval is the cells' mean, as if they moved as one."""
    means = {}
    for initialization in PAIRS:
        part = _damaged(rows, initialization)
        if len(part):
            means[initialization] = estimate(part["value"].mean(), part["low"].mean(), part["high"].mean())
    if len(means) == len(PAIRS):
        yield means["iwne"].minus(means["ifi"]).compared("mean of CL - FS, IWNE - IFI")


def _improved(rows: pd.DataFrame) -> Iterator[Comparison]:
    part = _damaged(rows, "ifi")
    saturated = (part["corruption"] == "saturate") & (part["severity"] <= _LOW)
    return _cells(part[part["corruption"].isin(_NOISES) | saturated])


def _outlier(rows: pd.DataFrame) -> Iterator[Comparison]:
    """How much farther JPEG lies from the middle corruption than the farthest other one."""
    means = _damaged(rows, "ifi").groupby("corruption")["value"].mean()
    if "jpeg_compression" in means and len(means) > 1:
        away = (means - means.median()).abs()
        others = away.drop("jpeg_compression")
        name = f"distance of JPEG compression - that of {others.idxmax()}"
        yield Comparison(name=name, value=float(away["jpeg_compression"] - np.max(others)))


CLAIMS = (
    Claim(
        key="iwne_cl_more_robust",
        place="Figure 4",
        section="4.3",
        statement="From scratch CL is more robust than FS under every corruption at every severity.",
        paper="“always”, drawn in Figure 4",
        table="robustness_differences",
        compare=lambda rows: by_data(rows, _always),
        rule=ALL,
    ),
    Claim(
        key="cl_mostly_more_robust",
        place="Figure 4",
        section="4.3",
        statement="Under most distortions CL scores higher than FS, from scratch and from ImageNet taken together.",
        paper="“for the majority of distortion cases”",
        table="robustness_differences",
        compare=lambda rows: by_data(rows, _mostly),
        rule=MOST,
    ),
    Claim(
        key="imagenet_levels",
        place="Figure 4",
        section="4.3",
        statement="ImageNet levels the difference: on average CL gains less over FS from ImageNet than from scratch.",
        paper="“levels the difference between FS and CL”",
        table="robustness_differences",
        compare=lambda rows: by_data(rows, _leveled),
        rule=ALL,
    ),
    Claim(
        key="ifi_cl_noise",
        place="Figure 4",
        section="4.3",
        statement="IFI-CL still improves on IFI-FS under noises, pixelation and low levels of saturation (1 and 2).",
        paper="said in words, drawn in Figure 4",
        table="robustness_differences",
        compare=lambda rows: by_data(rows, _improved),
        rule=ALL,
    ),
    Claim(
        key="jpeg_outlier",
        place="Figure 4",
        section="4.3",
        statement="Under IFI JPEG compression lies farther from the other corruptions than any of them.",
        paper="“conspicuous outlier”",
        table="robustness_differences",
        compare=lambda rows: by_data(rows, _outlier),
        rule=EXACT,
    ),
)
