"""What both eyes of a patient share: age, pigment, refraction, and the camera that photographs them."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.phantom.camera import Camera, sample_camera


@dataclass(frozen=True, kw_only=True)
class Traits:
    """A patient's retina.

    Attributes:
        age: In years.
        color: Red, green and blue of the retina relative to an average one.
        tessellation: Strength of the choroidal vessels: brighter than what lies between them, or darker where negative.
        mottle: Strength of the fine texture.
        artery: Absorption of arteries.
        vein: Absorption of veins.
        sheen: Strength of the reflexes of a young retina.
        myopia: 0 for none, 1 for high myopia.
        pallor: How pale the optic disc is, 0..1.
    """

    age: float
    color: tuple[float, float, float]
    tessellation: float
    mottle: float
    artery: float
    vein: float
    sheen: float
    myopia: float
    pallor: float


@dataclass(frozen=True, kw_only=True)
class Style:
    """A patient and the camera.

    Attributes:
        traits: What is the patient's own.
        camera: What photographs both eyes.
    """

    traits: Traits
    camera: Camera


def sample_style(generator: np.random.Generator) -> Style:
    """Draw a patient and a camera; neither knows anything of the grade."""
    return Style(traits=_sample_traits(generator), camera=sample_camera(generator))


def _sample_traits(generator: np.random.Generator) -> Traits:
    chance, uniform = generator.random, generator.uniform
    age = uniform(10, 35) if chance() < 0.22 else float(np.clip(generator.normal(58, 13), 25, 92))
    pigment = generator.beta(2.0, 1.6)  # 0 blond, 1 dark
    red, green = 1.3 - 0.6 * pigment, 1.55 - 1.05 * pigment
    blue = green * np.exp(generator.normal(0, 0.15))
    myopia = uniform(0.2, 1.0) if chance() < 0.16 else 0.0
    visible = chance() < 0.3 + 0.4 * myopia + 0.2 * (age > 65)
    tessellation = (uniform(0.03, 0.16) if chance() < 0.7 else uniform(0.16, 0.36)) if visible else 0.0
    sheen = uniform(0.2, 1.1) * float(np.clip((60 - age) / 35, 0.15, 1))
    return Traits(
        age=age,
        color=(float(red), float(green), float(blue)),
        tessellation=float(tessellation * (-0.6 if pigment < 0.3 and chance() < 0.5 else 1.0)),
        mottle=uniform(0.003, 0.017),
        artery=uniform(0.2, 0.42),
        vein=uniform(0.36, 0.64),
        sheen=float(sheen) if chance() < np.clip((75 - age) / 55, 0.08, 0.85) else 0.0,
        myopia=float(myopia),
        pallor=float(np.clip((age - 45) / 80 + generator.normal(0, 0.15), 0, 1)),
    )
