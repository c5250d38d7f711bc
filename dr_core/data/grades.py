"""Grades, lesions and readings: the clinical words of the whole project, each vocabulary in one registry."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dr_core.registry import Registry

GRADES: tuple[str, ...] = ("no DR", "mild", "moderate", "severe", "proliferative")
"""Names of the ICDR severity grades 0..4. Source: Wilkinson et al. 2003, Ophthalmology 110(9):1677-1682, table 2."""

TARGET_GRADE = 3
"""The grade whose output neuron the paper explains: severe DR. Source: paper, section 4.4."""

POSITIVE = len(GRADES)
"""Stands among the grades that a heatmap can be asked about for the positive output of a model with two outputs."""

TWO_OUTPUTS = "no answer, because this model has two outputs"
"""What is said wherever a model that only tells positive eyes from others is asked about single grades."""

Side = Literal["right", "left"]


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A type of lesion.

    Attributes:
        name: Name in code and tables, as in IDRiD, such as `"hard_exudates"`.
        code: Letters beside its outline and in file names, such as `"EX"`.
        folder: Folder of its masks in IDRiD's layout.
        color: Of its outline over the eye.
        dash: Of its outline, as in SVG's `stroke-dasharray`; empty for a solid one.
        in_total: Whether it counts in the mask `total`. Source: paper, Table 3 (MA, HE or EX).
    """

    name: str
    code: str
    folder: str
    color: str
    dash: str = ""
    in_total: bool = False

    @property
    def label(self) -> str:
        """Name for people."""
        return self.name.replace("_", " ")


LESIONS: Registry[Lesion] = Registry(
    "lesion",
    (
        Lesion(
            name="microaneurysms", code="MA", folder="1. Microaneurysms", color="#a99aff", dash="2 3", in_total=True
        ),
        Lesion(name="haemorrhages", code="HE", folder="2. Haemorrhages", color="#76f2d7", dash="7 3", in_total=True),
        Lesion(name="hard_exudates", code="EX", folder="3. Hard Exudates", color="#ffff00", in_total=True),
        Lesion(name="soft_exudates", code="SE", folder="4. Soft Exudates", color="#0c7e7f", dash="10 3 2 3"),
    ),
)
"""Lesion types, in IDRiD's order and spelling. Source: Porwal et al. 2020, Medical Image Analysis 59:101561."""

TOTAL = "total"
"""Name of the mask of all lesions that count together."""


def total_lesions() -> tuple[str, ...]:
    """Names of the lesions that the mask `total` joins."""
    return tuple(name for name, lesion in LESIONS.items() if lesion.in_total)


def mask_names() -> tuple[str, ...]:
    """Names of all masks that are scored: each lesion's, then `total`."""
    return (*LESIONS, TOTAL)


def lesion_label(name: str) -> str:
    """Name of a mask for people."""
    if name == TOTAL:
        return " or ".join(LESIONS[one].code for one in total_lesions())
    return LESIONS.find(name).label


def lesion_code(name: str) -> str:
    """Letters of a mask: the lesion's code, or `total`."""
    return TOTAL if name == TOTAL else LESIONS.find(name).code


