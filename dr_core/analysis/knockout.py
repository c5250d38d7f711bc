"""What if the lesion were not there? Lesions painted out, and the same done to healthy retina as a control.

The paper does not have this. A heatmap may sit on a lesion whose removal changes nothing; the fall of the probability
tells.

Source: inpainting by Telea 2004, Journal of Graphics Tools 9(1):23-34, as OpenCV has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import LESIONS, TOTAL, mask_names
from dr_core.errors import InputError
from dr_core.seeds import numpy_generator

Kind = Literal["removed", "kept_only", "control"]

KINDS: dict[Kind, str] = {
    "removed": "the lesion is painted out",
    "kept_only": "every other lesion is painted out",
    "control": "as much healthy retina is painted out, as far from the fovea and as bright as can be found",
}
"""What is done to an eye, in words."""

WORKING_SIDE = 1024
"""Longest side of the photograph on which is painted; a microaneurysm is then one or two pixels."""

_MARGIN = 2
"""Pixels around a lesion that are painted out with it: its blurred rim."""

_RADIUS = 3
"""Pixels from which Telea's method draws a value."""

_TRIES = 60
"""Places tried for a control region before it is left out."""


@dataclass(frozen=True, kw_only=True)
class KnockOut:
    """One eye without something.

    Attributes:
        lesion: The lesion in question, or `"total"`.
        kind: What was done.
        image: Uint8 (h, w, 3) RGB.
        painted: Share of the picture that was painted over, in [0, 1].
        placed: Share of the lesion's area for which the control found healthy retina; 1 for the other kinds.
    """

    lesion: str
    kind: Kind
    image: np.ndarray
    painted: float
    placed: float = 1.0


