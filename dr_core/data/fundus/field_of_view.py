"""Find the round field of view of a fundus camera, and crop to it.

The edge of the field is searched in three steps on a small copy: a threshold gives rough edge points, a consensus of
random triples (RANSAC) the circle that most of them lie on, and the half-brightness crossing on each of 360 rays the
final circle. Notches, reflections, imprinted dates and the straight edges of a field that is cut at top and bottom
are outvoted in the second step and trimmed in the third.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Circle = tuple[float, float, float]
"""Center x, center y and radius in pixels."""

_SEARCH_SIDE = 1024
"""Pictures are thinned to about this longest side, then halved; 1 % of the radius is then some 2 pixels."""

_THRESHOLDS = (0.08, 0.15, 0.3)
"""Tried parts of the way from the dark level to the bright level; low for dark rims, high for gray surrounds."""

_TRIPLES = 200
"""Circles tried on random triples; with 40 % of the points on the circle the chance to miss it is 2e-6."""

_MIN_SUPPORT = 0.15
"""Least share of the 360 rays that must cross the edge of the field; the four corners of a square crop give .2."""

_RAYS = 360
"""Rays from the center on which the edge is measured."""

_MIN_EDGE = 8
"""Least fall of brightness (0..255) that is an edge of the field; noise of a dark surround stays below."""

_MAX_SURROUND = 0.5
"""Largest brightness outside the field (90th percentile), as a share of the median brightness inside."""

_MIN_BRIGHT = 12
"""A picture whose bright level (90th percentile, 0..255) is lower holds no field of view."""


@dataclass(frozen=True, kw_only=True)
class FieldOfView:
    """The disc through which the camera saw the retina.

    Attributes:
        center_x: Column of the center in pixels of the image; the first pixel's center is 0.
        center_y: Row of the center, likewise.
        radius: Radius in pixels of the image.
        share: Share of the image's area that lies in the field, in [0, 1]; 0 where no field was found.
        visible: Share of the disc's area that lies in the image, in [0, 1]; under 1 where the camera or a crop cut it.
        found: False where the picture shows no round field on a dark surround. Center and radius then describe the
            circle inscribed in the smallest centered square that holds the whole image.
        rim: Share of the circle on which the field was seen to end, in [0, 1]: little for an ellipse or a montage,
            which a circle touches here and there, and where the image cuts the field.
    """

    center_x: float
    center_y: float
    radius: float
    share: float
    visible: float
    found: bool
    rim: float = 1.0


def find_field_of_view(image: npt.NDArray[np.uint8]) -> FieldOfView:
    """Find the field of view of a fundus photograph.

    Args:
        image: uint8 (H, W, 3), RGB.

    Returns:
        The field; `found` is False for a black frame or where the picture has no round field on a dark surround.
    """
    brightness, step, offset = _thin(image)
    circle = _search(brightness)
    height, width = image.shape[:2]
    if circle is None:
        return FieldOfView(
            center_x=(width - 1) / 2,
            center_y=(height - 1) / 2,
            radius=max(width, height) / 2,
            share=0.0,
            visible=0.0,
            found=False,
            rim=0.0,
        )
    inside = int(_disc(brightness.shape, circle).sum())
    return FieldOfView(
        center_x=circle[0] * step + offset,
        center_y=circle[1] * step + offset,
        radius=circle[2] * step,
        share=inside / brightness.size,
        visible=min(1.0, inside / (np.pi * circle[2] ** 2)),
        found=True,
        rim=_rim_coverage(brightness, circle),
    )


def _rim_coverage(brightness: npt.NDArray[np.uint8], circle: Circle) -> float:
    """Share of the rays on which the field ends at the circle."""
    crossings = _ray_crossings(brightness, circle)
    distance = np.hypot(crossings[:, 0] - circle[0], crossings[:, 1] - circle[1]) / circle[2]
    return float((abs(distance - 1) < _RIM_WITHIN).sum() / _RAYS)


_RIM_WITHIN = 0.015
"""In radii."""


def brightest_channel(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Reduce colors to the brightest channel, uint8 (H, W): of a fundus it is the one farthest from the surround."""
    result: npt.NDArray[np.uint8] = cv2.max(cv2.max(image[..., 0], image[..., 1]), image[..., 2])
    return result


def crop_to_field_of_view(image: npt.NDArray[np.uint8], field: FieldOfView) -> npt.NDArray[np.uint8]:
    """Cut out the square around the field of view, black where the image ends.

    Args:
        image: uint8 (H, W, 3) RGB, or a mask (H, W).
        field: The image's field of view. One that was not found gives the whole image, centered in a black square.

    Returns:
        Array of the same type, (S, S, 3) or (S, S), with S the field's diameter to the next pixel.
    """
    left, top, side = square_of(field)
    return cut_square(image, left, top, side)


