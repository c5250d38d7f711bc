"""Measures: every number that a study's tables give of its models, in one registry.

A measure is a function of one of the five kinds of records below, in every draw of the patients at once. Whatever lists
measures (tables, pages, reports) reads `MEASURES`, so that a measure that is added is computed and shown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from torch import Tensor

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.analysis.discrimination import Separation, measure_auc, measure_separation
from dr_core.analysis.grading import accuracy, count_confusion, measure_calibration, quadratic_kappa
from dr_core.analysis.localization import (
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_recall,
)
from dr_core.analysis.robustness import bootstrap_means, corruption_error, find_flips
from dr_core.data.grades import READINGS
from dr_core.registry import Registry

Kind = Literal["reading", "grades", "damage", "corruption", "heatmap"]
"""What a measure is a function of: `ReadEyes`, `GradedEyes`, `DamagedEyes`, `CorruptionErrors` or `MaskedHeatmaps`."""

FLIP_READING = "grades 2-4 against 0-1"
"""The reading of flips and of calibration under damage: the ICDR standard's."""


FIVE_GRADES = "five grades"
"""Reading of the measures of all grades at once."""


@dataclass(frozen=True, kw_only=True)
class ReadEyes:
    """One model's answers by one reading of the grades.

    Attributes:
        scores: Float64 (N,), probability of a positive eye, 0..1.
        labels: Bool (N,), whether the eye is positive.
        draws: Draws of the patients of these eyes.
        at_specificity: Specificity at which the sensitivity is taken, 0..1.
        at_sensitivity: Sensitivity at which the specificity is taken, 0..1.
    """

    scores: np.ndarray
    labels: np.ndarray
    draws: PatientDraws
    at_specificity: float = 0.9
    at_sensitivity: float = 0.9

    @cached_property
    def separation(self) -> Separation:
        """What `measure_separation` finds, computed once for all measures."""
        return measure_separation(
            self.scores,
            self.labels,
            self.draws,
            at_specificity=self.at_specificity,
            at_sensitivity=self.at_sensitivity,
        )


@dataclass(frozen=True, kw_only=True)
class GradedEyes:
    """One model's answers about the five grades.

    Attributes:
        softmax: Float64 (N, 5).
        grades: Int (N,), true grades 0..4.
        draws: Draws of the patients of these eyes.
    """

    softmax: np.ndarray
    grades: np.ndarray
    draws: PatientDraws

    @cached_property
    def confusion(self) -> np.ndarray:
        """Float64 (5, 5, 1 + D), eyes by true and answered grade, computed once for all measures."""
        return count_confusion(self.grades, self.softmax.argmax(axis=1), self.draws)


@dataclass(frozen=True, kw_only=True)
class DamagedEyes:
    """One model's answers about the same eyes under several corruptions.

    Attributes:
        softmax: Float64 (cells, N, 5); the first cell is the clean eyes.
        grades: Int (N,), true grades 0..4.
        draws: Draws of the patients of these eyes.
    """

    softmax: np.ndarray
    grades: np.ndarray
    draws: PatientDraws


@dataclass(frozen=True, kw_only=True)
class CorruptionErrors:
    """Shares of wrong grades of a model and of the model that it is held against.

    Attributes:
        errors: Float64 (corruptions, severities, 1 + D), 0..1.
        reference: The same of the reference model.
    """

    errors: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True, kw_only=True)
class MaskedHeatmaps:
    """Heatmaps and the lesions that they should lie on.

    Attributes:
        pooled: Float64 (N, H, W), values >= 0.
        mask: Bool (N, H, W).
        percentile: Percentile of the recall, 0..100.
    """

    pooled: Tensor
    mask: Tensor
    percentile: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure.

    Attributes:
        name: Name in the tables.
        label: Name for people.
        kind: What `compute` takes.
        compute: From a record of that kind to the value in every draw, the first that of the data: float (1 + D,),
            under damage (cells, 1 + D), of corruption errors (corruptions, 1 + D); of heatmaps float64 (N,), a value
            an image.
        higher_is_better: Whether a higher value is the better one; None where neither is.
        unit: Unit or range, for people.
        chance: What a model without any knowledge gets. None where it depends on the eyes.
        at: Attribute of the eyes whose value belongs to the name in the tables, such as `"at_specificity"`.
        reading: Under damage: the reading that it rests on; empty for none.
        by_grade: For readings: whether each grade is measured against the others as well.
        of_class: For readings: the class whose share it is at an operating point; empty where it is none.
        under_damage: Where it is measured on damaged eyes as well: at every reading by which an eye is referred, at the
            reading of flips, or on the five grades.
        summary: One sentence for people.
    """

    name: str
    label: str
    kind: Kind
    compute: Callable[[Any], Any]
    higher_is_better: bool | None
    unit: str = "0 to 1"
    chance: float | None = None
    at: str = ""
    reading: str = ""
    by_grade: bool = False
    of_class: Literal["", "positive", "negative"] = ""
    under_damage: Literal["", "referable readings", "flip reading", "five grades"] = ""
    summary: str = ""

    def name_in_table(self, eyes: object) -> str:
        """Name in a table's row: with the operating point where it has one."""
        return f"{self.name} {getattr(eyes, self.at):g}" if self.at else self.name


def _true_grade_score(eyes: DamagedEyes) -> np.ndarray:
    rows = np.arange(len(eyes.grades))
    return bootstrap_means(eyes.softmax[:, rows, eyes.grades], eyes.draws)


def _flip_rate(eyes: DamagedEyes) -> np.ndarray:
    scores = READINGS[FLIP_READING].score(eyes.softmax)
    return bootstrap_means(find_flips(scores[0], scores), eyes.draws)


