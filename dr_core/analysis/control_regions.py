"""Healthy regions that stand for a lesion: as large, and in surroundings as like as the eye has them."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.seeds import numpy_generator

_TRIES = 60
"""Places tried for a control region before it is left out."""

LEAST_PLACED, MOST_UNLIKE = 0.5, 1.0
"""Where a control counts as matched: the share of the area that is placed, and how unlike it may lie."""


def weigh_control(placed: float, unlike: float) -> float:
    """Weight of a control: w = placed where placed >= 1/2 and unlike <= 1, otherwise 0.

    An eye all of whose controls weigh nothing is left out of what is said beyond the control; both limits are ours.

    Args:
        placed: Share of the lesion's area for which healthy retina was found, 0..1.
        unlike: As `sample_control` gives it.
    """
    return placed if placed >= LEAST_PLACED and unlike <= MOST_UNLIKE else 0.0


@dataclass(frozen=True, kw_only=True)
class ControlRegions:
    """Where a control is painted out.

    Attributes:
        mask: Bool (h, w).
        placed: Share of the lesion's area that found a place, 0..1.
        unlike: How unlike the lesion's own places these are, 0 (alike) or more; NaN where nothing was placed.
    """

    mask: np.ndarray
    placed: float
    unlike: float


def sample_control(
    healthy: np.ndarray,
    mask: np.ndarray,
    seed: int,
    *,
    image: np.ndarray | None = None,
    fovea: tuple[float, float] | None = None,
) -> ControlRegions:
    """Move each region of a mask to healthy retina of the same eye, alike in area and surroundings.

    unlike = |d - d'| / width + |b - b'| / 64 + |v - v'| / 8, with the distance d from the fovea, the brightness b and
    the vessel density v of the healthy retina around (mean gray level, and mean depth of dark lines, in a window of 41
    px): of the places that a region finds the one with the smallest is taken. A region that finds no place as it is
    goes in discs of the same area together.

    Args:
        healthy: Bool (h, w), where regions may lie (`find_healthy`); no region touches another.
        mask: Bool (h, w), the regions.
        seed: Seed of the places.
        image: Uint8 (h, w, 3) RGB, whose green channel has brightness and vessels; None leaves both out.
        fovea: Its x and y in pixels; None takes the middle of the healthy retina.

    Source: ours; vessels by closing as in `dr_core.data.fundus.landmarks`.
    """
    generator = numpy_generator(seed, "knock-out control")
    likeness = _measure_likeness(healthy, image, fovea)
    free = healthy.copy()
    control = np.zeros_like(mask)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")  # the largest first: they need the most room
    placed, unlike = 0, 0.0
    for label in order:
        x, y, width, height, _ = stats[label]
        region = labels[y : y + height, x : x + width] == label
        own = likeness[:, y : y + height, x : x + width][:, region].mean(axis=1)
        for part, away in _place(control, free, region, own, likeness, generator) or _place_discs(
            control, free, int(region.sum()), own, likeness, generator
        ):
            placed, unlike = placed + part, unlike + part * away
    return ControlRegions(
        mask=control, placed=placed / max(int(mask.sum()), 1), unlike=unlike / placed if placed else math.nan
    )


_WINDOW = 41
"""Pixels across of the surroundings whose brightness and vessels count."""

_LINE = 15
"""Pixels across of the closing that fills vessels."""


def _measure_likeness(healthy: np.ndarray, image: np.ndarray | None, fovea: tuple[float, float] | None) -> np.ndarray:
    """Distance from the fovea, brightness and vessel density of the healthy retina around; float32 (3, h, w)."""
    grid: np.ndarray = np.indices(healthy.shape, np.float32)
    rows, columns = grid
    if fovea is None:
        fovea = (float(columns[healthy].mean()), float(rows[healthy].mean())) if healthy.any() else (0.0, 0.0)
    distance = np.hypot(columns - fovea[0], rows - fovea[1]) / healthy.shape[1]
    if image is None:
        return np.stack([distance, np.zeros_like(distance), np.zeros_like(distance)])
    green = image[..., 1]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_LINE, _LINE))
    lines = cv2.morphologyEx(green, cv2.MORPH_CLOSE, kernel).astype(np.float32) - green
    return np.stack([distance, _mean_around(green, healthy) / 64, _mean_around(lines, healthy) / 8])


def _mean_around(values: np.ndarray, healthy: np.ndarray) -> np.ndarray:
    """Mean of the healthy pixels in a window around each pixel, float32 (h, w); of all where there are none near."""
    weight = cv2.blur(healthy.astype(np.float32), (_WINDOW, _WINDOW))
    total = cv2.blur(np.where(healthy, values, 0).astype(np.float32), (_WINDOW, _WINDOW))
    everywhere = float(values[healthy].mean()) if healthy.any() else 0.0
    return np.where(weight > _NONE, total / np.maximum(weight, _NONE), everywhere).astype(np.float32)


_NONE = 1e-4

_Placed = list[tuple[int, float]]
"""Areas that found a place, each with how unlike its own it is."""


def _place(
    control: np.ndarray,
    free: np.ndarray,
    region: np.ndarray,
    own: np.ndarray,
    likeness: np.ndarray,
    generator: np.random.Generator,
) -> _Placed:
    """Put a region where it fits and is most like its own place; empty where none was found."""
    height, width = region.shape
    if height > free.shape[0] or width > free.shape[1]:
        return []
    best, least = None, np.inf
    for _ in range(_TRIES):
        top = int(generator.integers(0, free.shape[0] - height + 1))
        left = int(generator.integers(0, free.shape[1] - width + 1))
        window = (slice(top, top + height), slice(left, left + width))
        if free[window][region].all():
            away = float(np.abs(likeness[:, window[0], window[1]][:, region].mean(axis=1) - own).sum())
            if away < least:
                best, least = (top, left), away
    if best is None:
        return []
    top, left = best
    control[top : top + height, left : left + width] |= region
    free[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2] = False
    return [(int(region.sum()), least)]


def _place_discs(
    control: np.ndarray,
    free: np.ndarray,
    area: int,
    own: np.ndarray,
    likeness: np.ndarray,
    generator: np.random.Generator,
) -> _Placed:
    """Put an area down in discs, each as large as still fits."""
    left, size = area, area / 2
    placed: _Placed = []
    while left > 0 and size >= _SMALLEST_DISC:
        radius = np.sqrt(min(size, left) / np.pi)
        side = np.arange(-int(radius), int(radius) + 1)
        disc = side[:, None] ** 2 + side[None] ** 2 <= radius**2
        found = _place(control, free, disc, own, likeness, generator)
        placed += [(min(part, left), away) for part, away in found]
        left -= sum(part for part, _ in found)
        size = size if found else size / 2
    return placed


_SMALLEST_DISC = 4
"""Pixels of the smallest disc into which a region is divided."""
