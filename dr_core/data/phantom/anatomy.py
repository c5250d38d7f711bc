"""A patient's eye without disease: its colors, its disc and fovea, its vessels, and what only looks like a lesion."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.grades import Side
from dr_core.data.phantom.canvas import wander
from dr_core.data.phantom.vessels import Vessel, grow_vessels


@dataclass(frozen=True, kw_only=True)
class Style:
    """What both eyes of a patient share: skin of the retina, camera and light.

    Attributes:
        color: Mean red, green and blue of the retina, of 1.
        radius: Radius of the field of view as a share of the image's side.
        cut: Half-height at which the frame cuts the field, in radii; 1 or more where it does not.
        notch: Angle of the notch in the rim, or None.
        tessellation: Strength of the choroidal vessels.
        mottle: Strength of the fine texture.
        artery: Absorption of arteries.
        vein: Absorption of veins.
        blur: Blur of the optics in radii.
        noise: Standard deviation of the sensor's noise, of 1.
        gamma: Exponent of the camera.
        jpeg_quality: Quality of the file.
        vignette: Loss of light toward the rim.
        sheen: Strength of the reflexes of a young retina.
        haze: Strength of a veil of stray light.
    """

    color: tuple[float, float, float]
    radius: float
    cut: float
    notch: float | None
    tessellation: float
    mottle: float
    artery: float
    vein: float
    blur: float
    noise: float
    gamma: float
    jpeg_quality: int
    vignette: float
    sheen: float
    haze: float


def sample_style(generator: np.random.Generator) -> Style:
    """Draw a patient's style; it knows nothing of the grade."""
    chance = generator.random
    red = generator.uniform(0.38, 0.8)
    green_share = float(np.clip(generator.normal(0.46, 0.065), 0.33, 0.6))
    blue_share = float(np.clip(0.3 + 2.2 * (green_share - 0.47) + generator.normal(0, 0.16), 0.03, 0.8))
    green = red * green_share
    blue = green * blue_share
    return Style(
        color=(red, green, blue),
        radius=generator.uniform(0.46, 0.5),
        cut=generator.uniform(0.76, 0.92) if chance() < 0.6 else 1.1,
        notch=generator.choice([-0.6, 0.6]) + generator.normal(0, 0.1) if chance() < 0.6 else None,
        tessellation=generator.choice([0.03, 0.1, 0.25], p=[0.5, 0.35, 0.15]) * generator.uniform(0.5, 1.3),
        mottle=generator.uniform(0.008, 0.035),
        artery=generator.uniform(0.2, 0.42),
        vein=generator.uniform(0.35, 0.7),
        blur=abs(generator.normal(0, 0.0025)) + 0.0005,
        noise=generator.uniform(0.003, 0.016),
        gamma=generator.uniform(0.85, 1.2),
        jpeg_quality=int(generator.integers(60, 96)),
        vignette=generator.uniform(0.1, 0.75),
        sheen=generator.uniform(0.1, 1.0) if chance() < 0.35 else 0.0,
        haze=generator.uniform(0.03, 0.35) if chance() < 0.35 else 0.0,
    )


@dataclass(frozen=True)
class Lookalikes:
    """Spots that are no lesions: drusen (pale, small), dust on the lens (gray), reflections (pale, large).

    Attributes:
        spots: Float (N, 3): x, y, radius, unit coordinates.
        change: Relative change of brightness.
        softness: Blur of their edge as a share of the radius.
    """

    spots: np.ndarray
    change: float
    softness: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Where the parts of one eye lie, unit coordinates.

    Attributes:
        side: Right or left eye.
        disc: Center of the optic disc.
        disc_radius: Its radius.
        disc_aspect: Height over width.
        cup: Radius of the cup as a share of the disc's.
        fovea: Center of the fovea.
        fovea_depth: How dark the macula is.
        light: Where the light is brightest.
        vessels: The vessels, thin ones first.
        choroid: Choroidal vessels, each float (N, 2).
        lookalikes: What only looks like a lesion.
        crescent: Strength of the pale crescent beside the disc.
        streaks: Nerve fibre streaks, each float (N, 2).
        reflexes: Where a young retina shines: beside vessels and around the macula, each float (N, 2).
    """

    side: Side
    disc: np.ndarray
    disc_radius: float
    disc_aspect: float
    cup: float
    fovea: np.ndarray
    fovea_depth: float
    light: np.ndarray
    vessels: tuple[Vessel, ...]
    choroid: tuple[np.ndarray, ...]
    lookalikes: tuple[Lookalikes, ...]
    crescent: float
    streaks: tuple[np.ndarray, ...]
    reflexes: tuple[np.ndarray, ...]


def sample_anatomy(generator: np.random.Generator, side: Side) -> Anatomy:
    """Draw the anatomy of one eye; the disc lies toward the nose, to the right in a right eye's photograph."""
    nasal = 1.0 if side == "right" else -1.0
    disc_radius = generator.uniform(0.125, 0.18)
    apart = generator.uniform(0.66, 0.84)
    shift = (
        np.clip(generator.normal(0.0, 0.16), -0.55, 0.2) if generator.random() < 0.8 else generator.uniform(-0.75, -0.4)
    )
    fovea = np.array([nasal * shift, generator.normal(0.02, 0.08)])
    disc = fovea + np.array([nasal * apart, generator.normal(-0.06, 0.07)])
    vessels = grow_vessels(generator, disc, fovea, disc_radius, nasal)
    return Anatomy(
        side=side,
        disc=disc,
        disc_radius=disc_radius,
        disc_aspect=generator.uniform(1.0, 1.18),
        cup=generator.uniform(0.25, 0.6),
        fovea=fovea,
        fovea_depth=generator.uniform(0.1, 0.75),
        light=generator.normal(0, 0.3, 2),
        vessels=tuple(vessels),
        choroid=tuple(_sample_choroid(generator, disc)),
        lookalikes=tuple(_sample_lookalikes(generator)),
        crescent=generator.uniform(0.1, 0.5) if generator.random() < 0.3 else 0.0,
        streaks=tuple(_sample_streaks(generator, disc, disc_radius)),
        reflexes=tuple(_sample_reflexes(generator, vessels, fovea)),
    )


