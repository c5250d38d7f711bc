"""What may be said of a heatmap: where its relevance lies, beside the strongest control, in words.

Page, sheet, report and programs take their sentence from here, so that none of them says more than another. A sentence
rests on the strongest control: a map that lies on lesions no more than the edges of the picture do says nothing about
what the network has learned.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dr_core.analysis.controls import CONTROLS, MAP
from dr_core.data.regions import Regions
from dr_core.errors import InputError

IMPROBABLE = 0.10
"""Probability under which a grade is not what the model answers, so that its map explains little."""

_OUTSIDE = 0.05
"""Share of the relevance outside the field of view from which it is mentioned."""

_DIGITS = 3
"""Digits to which a share is compared with a control: what is shown alike is no better."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Where the relevance of one map lies; NaN where there is none in the field of view.

    Attributes:
        lesions: Share of the field's relevance on the lesions, in [0, 1].
        disc: On the optic disc, without lesions that lie on it.
        elsewhere: On the rest; the three add up to 1.
        fovea: On the central macula without lesions, a part of the rest.
        outside: Share of all relevance of the square that lies outside the field of view.
        square: Share of all relevance of the square on the lesions: relevance mass accuracy (RMA) as in Table 3.
    """

    lesions: float
    disc: float
    elsewhere: float
    fovea: float
    outside: float
    square: float


def measure_shares(pooled: np.ndarray, lesions: np.ndarray, regions: Regions) -> Shares:
    """Share a heatmap out over the parts of an eye.

    With R >= 0 the pooled relevance, F the field of view and L the lesions in it: sum over L of R / sum over F of R,
    and likewise for the disc without L. The black surround is nobody's lesion: it counts in neither sum.

    Args:
        pooled: Float64 (S, S), values >= 0.
        lesions: Bool (S, S).
        regions: The other parts.

    Returns:
        The shares.

    Raises:
        InputError: If the shapes differ.

    Source: Arras et al. 2022, CLEVR-XAI, Information Fusion 81, eq. for relevance mass; restricted to the field here.
    """
    if pooled.shape != lesions.shape or pooled.shape != regions.field.shape:
        raise InputError(
            f"`pooled`, `lesions` and `regions` must have one shape (S, S), not {pooled.shape}, {lesions.shape} and "
            f"{regions.field.shape}."
        )
    field, marked = regions.field, lesions & regions.field
    whole, everything = float(pooled[field].sum()), float(pooled.sum())
    if not whole > 0:
        return Shares(**dict.fromkeys(("lesions", "disc", "elsewhere", "fovea", "outside", "square"), math.nan))
    on_lesions = float(pooled[marked].sum()) / whole
    on_disc = float(pooled[regions.disc & ~marked].sum()) / whole
    return Shares(
        lesions=on_lesions,
        disc=on_disc,
        elsewhere=max(0.0, 1 - on_lesions - on_disc),
        fovea=float(pooled[regions.fovea & ~marked & ~regions.disc].sum()) / whole,
        outside=1 - whole / everything,
        square=float(pooled[lesions].sum()) / everything,
    )


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One model's heatmap of one eye, held against its controls.

    Attributes:
        label: The model.
        lesions: What is counted as lesions, in words.
        grade: The grade that is explained, in words.
        probability: What the model gives it, in [0, 1].
        shares: Where its relevance lies.
        controls: Key of `CONTROLS` -> where that control's relevance lies.
        area: Shares of the field that the parts cover: what an even map would get.
        note: Why a control is missing; empty where none is.
    """

    label: str
    lesions: str
    grade: str
    probability: float
    shares: Shares
    controls: Mapping[str, Shares]
    area: Shares
    note: str = ""

    @property
    def strongest(self) -> str | None:
        """The control with the largest share on the lesions; None where nothing can be compared."""
        known = {name: shares.lesions for name, shares in self.controls.items() if math.isfinite(shares.lesions)}
        return max(known, key=known.__getitem__) if known else None

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """Controls with at least as much of their relevance on the lesions, to the digits that are shown."""
        own = self.shares.lesions
        return tuple(
            name
            for name, shares in self.controls.items()
            if math.isfinite(shares.lesions) and not round(own, _DIGITS) > round(shares.lesions, _DIGITS)
        )

    @property
    def beats_controls(self) -> bool:
        """Whether more of the relevance lies on the lesions than in every control; False where none was measured."""
        measured = self.strongest is not None and math.isfinite(self.shares.lesions) and self.area.lesions > 0
        return measured and not self.unbeaten

    @property
    def improbable(self) -> bool:
        """Whether the model gives the explained grade less than `IMPROBABLE`."""
        return self.probability < IMPROBABLE


