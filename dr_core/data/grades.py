"""Grades, lesions and what makes an eye referable: the clinical words of the whole project."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

GRADES: tuple[str, ...] = ("no DR", "mild", "moderate", "severe", "proliferative")
"""Names of the ICDR severity grades 0..4."""

LESIONS: tuple[str, ...] = ("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates")
"""Lesion types in IDRiD's order and spelling."""

LESION_CODES: dict[str, str] = {
    "microaneurysms": "MA",
    "haemorrhages": "HE",
    "hard_exudates": "EX",
    "soft_exudates": "SE",
}
"""Two-letter codes of the lesion types, as in IDRiD's file names."""

Side = Literal["right", "left"]

ReferableFrom = Literal[2, 3]
"""Lowest grade read as referable: 3 is the paper's reading (0-2 against 3-4), 2 the ICDR standard."""

REFERABLE_READINGS: tuple[ReferableFrom, ...] = (3, 2)
"""Both readings, the paper's first; reports always give both."""


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
        probabilities: Float (..., 5), softmax over the grades 0..4.
        referable_from: Lowest referable grade.

    Returns:
        Float (...), in [0, 1].

    Source:
        Paper, section 3.1: classes 3-4 against 0-2.
    """
    return probabilities[..., referable_from:].sum(axis=-1)
