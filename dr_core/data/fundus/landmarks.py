"""Optic disc and fovea of a photograph: where a heatmap may lie that looks at anatomy instead of at disease.

A classical detector, no trained network. The disc is the place that is brighter than its surroundings at the disc's own
size and that large vessels leave upward and downward; the fovea is the darkest place on the arc where anatomy puts it.
How far it errs on photographs stands in docs/explain.md.

Source: vessels that leave the disc vertically: Mahfouz and Fahmy 2010, IEEE Transactions on Image Processing 19(12).
Distance of the fovea, 2.5 disc diameters, below the disc's middle: Jonas et al. 2015, PLoS ONE 10(3):e0121035.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.data.fundus.field_of_view import FieldOfView
from dr_core.data.fundus.resize import resize_to_field_of_view

_SIDE = 256
"""Side in pixels of the square around the field of view in which is searched."""

_RADIUS = _SIDE / 2

_DISC = 0.15
"""Radius of the disc in radii of the field of view of some 50 degrees."""

_APART = 0.74
"""Distance from disc to fovea, likewise."""

_DROP = 0.07
"""How far the fovea lies below the disc's middle, likewise."""


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Where optic disc and fovea lie.

    Attributes:
        disc: Center of the optic disc: column and row in pixels of the image, the first pixel's center being 0.
        disc_radius: Its radius in pixels.
        fovea: Center of the fovea, likewise.
        found: Whether they were found in a photograph (False: they are known, as in a phantom).
    """

    disc: tuple[float, float]
    disc_radius: float
    fovea: tuple[float, float]
    found: bool

    def scale(self, factor: float) -> "Landmarks":
        """The same eye in a picture that is `factor` times as large."""
        shift = 0.5 * (factor - 1)
        return Landmarks(
            disc=(factor * self.disc[0] + shift, factor * self.disc[1] + shift),
            disc_radius=factor * self.disc_radius,
            fovea=(factor * self.fovea[0] + shift, factor * self.fovea[1] + shift),
            found=self.found,
        )

    def with_disc(self, mask: np.ndarray) -> "Landmarks":
        """The same eye with the optic disc that a mask, bool (H, W), marks: a disc of its area around its middle."""
        rows, columns = np.nonzero(mask)
        middle = float(columns.mean()), float(rows.mean())
        return Landmarks(disc=middle, disc_radius=float(np.sqrt(len(rows) / np.pi)), fovea=self.fovea, found=self.found)

    def mark_disc(self, shape: tuple[int, int]) -> np.ndarray:
        """Mark the optic disc, bool (H, W), true inside."""
        return _circle(shape, self.disc, self.disc_radius)

    def mark_fovea(self, shape: tuple[int, int]) -> np.ndarray:
        """Mark the central macula, bool (H, W): a disc diameter across, around the fovea."""
        return _circle(shape, self.fovea, self.disc_radius)


def _circle(shape: tuple[int, int], center: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (columns - center[0]) ** 2 + (rows - center[1]) ** 2 <= radius**2


def find_landmarks(image: np.ndarray, field: FieldOfView) -> Landmarks | None:
    """Find optic disc and fovea.

    Args:
        image: Uint8 (H, W, 3) RGB.
        field: Its field of view.

    Returns:
        The landmarks, or None where there is no field of view to search in.
    """
    if not field.found:
        return None
    square = resize_to_field_of_view(image, field, _SIDE)
    inside = _circle((_SIDE, _SIDE), (_RADIUS - 0.5, _RADIUS - 0.5), 0.97 * _RADIUS) & (square.max(axis=2) > _DARK)
    disc = _find_disc(square, inside)
    fovea = _find_fovea(square, inside, disc)
    scale = field.radius / _RADIUS
    corner = np.array([field.center_x, field.center_y]) - field.radius + 0.5 * (scale - 1)
    disc_x, disc_y = (corner + scale * (np.array(disc) + 0.5) - 0.5 * scale).tolist()
    fovea_x, fovea_y = (corner + scale * (np.array(fovea) + 0.5) - 0.5 * scale).tolist()
    return Landmarks(disc=(disc_x, disc_y), disc_radius=_DISC * field.radius, fovea=(fovea_x, fovea_y), found=True)


_DARK = 12
"""Gray level up to which a pixel belongs to the black surround."""


def _mean_inside(values: np.ndarray, inside: np.ndarray, width: float) -> np.ndarray:
    """Gaussian mean of the pixels in the field, float32 (S, S)."""
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), width)
    result: np.ndarray = cv2.GaussianBlur(np.where(inside, values, 0).astype(np.float32), (0, 0), width) / (
        weight + 1e-3
    )
    return result


def _standardize(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    chosen = values[inside]
    result: np.ndarray = (values - chosen.mean()) / (chosen.std() + 1e-6)
    return result


def _find_disc(square: np.ndarray, inside: np.ndarray) -> tuple[int, int]:
    """Column and row of the disc's middle in the square."""
    size = _DISC * _RADIUS
    light = square[..., :2].astype(np.float32).mean(axis=2)
    light = light / (_mean_inside(light, inside, _RADIUS / 3) + 1)
    small = max(3, round(size / 3) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (small, small))
    plain = cv2.morphologyEx(cv2.morphologyEx(light, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    bright = _mean_inside(plain, inside, size / 2) - _mean_inside(plain, inside, 1.5 * size)
    green = square[..., 1].astype(np.float32)
    vessels = cv2.morphologyEx(green, cv2.MORPH_CLOSE, kernel) - green
    vessels = np.where(cv2.erode(inside.astype(np.uint8), kernel) > 0, vessels, 0)
    across = np.abs(cv2.Sobel(vessels, cv2.CV_32F, 1, 0))
    along = np.abs(cv2.Sobel(vessels, cv2.CV_32F, 0, 1))
    upright = cv2.GaussianBlur(across - along, (0, 0), sigmaX=size / 2, sigmaY=1.5 * size)
    leaving = cv2.GaussianBlur(across, (0, 0), size / 2)
    score = _BRIGHT * _standardize(bright, inside) + _UPRIGHT * _standardize(upright, inside)
    score += _LEAVING * _standardize(leaving, inside)
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    x, y = (columns - _RADIUS) / _RADIUS, (rows - _RADIUS) / _RADIUS
    score -= _PRIOR * (np.maximum(np.abs(y) - 0.15, 0) / 0.2) ** 2
    score[~inside | (np.hypot(x, y) > 0.93)] = -np.inf
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return int(column), int(row)


_BRIGHT, _UPRIGHT, _LEAVING, _PRIOR = 1.0, 0.7, 0.5, 0.5
"""Weights of the disc's marks, chosen on idrid512's eyes 21 to 54; the first twenty were left for measuring."""


def _find_fovea(square: np.ndarray, inside: np.ndarray, disc: tuple[int, int]) -> tuple[int, int]:
    """Column and row of the darkest place on the temporal side of the disc, where anatomy puts the fovea."""
    green = square[..., 1].astype(np.float32)
    small = max(3, round(_DISC * _RADIUS / 3) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (small, small))
    plain = cv2.morphologyEx(green, cv2.MORPH_CLOSE, kernel)  # without vessels and red lesions
    plain = cv2.morphologyEx(plain, cv2.MORPH_OPEN, kernel)  # without exudates
    dark = _mean_inside(plain, inside, 2.0 * _DISC * _RADIUS) - _mean_inside(plain, inside, 0.5 * _DISC * _RADIUS)
    toward = -1.0 if disc[0] > _RADIUS else 1.0
    expected = (disc[0] + toward * _APART * _RADIUS, disc[1] + _DROP * _RADIUS)
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    away = np.hypot((columns - expected[0]) / 0.10, (rows - expected[1]) / 0.13) / _RADIUS
    score = _standardize(dark, inside) - 0.5 * away**2
    score[~inside | (away > 2.5)] = -np.inf
    if not np.isfinite(score).any():
        return round(expected[0]), round(expected[1])
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return int(column), int(row)
