"""What surrounds a photograph's field of view: whether it is one round field, and whether it is written on."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dr_core.data.fundus.field_of_view import brightest_channel

_OUTLINE_SIDE, _SIDE = 256, 640

_MIN_WRITING = 70
"""Brightness, 0..255, that a letter has over its ground."""


@dataclass(frozen=True, kw_only=True)
class LitOutline:
    """The shape of what is lit in a picture.

    Attributes:
        notches: Share of the lit part's convex hull that is dark, 0..1: a round, cut or elliptic field is convex;
            fields that were joined to a montage, or two pictures side by side, leave notches.
        elongation: Longer over shorter axis of the ellipse through the field's edge inside the picture; 1 for a circle,
            cut or whole, and where too little of the edge is seen.
        cut: Share of the outline that lies on the border of the picture, 0..1.
    """

    notches: float = 0.0
    elongation: float = 1.0
    cut: float = 0.0


def measure_outline(bright: npt.NDArray[np.uint8]) -> LitOutline:
    """Measure the outline of what is lit.

    Args:
        bright: Uint8 (H, W), from `shrink_brightest`.

    Source: The ellipse by direct least squares: Fitzgibbon, Pilu and Fisher 1999, IEEE TPAMI 21(5):476-480.
    """
    small = _shrink(bright, _OUTLINE_SIDE)
    lit = (small > max(8.0, 0.12 * float(np.percentile(small, 95)))).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    lit = cv2.morphologyEx(cv2.morphologyEx(lit, cv2.MORPH_CLOSE, disc), cv2.MORPH_OPEN, disc)
    outlines, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return LitOutline()
    hull = cv2.convexHull(np.concatenate(outlines))
    notches = max(0.0, 1 - sum(map(cv2.contourArea, outlines)) / max(cv2.contourArea(hull), 1.0))
    points = max(outlines, key=cv2.contourArea)[:, 0]
    height, width = lit.shape
    inner = points[(points > 2).all(axis=1) & (points < (width - 3, height - 3)).all(axis=1)]
    cut = 1 - len(inner) / len(points)
    if len(inner) < _MIN_EDGE_POINTS:
        return LitOutline(notches=float(notches), cut=cut)
    _, axes, _ = cv2.fitEllipseDirect(inner.astype(np.float32))
    return LitOutline(notches=float(notches), elongation=float(max(axes) / max(min(axes), 1e-3)), cut=cut)


_MIN_EDGE_POINTS = 150
"""Of some 800 around a field of 256 pixels; a shorter arc does not tell an ellipse from a circle."""


def count_letters(bright: npt.NDArray[np.uint8]) -> int:
    """Count the letters of the longest word that is burnt into a picture.

    Letters are bright or colored strokes of one height, on one line, close to each other; lesions and reflexes are
    not.

    Args:
        bright: Uint8 (H, W), from `shrink_brightest`.
    """
    strokes = cv2.morphologyEx(bright, cv2.MORPH_TOPHAT, np.ones((9, 9), np.uint8)) > _MIN_WRITING
    _, _, found, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    boxes = found[1:, :5]
    height = boxes[:, 3]
    fits = (height >= 6) & (height <= 40) & (boxes[:, 2] <= 2.5 * height)
    boxes = boxes[fits][:_MOST_BOXES]
    return max((_count_in_line(box, boxes) for box in boxes), default=0)


_MOST_BOXES = 300


def _count_in_line(first: npt.NDArray[np.int32], boxes: npt.NDArray[np.int32]) -> int:
    """Boxes of the same height on the first one's line, until a gap."""
    height, middle = first[3], first[1] + first[3] / 2
    alike = abs(boxes[:, 3] - height) <= max(1.5, 0.25 * height)
    on_line = abs(boxes[:, 1] + boxes[:, 3] / 2 - middle) <= 0.3 * height
    columns = np.sort(boxes[alike & on_line & (boxes[:, 0] >= first[0])][:, 0])
    gaps = np.flatnonzero(np.diff(columns) > 2.5 * height)
    return int(gaps[0] + 1) if len(gaps) else len(columns)


def shrink_brightest(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Reduce a picture, uint8 (H, W, 3), to its brightest channel, longest side at most 640 pixels.

    Large pictures are thinned to twice that side first, for speed.
    """
    longest = max(image.shape[:2])
    if longest > 2 * _SIDE:
        image = cv2.resize(image, _size(image, 2 * _SIDE), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    return _shrink(brightest_channel(image), _SIDE)


def _shrink(plane: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    if max(plane.shape) <= side:
        return plane
    result: npt.NDArray[np.uint8] = cv2.resize(plane, _size(plane, side), interpolation=cv2.INTER_AREA)
    return result


def _size(image: npt.NDArray[np.uint8], side: int) -> tuple[int, int]:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))
