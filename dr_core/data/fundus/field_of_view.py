"""The field of view: the circle of the camera's image of the retina, also where the frame cuts it."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.seeds import numpy_generator

_WORKING_SIDE = 512
_DRAWS = 200
_TOLERANCE = 0.01
"""A rim point fits a circle when it lies within this share of the radius."""


@dataclass(frozen=True, kw_only=True)
class FieldOfView:
    """A circle in an image.

    Attributes:
        center_x: Column of the center, in pixels from the left edge.
        center_y: Row of the center, in pixels from the top edge.
        radius: Radius in pixels.
        share: Share of the image's pixels that lie inside the circle.
        found: Whether there is a field of view; if not, the circle is the one around the whole image.
    """

    center_x: float
    center_y: float
    radius: float
    share: float
    found: bool


def find_field_of_view(image: np.ndarray) -> FieldOfView:
    """Find the field of view of a fundus photograph.

    The bright region is told from the dark surround on a small copy; a circle is fitted to its rim where the frame does
    not cut it, by random sampling and a least-squares refinement, so that notches, reflections and a frame that cuts
    the eye at top and bottom do not move it.

    Args:
        image: Uint8 (H, W, 3) RGB.

    Returns:
        The field of view. An image that is bright to all four corners (an eye that was cropped inside its field) has
        none that could be seen: `found` is False, as for a black frame.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    small = cv2.resize(
        image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    mask = _bright_region(small)
    circle = None if mask is None else _fit_rim(mask)
    if mask is None or circle is None:
        return FieldOfView(
            center_x=width / 2, center_y=height / 2, radius=max(height, width) / 2, share=1.0, found=False
        )
    x, y, radius = circle
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    share = float(((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2).mean())
    return FieldOfView(center_x=x / scale, center_y=y / scale, radius=radius / scale, share=share, found=True)


def _bright_region(small: np.ndarray) -> np.ndarray | None:
    """The largest region brighter than the surround, uint8 0/1; None in a black frame."""
    gray = cv2.GaussianBlur(small.max(axis=2), (5, 5), 0)
    bright = float(np.percentile(gray, 95))
    dark = float(np.percentile(gray, 1))
    if bright - dark < 20:
        return None
    threshold = dark + max(6.0, 0.12 * (bright - dark))
    mask = cv2.morphologyEx((gray > threshold).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    return (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)


def _fit_rim(mask: np.ndarray) -> tuple[float, float, float] | None:
    """Center x, y and radius in pixels of the mask; None where no rim is seen or it is no circle."""
    points = _rim_points(mask)
    if len(points) < 40:
        return None
    circle = _sample_circle(points, max(mask.shape))
    if circle is None:
        return None
    for _ in range(3):
        x, y, radius = circle
        off = np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius)
        near = points[off < max(1.0, _TOLERANCE * radius)]
        if len(near) < 0.3 * len(points):
            return None
        circle = _least_squares_circle(near)
    return circle if _covers(mask, circle) else None


def _rim_points(mask: np.ndarray) -> np.ndarray:
    """Outline of the region in pixels, float (N, 2) as x, y, without what lies on the frame."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(contours, key=cv2.contourArea)[:, 0].astype(np.float64)
    height, width = mask.shape
    inside = (points > _FRAME).all(axis=1) & (points < [width - 1 - _FRAME, height - 1 - _FRAME]).all(axis=1)
    return points[inside] + 0.5


_FRAME = 3
"""Pixels along the frame in which an outline is the frame's, not the eye's."""


def _sample_circle(points: np.ndarray, longest_side: int) -> tuple[float, float, float] | None:
    """The circle through three rim points on which most others lie."""
    generator = numpy_generator(0, "field of view")
    triples = points[generator.integers(0, len(points), (_DRAWS, 3))]  # (D, 3, 2)
    first, second, third = triples[:, 0], triples[:, 1], triples[:, 2]
    b, c = second - first, third - first
    double_area = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        b_squared, c_squared = (b**2).sum(axis=1), (c**2).sum(axis=1)
        x = (c[:, 1] * b_squared - b[:, 1] * c_squared) / double_area
        y = (b[:, 0] * c_squared - c[:, 0] * b_squared) / double_area
    radius = np.hypot(x, y)
    sound = np.isfinite(radius) & (radius > 0.2 * longest_side) & (radius < longest_side)
    if not sound.any():
        return None
    centers, radius = (first + np.stack([x, y], axis=1))[sound], radius[sound]
    distances = np.hypot(*(points[None] - centers[:, None]).transpose(2, 0, 1))  # (D, N)
    best = int((np.abs(distances - radius[:, None]) < _TOLERANCE * radius[:, None]).sum(axis=1).argmax())
    return float(centers[best, 0]), float(centers[best, 1]), float(radius[best])


def _least_squares_circle(points: np.ndarray) -> tuple[float, float, float]:
    """Algebraic circle fit. Source: Kasa 1976, IEEE Trans. Instrum. Meas. 25:8-14."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    x, y, rest = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return float(x), float(y), math.sqrt(max(rest + x * x + y * y, 0.0))


def _covers(mask: np.ndarray, circle: tuple[float, float, float]) -> bool:
    """Whether the region fills the circle as far as the frame shows it, and lies inside it."""
    x, y, radius = circle
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    disc = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= (1.03 * radius) ** 2
    if not disc.any():
        return False
    return bool(mask[disc].mean() > 0.6 and mask[~disc].sum() < 0.05 * mask.sum())


def crop_to_field_of_view(image: np.ndarray, field: FieldOfView) -> np.ndarray:
    """Cut out the square around a field of view.

    Args:
        image: Uint8 (H, W, 3).
        field: Its field of view; where none was found, the square around the whole image.

    Returns:
        Uint8 (2r, 2r, 3), black where the image ends. A view of the image where nothing had to be added.
    """
    height, width = image.shape[:2]
    side = max(1, round(2 * field.radius))
    left, top = round(field.center_x - field.radius), round(field.center_y - field.radius)
    right, bottom = left + side, top + side
    inside = image[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    padding = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    if not any(padding):
        return inside
    return cv2.copyMakeBorder(inside, *padding, cv2.BORDER_CONSTANT, value=(0, 0, 0))
