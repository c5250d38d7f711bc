"""One eye without diabetic retinopathy: its disc and fovea, its vessels, its reflexes and its other findings."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.grades import Side
from dr_core.data.phantom import shapes
from dr_core.data.phantom.canvas import wander, wander_many
from dr_core.data.phantom.other_findings import OtherFinding, Site, sample_other_findings
from dr_core.data.phantom.patient import Style
from dr_core.data.phantom.vessels import Vessel, grow_vessels


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
        vessels: The vessels, thin ones first.
        choroid: Choroidal vessels, each float (N, 2).
        other: What is no diabetic retinopathy.
        cotton_wool: Outlines of cotton wool spots of another disease; they are drawn where there is no retinopathy.
        crescent: Strength of the pale crescent beside the disc.
        crescent_reach: How far it reaches, in radii of the disc.
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
    vessels: tuple[Vessel, ...]
    choroid: tuple[np.ndarray, ...]
    other: tuple[OtherFinding, ...]
    cotton_wool: tuple[np.ndarray, ...]
    crescent: float
    crescent_reach: float
    streaks: tuple[np.ndarray, ...]
    reflexes: tuple[np.ndarray, ...]


def sample_anatomy(generator: np.random.Generator, side: Side, style: Style) -> Anatomy:
    """Draw the anatomy of one eye; the disc lies toward the nose, to the right in a right eye's photograph.

    Args:
        generator: Source of all draws.
        side: Right or left eye.
        style: The patient, and the camera, whose field says how far the anatomy must reach.
    """
    nasal = 1.0 if side == "right" else -1.0
    traits, reach = style.traits, style.camera.reach
    disc_radius = generator.uniform(0.125, 0.18)
    apart = generator.uniform(0.66, 0.84)
    fovea = np.array([nasal * _sample_shift(generator, reach), generator.normal(0.02, 0.08 * max(1.0, reach))])
    disc = fovea + np.array([nasal * apart, generator.normal(-0.06, 0.07)])
    vessels = grow_vessels(generator, disc, fovea, disc_radius, nasal, reach)
    has_crescent = generator.random() < 0.22 + 0.7 * traits.myopia
    site = Site(disc=disc, disc_radius=disc_radius, fovea=fovea, reach=reach)
    return Anatomy(
        side=side,
        disc=disc,
        disc_radius=disc_radius,
        disc_aspect=generator.uniform(1.0, 1.18) + 0.15 * traits.myopia * generator.random(),
        cup=generator.uniform(0.25, 0.6) if generator.random() < 0.9 else generator.uniform(0.6, 0.85),
        fovea=fovea,
        fovea_depth=generator.uniform(0.2, 0.85),
        vessels=tuple(vessels),
        choroid=tuple(_sample_choroid(generator, disc, reach)) if traits.tessellation else (),
        other=sample_other_findings(generator, site, traits.age),
        cotton_wool=_sample_cotton_wool(generator, disc),
        crescent=generator.uniform(0.1, 0.5) + 0.6 * traits.myopia if has_crescent else 0.0,
        crescent_reach=1.25 + 0.3 * generator.random() + 0.6 * traits.myopia * generator.random(),
        streaks=tuple(_sample_streaks(generator, disc, disc_radius)) if traits.sheen else (),
        reflexes=tuple(_sample_reflexes(generator, vessels, fovea)) if traits.sheen else (),
    )


def _sample_shift(generator: np.random.Generator, reach: float) -> float:
    """How far the fovea lies toward the nose from the field's center: by -.75 where the disc is in the middle."""
    if generator.random() < (0.8 if reach > 0.85 else 0.55):
        return float(np.clip(generator.normal(0.0, 0.16), -0.55, 0.2))
    return float(generator.uniform(-0.85, -0.4))


def _sample_cotton_wool(generator: np.random.Generator, disc: np.ndarray) -> tuple[np.ndarray, ...]:
    """A few cotton wool spots around the disc, as high blood pressure leaves them, in one of fifty eyes."""
    if generator.random() > 0.02:
        return ()
    places = disc + generator.normal(0, 0.3, (int(generator.integers(1, 4)), 2))
    return tuple(shapes.outline_blob(generator, spot, generator.uniform(0.016, 0.045), 0.4) for spot in places)


def _sample_choroid(generator: np.random.Generator, disc: np.ndarray, reach: float) -> list[np.ndarray]:
    """A mesh of short choroidal vessels, denser around one place, that run away from the disc."""
    center = generator.normal(0, 0.5 * reach, 2)
    spread = generator.uniform(0.35, 1.0) * reach
    count = int(generator.integers(90, 220))
    starts = np.clip(center + generator.normal(0, spread, (count, 2)), -reach, reach)
    away = starts - disc
    angles = np.arctan2(away[:, 1], away[:, 0]) + generator.normal(0, 0.35, count)
    return wander_many(generator, starts, angles, generator.uniform(0.2, 0.7, count), 3.0)


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