def _calibration_error(eyes: ReadEyes) -> np.ndarray:
    return measure_calibration(np.clip(eyes.scores, 0, 1), eyes.labels, eyes.draws).error


MEASURES: Registry[Measure] = Registry(
    "measure",
    (
        Measure(
            name="auc",
            label="AUC",
            kind="reading",
            compute=lambda eyes: measure_auc(eyes.scores, eyes.labels, eyes.draws),
            higher_is_better=True,
            chance=0.5,
            by_grade=True,
            under_damage="referable readings",
            summary="Share of the pairs of a positive and a negative eye in which the positive one scores higher.",
        ),
        Measure(
            name="average_precision",
            label="average precision",
            kind="reading",
            compute=lambda eyes: eyes.separation.average_precision,
            higher_is_better=True,
            summary="Mean precision over the positive eyes by falling score; chance is the share of positive eyes.",
        ),
        Measure(
            name="sensitivity at specificity",
            label="sensitivity at specificity",
            kind="reading",
            compute=lambda eyes: eyes.separation.sensitivity,
            higher_is_better=True,
            at="at_specificity",
            of_class="positive",
            summary="Highest share of positive eyes that are found at that specificity or a higher one.",
        ),
        Measure(
            name="specificity at sensitivity",
            label="specificity at sensitivity",
            kind="reading",
            compute=lambda eyes: eyes.separation.specificity,
            higher_is_better=True,
            at="at_sensitivity",
            of_class="negative",
            summary="Highest share of negative eyes that are not flagged at that sensitivity or a higher one.",
        ),
        Measure(
            name="calibration_error",
            label="calibration error",
            kind="reading",
            compute=_calibration_error,
            higher_is_better=False,
            under_damage="flip reading",
            summary="Mean distance of the predicted probability from the observed share, over ten bins.",
        ),
        Measure(
            name="quadratic_kappa",
            label="quadratic kappa",
            kind="grades",
            compute=lambda eyes: quadratic_kappa(eyes.confusion),
            higher_is_better=True,
            unit="-1 to 1",
            chance=0.0,
            under_damage="five grades",
            summary="Agreement with the true grades beyond chance; an error of two grades weighs four times an error "
            "of one.",
        ),
        Measure(
            name="accuracy",
            label="accuracy",
            kind="grades",
            compute=lambda eyes: accuracy(eyes.confusion),
            higher_is_better=True,
            summary="Share of eyes whose most probable grade is the true one; chance is the most frequent share.",
        ),
        Measure(
            name="score of the true grade",
            label="score of the true grade",
            kind="damage",
            compute=_true_grade_score,
            higher_is_better=True,
            chance=0.2,
            summary="Mean probability of the true grade.",
        ),
        Measure(
            name="flip rate",
            label="flip rate",
            kind="damage",
            compute=_flip_rate,
            higher_is_better=False,
            reading=FLIP_READING,
            summary="Share of eyes whose referable decision at 0.5 differs from that on the clean eye.",
        ),
        Measure(
            name="corruption error",
            label="corruption error",
            kind="corruption",
            compute=lambda errors: corruption_error(errors.errors, errors.reference),
            higher_is_better=False,
            unit="0 or more, the reference has 1",
            summary="Wrong grades under a corruption, over all severities, relative to the reference set-up.",
        ),
        Measure(
            name="mass accuracy",
            label="relevance mass accuracy",
            kind="heatmap",
            compute=lambda eyes: relevance_mass_accuracy(eyes.pooled, eyes.mask),
            higher_is_better=True,
            summary="Share of the relevance on the lesions (eq. 2).",
        ),
        Measure(
            name="rank accuracy",
            label="rank accuracy",
            kind="heatmap",
            compute=lambda eyes: relevance_rank_accuracy(eyes.pooled, eyes.mask),
            higher_is_better=True,
            summary="Of as many of the most relevant pixels as the lesions have, the share on them (CLEVR-XAI).",
        ),
        Measure(
            name="recall",
            label="recall",
            kind="heatmap",
            compute=lambda eyes: relevance_recall(eyes.pooled, eyes.mask, eyes.percentile),
            higher_is_better=True,
            summary="Share of the lesions' pixels above a percentile of the heatmap (eq. 3 as its controls imply).",
        ),
    ),
)
"""The measures, in the order of tables."""


def measures_of(kind: Kind) -> Iterator[Measure]:
    """The measures of one kind, in the order of tables."""
    return (measure for measure in MEASURES.values() if measure.kind == kind)


def find_measure(name: str) -> Measure | None:
    """The measure of a table's row; None where the registry has none of this name.

    Args:
        name: Name in a table, such as `"sensitivity at specificity 0.9"`.
    """
    if name in MEASURES:
        return MEASURES[name]
    return next((one for one in MEASURES.values() if one.at and name.startswith(f"{one.name} ")), None)


def measure_label(name: str) -> str:
    """Name of a table's measure for people; its name in the table where the registry has none."""
    measure = find_measure(name)
    return name if measure is None else measure.label + name.removeprefix(measure.name)


def under_damage() -> Iterator[tuple[Measure, str]]:
    """The measures of answers that are taken on damaged eyes as well, each with the name of its reading."""
    for measure in MEASURES.values():
        if measure.under_damage == "flip reading":
            yield measure, FLIP_READING
        elif measure.under_damage == "referable readings":
            for reading in READINGS.values():
                if reading.referable:
                    yield measure, reading.name
        elif measure.under_damage == "five grades":
            yield measure, FIVE_GRADES
