"""Shapes of lesions: outlines and paths around a place, unit coordinates."""

import numpy as np

from dr_core.data.phantom.canvas import wander


def outline_blob(generator: np.random.Generator, center: np.ndarray, radius: float, roughness: float) -> np.ndarray:
    """An irregular closed outline around a center, float (24, 2)."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    harmonics = np.arange(2, 6)
    amplitude = generator.normal(0, roughness, (4, 1)) / harmonics[:, None]
    phase = generator.uniform(0, 2 * np.pi, (4, 1))
    reach = radius * np.clip(1 + (amplitude * np.cos(harmonics[:, None] * angle + phase)).sum(axis=0), 0.3, 2.0)
    outline: np.ndarray = center + np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    return outline


def outline_specks(generator: np.random.Generator, centers: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Small irregular outlines, all at once, float (N, 12, 2) for centers (N, 2) and radii (N,)."""
    count = len(centers)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False) + generator.uniform(0, 6.3, (count, 1))
    rough = generator.normal(0, 0.16, (count, 12))
    rough += np.roll(rough, 1, axis=1)
    rough += generator.normal(0, 0.22, (count, 1)) * np.cos(2 * angle + generator.uniform(0, 6.3, (count, 1)))
    reach = radii[:, None] * np.clip(1 + rough, 0.35, 2.0)
    outlines: np.ndarray = centers[:, None, :] + np.stack([np.cos(angle), np.sin(angle)], axis=2) * reach[:, :, None]
    return outlines


def outline_haemorrhage(
    generator: np.random.Generator, center: np.ndarray, disc: np.ndarray, scale: float
) -> np.ndarray:
    """A dot, a blot, or a flame along the nerve fibres that leave the disc; its mean is the given center."""
    kind = generator.choice(3, p=[0.52, 0.36, 0.12])
    if kind == 0:
        return _center(outline_blob(generator, center, scale * generator.uniform(0.0065, 0.0125), 0.2), center)
    if kind == 1:
        radius = scale * min(0.045, 0.011 + generator.exponential(0.006))
        return _center(outline_blob(generator, center, radius, generator.uniform(0.2, 0.6)), center)
    outline = outline_blob(generator, np.zeros(2), 1.0, 0.4)
    outline = outline * scale * [generator.uniform(0.015, 0.04), generator.uniform(0.006, 0.012)]
    along = center - disc
    angle = np.arctan2(along[1], along[0]) + generator.normal(0, 0.25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return _center(outline @ turn, center)


def _center(outline: np.ndarray, center: np.ndarray) -> np.ndarray:
    moved: np.ndarray = outline - outline.mean(axis=0) + center
    return moved


def spread_exudates(
    generator: np.random.Generator, center: np.ndarray, fovea: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places (N, 2) and radii (N,) of one group of hard exudates.

    A group is scattered, in clumps, in a ring around a leaking vessel, or in rays toward the fovea; some hold a plaque.
    """
    kind = generator.choice(["scattered", "clumps", "ring", "rays"], p=[0.3, 0.4, 0.2, 0.1])
    count = int(np.clip(generator.lognormal(np.log(45), 0.8), 3, 200))
    if kind == "scattered":
        places = center + generator.normal(0, generator.uniform(0.06, 0.22), (count, 2)) * [1, 0.7]
    elif kind == "clumps":
        middles = center + generator.normal(0, generator.uniform(0.03, 0.14), (1 + count // 9, 2))
        spread = generator.uniform(0.008, 0.035, len(middles))
        which = generator.integers(0, len(middles), count)
        places = middles[which] + generator.normal(0, 1, (count, 2)) * spread[which, None]
    elif kind == "ring":
        angle = generator.uniform(0, 6.3) + generator.uniform(2.0, 6.3) * generator.beta(0.8, 0.8, count)
        reach = generator.uniform(0.08, 0.25) * (1 + generator.normal(0, 0.13, count))
        places = center + np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    else:
        angle = generator.choice(generator.uniform(0, 6.3, 7), count) + generator.normal(0, 0.04, count)
        reach = generator.uniform(0.04, 0.3, count)
        places = fovea + np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    radii = np.clip(generator.lognormal(np.log(0.0048), 0.5, count), 0.002, 0.03)
    if generator.random() > 0.3:
        return places, radii
    lobes = int(generator.integers(3, 14))
    plaque = places[0] + generator.normal(0, generator.uniform(0.008, 0.035), (lobes, 2))
    return np.concatenate([plaque, places]), np.concatenate([generator.uniform(0.008, 0.03, lobes), radii])


def tangle(generator: np.random.Generator, center: np.ndarray, count: int, reach: float) -> list[np.ndarray]:
    """Fine, very tortuous vessels around a center."""
    return [
        wander(generator, center + generator.normal(0, reach / 3, 2), generator.uniform(0, 6.3), reach * 2, 40.0)
        for _ in range(count)
    ]


def outline_boat(generator: np.random.Generator, center: np.ndarray) -> np.ndarray:
    """Boat-shaped blood in front of the retina, with a level top, float (20, 2)."""
    width, depth = generator.uniform(0.1, 0.32), generator.uniform(0.06, 0.2)
    angle = np.linspace(0, np.pi, 20)
    boat = np.stack([np.cos(angle) * width, np.sin(angle) * depth], axis=1)
    return center + boat + generator.normal(0, 0.005, boat.shape)
