"""One photograph: how this eye was lit, focused and seen through its media."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.phantom.camera.artifacts import Reflex, sample_reflex
from dr_core.data.phantom.camera.model import Camera


@dataclass(frozen=True, kw_only=True)
class Shade:
    """A dark part of the field; lengths in radii of the field.

    Attributes:
        center: Where.
        spread: Standard deviation.
        depth: Share of the light that is lost in its middle.
    """

    center: np.ndarray
    spread: float
    depth: float


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What differs between two photographs by the same camera.

    Attributes:
        exposure: How much brighter than the camera's average it is.
        brightest: Where the light is brightest, radii of the field.
        defocus: Standard deviation of the blur by focus and media, radii of the field.
        haze: Share of the light from the retina that the media scatter, 0..1.
        blotches: How unevenly.
        blotch_cells: In how many cells along the side.
        yellowing: Loss of blue in an old lens, 0..1.
        halo: Strength of the stray light at the rim; 0 for none.
        halo_direction: Toward which side.
        shades: Dark parts.
        lid: Direction of the lid or lashes that cover the rim, or None.
        reflexes: Reflexes of the flash.
        glints: Number of small sharp reflections.
    """

    exposure: float
    brightest: np.ndarray
    defocus: float
    haze: float
    blotches: float
    blotch_cells: int
    yellowing: float
    halo: float
    halo_direction: float
    shades: tuple[Shade, ...]
    lid: float | None
    reflexes: tuple[Reflex, ...]
    glints: int


def sample_shot(generator: np.random.Generator, camera: Camera, age: float) -> Shot:
    """Draw the circumstances of one photograph.

    Args:
        generator: Source of all draws.
        camera: The camera.
        age: Of the patient in years; older media scatter more.
    """
    chance, uniform = generator.random, generator.uniform
    optics = camera.optics
    haze = _sample_haze(generator, age)
    defocus = generator.choice(_DEFOCUS, p=(0.87, 0.115, 0.015)) * uniform(0.2, 1.0)
    flooded = chance() < optics.halo
    strength = uniform(0.7, 1.4) if chance() < 0.06 else uniform(0.12, 0.7)
    return Shot(
        exposure=float(np.exp(generator.normal(0, 0.15))) * (uniform(0.45, 0.75) if chance() < 0.05 else 1.0),
        brightest=generator.normal(0, 0.18, 2),
        defocus=float(np.hypot(defocus, 0.012 * haze * haze)),
        haze=haze,
        blotches=uniform(0.1, 0.8),
        blotch_cells=int(generator.integers(2, 8)),
        yellowing=float(np.clip((age - 50) / 40 * uniform(0, 1), 0, 0.6)),
        halo=strength if flooded else 0.0,
        halo_direction=uniform(0, 2 * np.pi),
        shades=tuple(_sample_shades(generator)),
        lid=float(generator.choice([-1, 1]) * np.pi / 2 + generator.normal(0, 0.4)) if chance() < 0.03 else None,
        reflexes=sample_reflex(generator) if chance() < optics.reflex else (),
        glints=int(generator.poisson(camera.artifacts.glints)),
    )


_DEFOCUS = (0.003, 0.014, 0.03)
"""Largest blur by focus, in radii: of most eyes, of some, of a few that hardly show anything."""


def _sample_haze(generator: np.random.Generator, age: float) -> float:
    """Share of scattered light: little in most eyes, more with age, much in a few."""
    old = float(np.clip((age - 35) / 45, 0, 1))
    if generator.random() < 0.01 + 0.045 * old:
        return float(generator.uniform(0.35, 0.62))
    return float(np.clip(generator.exponential(0.05 + 0.12 * old), 0, 0.5))


def _sample_shades(generator: np.random.Generator) -> list[Shade]:
    """Shadows of opacities anywhere, or of the pupil's edge on one side."""
    shades = []
    if generator.random() < 0.09:
        for _ in range(int(generator.integers(1, 4))):
            position = generator.normal(0, 0.45, 2)
            spread, depth = generator.uniform(0.1, 0.4), generator.uniform(0.2, 0.75)
            shades.append(Shade(center=position, spread=float(spread), depth=float(depth)))
    if generator.random() < 0.11:
        bearing = generator.uniform(0, 2 * np.pi)
        position = generator.uniform(0.7, 1.4) * np.array([np.cos(bearing), np.sin(bearing)])
        spread, depth = generator.uniform(0.25, 0.55), generator.uniform(0.25, 0.85)
        shades.append(Shade(center=position, spread=float(spread), depth=float(depth)))
    return shades