ReferableFrom = Literal[1, 2, 3, 4]
"""Lowest grade that is read as positive."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A binary reading of the grades.

    Attributes:
        name: Name in tables and on axes, such as `"grades 3-4 against 0-2"`.
        label: A few characters for a control, such as `"3-4 (paper)"`.
        positive_from: Lowest positive grade; the score is the probability of that grade or a worse one.
        referable: Whether it reads eyes as to be referred or not.
        source: Where the reading comes from.
    """

    name: str
    label: str
    positive_from: ReferableFrom
    referable: bool
    source: str

    @property
    def needs_grades(self) -> bool:
        """Whether the eyes must be graded; where only the presence of DR is known, grades 1 to 4 look alike."""
        return self.positive_from > 1

    def positives(self, grades: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which of the grades 0..4 (any shape) count as positive."""
        return is_referable(grades, self.positive_from)

    def score(self, probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Probability of a positive eye, float (...), from float (..., 5), as `referable_probability`."""
        return referable_probability(probabilities, self.positive_from)


READINGS: Registry[Reading] = Registry(
    "reading",
    (
        Reading(
            name="grades 3-4 against 0-2",
            label="3-4 (paper)",
            positive_from=3,
            referable=True,
            source="paper, section 3.1",
        ),
        Reading(
            name="grades 2-4 against 0-1",
            label="2-4 (ICDR)",
            positive_from=2,
            referable=True,
            source="Wilkinson et al. 2003: moderate DR or worse",
        ),
        Reading(
            name="any DR",
            label="1-4 (any DR)",
            positive_from=1,
            referable=False,
            source="all that a set with nothing but the presence of DR can be read by",
        ),
    ),
)
"""The readings, the paper's first."""

PAPER_READING = "grades 3-4 against 0-2"
"""The reading of all AUCs of the paper. Source: paper, section 3.1."""


def supported_readings(*, graded: bool) -> tuple[Reading, ...]:
    """The readings that the labels of some eyes support.

    Args:
        graded: Whether every eye's grade is known; otherwise only whether it has DR.
    """
    return tuple(reading for reading in READINGS.values() if graded or not reading.needs_grades)


def referable_readings() -> Iterator[Reading]:
    """The readings by which an eye is referred, the paper's first; reports always give all of them."""
    return (reading for reading in READINGS.values() if reading.referable)


@dataclass(frozen=True, kw_only=True)
class LesionFindings:
    """What a grader found in one eye.

    Attributes:
        microaneurysms: Number of microaneurysms.
        haemorrhages_by_quadrant: Number of intraretinal haemorrhages in each of the four quadrants.
        hard_exudates: Number of hard exudates.
        soft_exudates: Number of soft exudates (cotton wool spots).
        venous_beading_quadrants: Number of quadrants with definite venous beading, 0..4.
        irma_quadrants: Number of quadrants with prominent intraretinal microvascular abnormalities, 0..4.
        new_vessels: Whether there is neovascularization of the disc or elsewhere.
        vitreous_or_preretinal_haemorrhage: Whether there is blood in front of the retina.
    """

    microaneurysms: int = 0
    haemorrhages_by_quadrant: tuple[int, int, int, int] = (0, 0, 0, 0)
    hard_exudates: int = 0
    soft_exudates: int = 0
    venous_beading_quadrants: int = 0
    irma_quadrants: int = 0
    new_vessels: bool = False
    vitreous_or_preretinal_haemorrhage: bool = False


def icdr_grade(findings: LesionFindings) -> int:
    """Grade an eye from its lesions by the International Clinical Diabetic Retinopathy scale.

    Grade 3 is the 4-2-1 rule: more than 20 intraretinal haemorrhages in each of 4 quadrants, or definite venous
    beading in 2 or more quadrants, or prominent IRMA in 1 or more quadrants, with no sign of proliferation.

    Args:
        findings: What was found in the eye.

    Returns:
        The grade 0..4.

    Source:
        Wilkinson et al. 2003, Ophthalmology 110(9):1677-1682, table 2.
    """
    if findings.new_vessels or findings.vitreous_or_preretinal_haemorrhage:
        return 4
    if (
        min(findings.haemorrhages_by_quadrant) > 20
        or findings.venous_beading_quadrants >= 2
        or findings.irma_quadrants >= 1
    ):
        return 3
    more_than_microaneurysms = (
        sum(findings.haemorrhages_by_quadrant)
        + findings.hard_exudates
        + findings.soft_exudates
        + findings.venous_beading_quadrants
    )
    if more_than_microaneurysms:
        return 2
    return 1 if findings.microaneurysms else 0


def is_referable(grades: npt.ArrayLike, referable_from: ReferableFrom = 3) -> npt.NDArray[np.bool_]:
    """Read grades as referable or not.

    Args:
        grades: Integers 0..4, any shape.
        referable_from: Lowest referable grade; 3 as the paper reads it, 2 as the ICDR standard does.

    Returns:
        Boolean array of the same shape.
    """
    return np.asarray(grades) >= referable_from


def referable_probability(
    probabilities: npt.NDArray[np.floating], referable_from: ReferableFrom = 3
) -> npt.NDArray[np.floating]:
    """Sum the probabilities of the referable grades.

    Args:
        probabilities: Float (..., 5), softmax over the grades 0..4; NaN for a grade that the model does not tell apart
            from the one below it, whose probability stands there (`spread_binary`).
        referable_from: Lowest referable grade.

    Returns:
        Float (...), in [0, 1]; NaN where the model does not tell the referable grades from the others.

    Source:
        Paper, section 3.1: classes 3-4 against 0-2.
    """
    score = np.where(
        np.isnan(probabilities[..., referable_from]), np.nan, np.nansum(probabilities[..., referable_from:], axis=-1)
    )
    return np.asarray(score, probabilities.dtype)


def spread_binary(answers: npt.NDArray[np.floating], positive_from: ReferableFrom) -> npt.NDArray[np.floating]:
    """Write the answers of a model with two outputs beside the grades, without inventing any.

    The probability of all lower grades together stands at grade 0, that of the others at the lowest of them; the
    grades between, which the model does not tell apart, are NaN.

    Args:
        answers: Float (..., 2), probabilities of the grades below `positive_from` and of those from it on.
        positive_from: Lowest grade of the second.

    Returns:
        Float (..., 5).
    """
    spread = np.full((*answers.shape[:-1], len(GRADES)), np.nan, answers.dtype)
    spread[..., 0], spread[..., positive_from] = answers[..., 0], answers[..., 1]
    return spread


def target_label(target: int) -> str:
    """Name of what a heatmap is asked about: a grade, or the positive output of a model with two outputs."""
    return "positive" if target == POSITIVE else GRADES[target]


def tells_grades(probabilities: npt.NDArray[np.floating]) -> bool:
    """Whether answers, float (..., 5), give each of the five grades its own probability."""
    return not bool(np.isnan(probabilities).any())
