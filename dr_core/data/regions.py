"""The parts of an eye in a model's view: field of view, optic disc, central macula."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.fundus import FieldOfView, Landmarks
from dr_core.data.fundus.field_of_view import square_of
from dr_core.data.preprocessing import Preprocessing


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Where the parts of an eye lie in a model's view.

    Attributes:
        field: Field of view, bool (S, S); the whole view where no field was found.
        disc: Optic disc within it, bool (S, S); empty where it is not known.
        fovea: Central macula within it, a disc diameter across, likewise.
    """

    field: np.ndarray
    disc: np.ndarray
    fovea: np.ndarray


def find_regions(
    shape: tuple[int, int], preprocessing: Preprocessing, field: FieldOfView, landmarks: Landmarks | None
) -> Regions:
    """Bring the parts of an eye to a model's view.

    Args:
        shape: Height and width of the photograph in pixels.
        preprocessing: How the model sees it.
        field: The photograph's field of view.
        landmarks: Optic disc and fovea in the photograph, or None where they are not known.

    Returns:
        The regions; a pixel belongs to one if its middle does.
    """
    columns, rows = _positions(shape, preprocessing, field)
    height, width = shape
    inside = (rows > -0.5) & (rows < height - 0.5) & (columns > -0.5) & (columns < width - 0.5)
    if field.found:
        inside &= _near(columns, rows, (field.center_x, field.center_y), field.radius)
    if landmarks is None:
        return Regions(field=inside, disc=np.zeros_like(inside), fovea=np.zeros_like(inside))
    return Regions(
        field=inside,
        disc=inside & _near(columns, rows, landmarks.disc, landmarks.disc_radius),
        fovea=inside & _near(columns, rows, landmarks.fovea, landmarks.disc_radius),
    )


def _positions(
    shape: tuple[int, int], preprocessing: Preprocessing, field: FieldOfView
) -> tuple[np.ndarray, np.ndarray]:
    """Columns (1, S) and rows (S, 1) of the photograph at which the middles of the view's pixels lie."""
    middles = (np.arange(preprocessing.size) + 0.5) / preprocessing.size
    if preprocessing.crop == "squash":
        return (middles * shape[1] - 0.5)[None, :], (middles * shape[0] - 0.5)[:, None]
    left, top, side = square_of(field)
    return (left + middles * side - 0.5)[None, :], (top + middles * side - 0.5)[:, None]


def _near(columns: np.ndarray, rows: np.ndarray, center: tuple[float, float], radius: float) -> np.ndarray:
    return (columns - center[0]) ** 2 + (rows - center[1]) ** 2 <= radius**2