def _sample_choroid(generator: np.random.Generator, disc: np.ndarray) -> list[np.ndarray]:
    """A mesh of short choroidal vessels, denser around one place, that run away from the disc."""
    center = generator.normal(0, 0.5, 2)
    spread = generator.uniform(0.35, 1.0)
    paths = []
    for start in np.clip(center + generator.normal(0, spread, (int(generator.integers(90, 220)), 2)), -1, 1):
        away = start - disc
        angle = float(np.arctan2(away[1], away[0])) + generator.normal(0, 0.35)
        paths.append(wander(generator, start, angle, generator.uniform(0.2, 0.7), 3.0))
    return paths


def _sample_streaks(generator: np.random.Generator, disc: np.ndarray, disc_radius: float) -> list[np.ndarray]:
    """Nerve fibre streaks that leave the disc."""
    paths = []
    for _ in range(generator.integers(0, 60)):
        angle = generator.choice([-1, 1]) * generator.uniform(0.6, 2.5)
        start = disc + disc_radius * np.array([np.cos(angle), np.sin(angle)])
        paths.append(wander(generator, start, float(angle), generator.uniform(0.1, 0.45), 0.8))
    return paths


def _sample_reflexes(generator: np.random.Generator, vessels: list[Vessel], fovea: np.ndarray) -> list[np.ndarray]:
    """Paths of the pale sheen beside large vessels, around the fovea and on the macula."""
    paths = []
    for vessel in vessels:
        if vessel.order == 0 and len(vessel.points) > 20:
            along = np.gradient(vessel.points, axis=0)
            across = np.stack([-along[:, 1], along[:, 0]], axis=1) / (np.hypot(*along.T)[:, None] + 1e-6)
            for side in (-1, 1):
                if generator.random() < 0.4:
                    continue
                start = int(generator.integers(0, len(vessel.points) - 15))
                stop = start + int(generator.integers(10, 45))
                offset = side * (vessel.widths[:, None] / 2 + generator.uniform(0.006, 0.03))
                paths.append((vessel.points + across * offset)[start:stop])
    if generator.random() < 0.5:
        angle = np.linspace(0, 2 * np.pi, 60)
        ring = generator.uniform(0.14, 0.3) * np.stack(
            [np.cos(angle) * generator.uniform(1, 1.3), np.sin(angle)], axis=1
        )
        first = int(generator.integers(0, 30))
        paths.append(fovea + ring[first : first + int(generator.integers(15, 60))])
    for _ in range(generator.integers(0, 14)):
        bearing = generator.uniform(0, 6.3)
        position = fovea + generator.uniform(0.18, 0.6) * np.array([np.cos(bearing), np.sin(bearing)])
        paths.append(wander(generator, position, float(bearing + np.pi / 2), generator.uniform(0.05, 0.3), 3.0))
    return paths


def _sample_lookalikes(generator: np.random.Generator) -> list[Lookalikes]:
    """Drusen, dust and reflections; in healthy and sick eyes alike."""
    kinds = []
    if generator.random() < 0.25:
        count = generator.integers(3, 40)
        places = generator.normal(0, 0.3, 2) + generator.normal(0, generator.uniform(0.1, 0.4), (count, 2))
        radii = generator.uniform(0.006, 0.02, count)
        kinds.append(Lookalikes(np.column_stack([places, radii]), generator.uniform(0.05, 0.18), 0.6))
    if generator.random() < 0.15:
        count = generator.integers(1, 6)
        places, radii = generator.uniform(-0.9, 0.9, (count, 2)), generator.uniform(0.02, 0.05, count)
        kinds.append(Lookalikes(np.column_stack([places, radii]), generator.uniform(-0.18, -0.06), 0.8))
    if generator.random() < 0.15:
        count = generator.integers(1, 4)
        places, radii = generator.uniform(-0.9, 0.9, (count, 2)), generator.uniform(0.03, 0.1, count)
        kinds.append(Lookalikes(np.column_stack([places, radii]), generator.uniform(0.05, 0.2), 0.9))
    return kinds