def square_of(field: FieldOfView, multiple_of: int = 1) -> tuple[int, int, int]:
    """Give the square around a field of view in whole pixels.

    Args:
        field: The field of view.
        multiple_of: All three numbers are rounded to the nearest multiple of this, for an exact reduction by it.

    Returns:
        Left column, top row (negative where the square begins outside the image) and side, in pixels.
    """
    grid = np.array([field.center_x + 0.5 - field.radius, field.center_y + 0.5 - field.radius, 2 * field.radius])
    left, top, side = (np.rint(grid / multiple_of) * multiple_of).astype(int).tolist()
    return left, top, max(side, multiple_of)


def cut_square(image: npt.NDArray[np.uint8], left: int, top: int, side: int) -> npt.NDArray[np.uint8]:
    """Copy a square out of an image (H, W, ...), black where it reaches beyond."""
    height, width = image.shape[:2]
    square = np.zeros((side, side, *image.shape[2:]), image.dtype)
    rows = slice(max(top, 0), max(min(top + side, height), 0))
    columns = slice(max(left, 0), max(min(left + side, width), 0))
    part = image[rows, columns]
    y, x = rows.start - top, columns.start - left
    square[y : y + part.shape[0], x : x + part.shape[1]] = part
    return square


# --- the search, on the small copy --------------------------------------------------------------------------------