def reduce_eye(image: np.ndarray, masks: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bring a photograph and its masks to the size on which is painted.

    Args:
        image: Uint8 (H, W, 3) RGB.
        masks: Lesion -> bool (H, W).

    Returns:
        Uint8 (h, w, 3), and lesion -> bool (h, w), on wherever the lesion touches the pixel.

    Raises:
        InputError: If a mask has another height or width than the photograph.
    """
    for lesion, mask in masks.items():
        if mask.shape != image.shape[:2]:
            raise InputError(f"The mask of {lesion} must have the photograph's height and width.")
    scale = WORKING_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image, {lesion: mask.astype(bool) for lesion, mask in masks.items()}
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    small = {
        lesion: cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        for lesion, mask in masks.items()
    }
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), small


def paint_out(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Paint regions over from their surroundings.

    Args:
        image: Uint8 (h, w, 3) RGB.
        mask: Bool (h, w).

    Returns:
        Uint8 (h, w, 3); the same image where the mask is empty.
    """
    if not mask.any():
        return image
    return cv2.inpaint(image, _widen(mask).astype(np.uint8), _RADIUS, cv2.INPAINT_TELEA)


def knock_out(
    image: np.ndarray,
    masks: Mapping[str, np.ndarray],
    lesion: str,
    seed: int,
    controls: int = 1,
    *,
    avoid: np.ndarray | None = None,
    fovea: tuple[float, float] | None = None,
) -> list[KnockOut]:
    """Remove a lesion from an eye, keep it alone, and remove healthy regions of the same area.

    Args:
        image: Uint8 (h, w, 3) RGB, of working size (`reduce_eye`).
        masks: Lesion -> bool (h, w), all lesions that are known.
        lesion: A lesion of `masks`, or `"total"` for all of them.
        seed: Seed of the places of the control.
        controls: How many controls, each at other places.
        avoid: Bool (h, w), where no control may lie, such as the optic disc.
        fovea: Its x and y in pixels, from which the control lies as far as the lesion; None takes the middle.

    Returns:
        A knock-out of each kind, as many controls as asked for; for `"total"` no `kept_only`; none at all where the eye
        has no such lesion.

    Raises:
        InputError: If the lesion is unknown.
    """
    if lesion not in mask_names():
        raise InputError(f"`lesion` must be one of {', '.join(LESIONS)} or total, not {lesion!r}.")
    everything = np.zeros(image.shape[:2], bool)
    for mask in masks.values():
        everything |= mask
    mask = everything if lesion == TOTAL else masks.get(lesion, np.zeros_like(everything))
    if not mask.any():
        return []
    result = [KnockOut(lesion=lesion, kind="removed", image=paint_out(image, mask), painted=_painted(mask))]
    if lesion != TOTAL:
        others = everything & ~_widen(mask)
        kept = KnockOut(lesion=lesion, kind="kept_only", image=paint_out(image, others), painted=_painted(others))
        result.append(kept)
    healthy = find_healthy(image, everything if avoid is None else everything | avoid)
    for number in range(controls):
        control, placed = sample_control(healthy, mask, seed + number, image=image, fovea=fovea)
        painted = paint_out(image, control)
        result.append(KnockOut(lesion=lesion, kind="control", image=painted, painted=_painted(control), placed=placed))
    return result


def find_healthy(image: np.ndarray, lesions: np.ndarray) -> np.ndarray:
    """Find the retina that no lesion touches.

    Args:
        image: Uint8 (h, w, 3) RGB.
        lesions: Bool (h, w), all lesions.

    Returns:
        Bool (h, w).
    """
    return _field(image) & ~_widen(_widen(lesions))


def sample_control(
    healthy: np.ndarray,
    mask: np.ndarray,
    seed: int,
    *,
    image: np.ndarray | None = None,
    fovea: tuple[float, float] | None = None,
) -> tuple[np.ndarray, float]:
    """Move each region of a mask to healthy retina of the same eye, alike in area, eccentricity and brightness.

    Of the places that a region finds the one is taken whose distance from the fovea and whose brightness are nearest to
    those of the region itself. A region that finds no place as it is goes in discs of the same area together.

    Args:
        healthy: Bool (h, w), where regions may lie (`find_healthy`); no region touches another.
        mask: Bool (h, w), the regions.
        seed: Seed of the places.
        image: Uint8 (h, w, 3) RGB, whose green channel is the brightness; None leaves it out.
        fovea: Its x and y in pixels; None takes the middle of the healthy retina.

    Returns:
        Bool (h, w), and the share of the regions' area that found a place, 0..1.
    """
    generator = numpy_generator(seed, "knock-out control")
    likeness = _measure_likeness(healthy, image, fovea)
    free = healthy.copy()
    control = np.zeros_like(mask)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")  # the largest first: they need the most room
    placed = 0
    for label in order:
        x, y, width, height, _ = stats[label]
        region = labels[y : y + height, x : x + width] == label
        own = likeness[:, y : y + height, x : x + width][:, region].mean(axis=1)
        placed += _place(control, free, region, own, likeness, generator) or _place_discs(
            control, free, int(region.sum()), own, likeness, generator
        )
    return control, placed / max(int(mask.sum()), 1)


def _measure_likeness(healthy: np.ndarray, image: np.ndarray | None, fovea: tuple[float, float] | None) -> np.ndarray:
    """Distance from the fovea in widths of the picture, brightness in units of 64 gray levels; float32 (2, h, w)."""
    grid: np.ndarray = np.indices(healthy.shape, np.float32)
    rows, columns = grid
    if fovea is None:
        fovea = (float(columns[healthy].mean()), float(rows[healthy].mean())) if healthy.any() else (0.0, 0.0)
    distance = np.hypot(columns - fovea[0], rows - fovea[1]) / healthy.shape[1]
    brightness = np.zeros_like(distance) if image is None else cv2.blur(image[..., 1].astype(np.float32), (9, 9)) / 64
    return np.stack([distance, brightness])


def _place(
    control: np.ndarray,
    free: np.ndarray,
    region: np.ndarray,
    own: np.ndarray,
    likeness: np.ndarray,
    generator: np.random.Generator,
) -> int:
    """Put a region where it fits and is most like its own place; its area, or 0 where none was found."""
    height, width = region.shape
    if height > free.shape[0] or width > free.shape[1]:
        return 0
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
        return 0
    top, left = best
    control[top : top + height, left : left + width] |= region
    free[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2] = False
    return int(region.sum())


def _place_discs(
    control: np.ndarray,
    free: np.ndarray,
    area: int,
    own: np.ndarray,
    likeness: np.ndarray,
    generator: np.random.Generator,
) -> int:
    """Put an area down in discs, each as large as still fits; the area that found a place."""
    left, size = area, area / 2
    while left > 0 and size >= _SMALLEST_DISC:
        radius = np.sqrt(min(size, left) / np.pi)
        side = np.arange(-int(radius), int(radius) + 1)
        disc = side[:, None] ** 2 + side[None] ** 2 <= radius**2
        found = _place(control, free, disc, own, likeness, generator)
        left -= found
        size = size if found else size / 2
    return area - max(left, 0)


_SMALLEST_DISC = 4
"""Pixels of the smallest disc into which a region is divided."""


def _field(image: np.ndarray) -> np.ndarray:
    """Retina that is seen: inside the field of view, away from its rim, and not cut away by the frame."""
    circle = find_field_of_view(image)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    squared = (columns - circle.center_x) ** 2 + (rows - circle.center_y) ** 2
    return (squared < (0.95 * circle.radius) ** 2) & (image.max(axis=2) > _BLACK)


_BLACK = 15
"""Gray level up to which a pixel belongs to the black surround."""


def _widen(mask: np.ndarray) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MARGIN + 1, 2 * _MARGIN + 1))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0


def _painted(mask: np.ndarray) -> float:
    return float(_widen(mask).mean())