def explain_map(pooled: Mapping[str, np.ndarray], lesions: np.ndarray, regions: Regions, **about: Any) -> Explanation:  # noqa: ANN401
    """Hold one model's heatmap against its controls: for each region r, share_r = sum of R_i in r / sum of R_i.

    Args:
        pooled: `MAP` and keys of `CONTROLS` -> pooled map, float64 (S, S), values >= 0.
        lesions: Bool (S, S).
        regions: The other parts of the eye in this model's view.
        about: `label`, `name` (of the lesions), `grade`, `probability` and `note` as in `Explanation`.

    Returns:
        The explanation; every share is measured by the same code.

    Raises:
        InputError: If shapes differ.
    """
    name = about.pop("name")
    measured = {method: measure_shares(values, lesions, regions) for method, values in pooled.items()}
    even = measure_shares(np.ones(lesions.shape), lesions, regions)
    return Explanation(lesions=name, shares=measured.pop(MAP), controls=measured, area=even, **about)


def describe_explanation(explanation: Explanation) -> str:
    """Say where one model's relevance lies, and what the strongest control gets: the sentence of every page."""
    one = explanation
    if one.area.lesions == 0:
        return f"There are no {one.lesions} in the field of view of this eye, so there is nothing to measure."
    if not math.isfinite(one.shares.lesions):
        return f"{one.label}: no answer, because its heatmap has no positive relevance in the field of view."
    words = [f"{one.label}: {_places(one.shares, one.lesions)}"]
    if one.strongest is None:
        return words[0] + "; no control could be measured, so this says nothing about the network."
    control = one.controls[one.strongest]
    name = CONTROLS[one.strongest].label
    words.append(f"; the strongest control, {name}: {_percents(control)}. ")
    words.append(_verdict(one))
    return "".join([*words, *_cautions(one)])


def _verdict(one: Explanation) -> str:
    unbeaten = list(dict.fromkeys(CONTROLS[name].label for name in one.unbeaten))
    if not unbeaten:
        return f"More of it lies on {one.lesions} than in every control."
    named = " and ".join(filter(None, [", ".join(unbeaten[:-1]), unbeaten[-1]]))
    return f"On {one.lesions} this heatmap is no better than {named}: it does not show that the network looks there."


def _cautions(one: Explanation) -> list[str]:
    cautions = []
    if one.improbable:
        cautions.append(
            f" It explains “{one.grade}”, which {one.label} gives {_percent(one.probability)}: that is not its answer, "
            "so the heatmap shows only the little evidence for it."
        )
    if one.shares.outside >= _OUTSIDE:
        cautions.append(f" {_percent(one.shares.outside)} of all relevance lies outside the field of view.")
    return cautions


def describe_all(explanations: Sequence[Explanation]) -> str:
    """Say it of several models in one headline: the one furthest beyond its control, or that none is.

    Args:
        explanations: One a model, of the same lesions.

    Returns:
        One or two sentences.

    Raises:
        InputError: If there are none.
    """
    if not explanations:
        raise InputError("`explanations` must hold at least one model's.")
    first = max(explanations, key=_lead)
    if len(explanations) == 1 or first.area.lesions == 0 or first.strongest is None:
        return describe_explanation(first)
    better = [one.label for one in explanations if one.beats_controls]
    if not better:
        return (
            f"No model's heatmap lies on {first.lesions} more than its strongest control. {describe_explanation(first)}"
        )
    rest = [one.label for one in explanations if not one.beats_controls]
    none = f" No better than their strongest control: {', '.join(rest)}." if rest else ""
    return describe_explanation(first) + none


def _lead(one: Explanation) -> float:
    """How far a map's share on the lesions lies above that of its strongest control."""
    strongest = one.strongest
    if strongest is None or not math.isfinite(one.shares.lesions):
        return -math.inf
    return one.shares.lesions - one.controls[strongest].lesions


def find_best(explanations: Mapping[str, Explanation]) -> set[str]:
    """Find the models whose share on the lesions is the largest of the row, as shown, and beats every control."""
    shown = {name: round(one.shares.lesions, _DIGITS) for name, one in explanations.items() if one.beats_controls}
    top = max((round(one.shares.lesions, _DIGITS) for one in explanations.values()), default=math.nan)
    return {name for name, value in shown.items() if value == top}


def _places(shares: Shares, lesions: str) -> str:
    return (
        f"{_percent(shares.lesions)} of the relevance lies on {lesions}, {_percent(shares.disc)} on the optic disc, "
        f"{_percent(shares.elsewhere)} elsewhere"
    )


def _percents(shares: Shares) -> str:
    return ", ".join(_percent(share) for share in (shares.lesions, shares.disc, shares.elsewhere))


def _percent(share: float) -> str:
    """A share in percent: whole ones, a digit more under 10."""
    percent = 100 * share
    if 0 < percent < 0.05:
        return "under 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"