def _thin(image: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], int, float]:
    """Make the small copy.

    Returns:
        The brightest channel, uint8 (h, w); how many pixels of the image one of its pixels spans; and where the center
        of its first pixel lies in the image.
    """
    step = max(image.shape[:2]) // _SEARCH_SIDE
    if step > 1:
        height, width = (length // step for length in image.shape[:2])
        whole_steps = image[: height * step, : width * step]
        image = cv2.resize(whole_steps, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    brightness = brightest_channel(image)
    if step == 0:
        return cv2.medianBlur(brightness, 3), 1, 0.0
    height, width = (length // 2 for length in brightness.shape)
    halved = cv2.resize(brightness[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return cv2.medianBlur(halved, 3), 2 * step, step // 2 + step / 2


def _search(brightness: npt.NDArray[np.uint8]) -> Circle | None:
    """Find the field's circle in pixels of the small copy."""
    dark, bright = np.percentile(brightness, (2, 90))
    if bright < _MIN_BRIGHT:
        return None
    smooth = cv2.GaussianBlur(brightness, (0, 0), 1.5)  # else noise frays a faint edge
    candidates = []
    for part in _THRESHOLDS:
        points = _edge_points(smooth, dark + part * (bright - dark))
        rough = _consensus_circle(points, brightness.shape)
        if rough is not None:
            candidates.append(_refine(brightness, rough))
    support, circle = max(candidates, default=(0.0, None), key=lambda candidate: candidate[0])
    if circle is None or support < _MIN_SUPPORT or not _has_dark_surround(brightness, circle):
        return None
    return circle


def _edge_points(brightness: npt.NDArray[np.uint8], threshold: float) -> npt.NDArray[np.float64]:
    """Outline the largest bright region, without the parts where the image itself ends; float (P, 2), x and y."""
    mask = cv2.compare(brightness, float(threshold), cv2.CMP_GT)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return np.empty((0, 2))
    points = max(outlines, key=cv2.contourArea)[:, 0].astype(np.float64)
    height, width = brightness.shape
    inner = (points > 2).all(axis=1) & (points < (width - 3, height - 3)).all(axis=1)
    points = points[inner]
    result: npt.NDArray[np.float64] = points[:: max(1, len(points) // 250)]
    return result


def _consensus_circle(points: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Circle | None:
    """Find the circle that most points lie on and few lie outside of.

    Args:
        points: Float (P, 2), x and y.
        shape: Height and width of the image in pixels; they bound the radius.

    Source:
        RANSAC: Fischler and Bolles 1981, Communications of the ACM 24(6):381-395.
    """
    if len(points) < 12:
        return None
    triples = np.random.default_rng(0).integers(len(points), size=(_TRIPLES, 3))
    circles = _circles_through(points[triples])
    radius = circles[:, 2]
    fits = np.isfinite(radius) & (radius > 0.15 * min(shape)) & (radius < 0.8 * max(shape))
    circles = circles[fits]
    if not len(circles):
        return None
    distance = np.hypot(points[:, 0] - circles[:, :1], points[:, 1] - circles[:, 1:2]) / circles[:, 2:]
    votes = (abs(distance - 1) < 0.015).sum(axis=1) - (distance > 1.03).sum(axis=1)
    best = int(votes.argmax())
    center_x, center_y, radius = circles[best].tolist()
    return (center_x, center_y, radius) if votes[best] >= 0.2 * len(points) else None


def _circles_through(triples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Draw the circle through each of (N, 3, 2) points: float (N, 3) of center x, center y, radius; inf on a line."""
    first = triples[:, 0]
    (bx, by), (cx, cy) = (triples[:, 1] - first).T, (triples[:, 2] - first).T
    with np.errstate(divide="ignore", invalid="ignore"):
        doubled_area = 2 * (bx * cy - by * cx)
        x = (cy * (bx**2 + by**2) - by * (cx**2 + cy**2)) / doubled_area
        y = (bx * (cx**2 + cy**2) - cx * (bx**2 + by**2)) / doubled_area
    return np.stack([first[:, 0] + x, first[:, 1] + y, np.hypot(x, y)], axis=1)


def _refine(brightness: npt.NDArray[np.uint8], circle: Circle) -> tuple[float, Circle | None]:
    """Move a rough circle onto the crossings of half brightness; the support is the share of rays that agree."""
    support = 0.0
    for tolerance in (0.03, 0.015, 0.01):
        crossings = _ray_crossings(brightness, circle)
        distance = np.hypot(crossings[:, 0] - circle[0], crossings[:, 1] - circle[1]) / circle[2]
        agreeing = crossings[abs(distance - 1) < tolerance]
        if len(agreeing) < 12:
            return 0.0, None
        circle = _fit_circle(agreeing)
        support = len(agreeing) / _RAYS
    return support, circle


def _ray_crossings(brightness: npt.NDArray[np.uint8], circle: Circle) -> npt.NDArray[np.float64]:
    """Find on each ray from the center where the brightness falls half-way from inside to outside.

    Returns:
        Float (R, 2), x and y; rays that leave the image before the edge or have no edge are left out.
    """
    center_x, center_y, radius = circle
    height, width = brightness.shape
    reach = np.linspace(0.92, 1.08, 4 * max(8, round(0.16 * radius)), dtype=np.float32)
    angle = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False, dtype=np.float32)
    x = np.float32(center_x) + np.float32(radius) * np.cos(angle)[:, None] * reach
    y = np.float32(center_y) + np.float32(radius) * np.sin(angle)[:, None] * reach
    profile = cv2.remap(brightness, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    inside = np.median(profile[:, reach < 0.97], axis=1, keepdims=True)
    outside = np.median(profile[:, reach > 1.03], axis=1, keepdims=True)
    bright = profile >= (inside + outside) / 2
    last = bright.shape[1] - 1 - bright[:, ::-1].argmax(axis=1)
    at = np.arange(_RAYS), last
    in_image = (x[at] > 1) & (x[at] < width - 2) & (y[at] > 1) & (y[at] < height - 2)
    has_edge = ((inside - outside)[:, 0] > _MIN_EDGE) & (last < bright.shape[1] - 1)
    result: npt.NDArray[np.float64] = np.stack([x[at], y[at]], axis=1)[in_image & has_edge].astype(np.float64)
    return result


def _fit_circle(points: npt.NDArray[np.float64]) -> Circle:
    """Fit a circle by algebraic least squares to points (P, 2) that all lie near one.

    Source:
        Kasa 1976, IEEE Transactions on Instrumentation and Measurement 25(1):8-14.
    """
    origin = points.mean(axis=0)
    x, y = (points - origin).T
    system = np.stack([x, y, np.ones_like(x)], axis=1)
    a, b, c = np.linalg.lstsq(system, x**2 + y**2, rcond=None)[0].tolist()
    return float(origin[0] + a / 2), float(origin[1] + b / 2), float(np.sqrt(c + (a**2 + b**2) / 4))


def _has_dark_surround(brightness: npt.NDArray[np.uint8], circle: Circle) -> bool:
    """Tell whether what lies outside the circle is dark compared with what lies inside."""
    center_x, center_y, radius = circle
    inside = brightness[_disc(brightness.shape, (center_x, center_y, 0.95 * radius))]
    outside = brightness[~_disc(brightness.shape, (center_x, center_y, 1.03 * radius))]
    if not len(inside) or not len(outside):
        return False
    return bool(np.percentile(outside, 90) <= _MAX_SURROUND * np.median(inside))


def _disc(shape: tuple[int, ...], circle: Circle) -> npt.NDArray[np.bool_]:
    """Draw the disc's pixels as a boolean (h, w)."""
    center_x, center_y, radius = circle
    rows = (np.arange(shape[0]) - center_y)[:, None]
    columns = np.arange(shape[1]) - center_x
    return rows**2 + columns**2 < radius**2
