"""Where lesions may lie: inside what the frame shows, off the disc, near vessels or near the fovea."""

import numpy as np

from dr_core.data.phantom.anatomy import Anatomy
from dr_core.data.phantom.patient import Style

QUADRANTS = ((1, -1), (-1, -1), (-1, 1), (1, 1))
"""Signs of x and y in each quadrant of the field."""

_MARGIN = 0.06
"""Least distance of a lesion's own center from the edge of what is seen, in radii of the field."""


def quadrant_of(point: np.ndarray) -> int:
    """Number 0..3 of the quadrant of the field in which a point lies."""
    return QUADRANTS.index((1 if point[0] >= 0 else -1, 1 if point[1] >= 0 else -1))


class Placement:
    """Draws places on one retina.

    Args:
        generator: Source of all draws.
        anatomy: The eye.
        style: Its camera, which says what is in the frame.
    """

    def __init__(self, generator: np.random.Generator, anatomy: Anatomy, style: Style) -> None:
        self.generator, self.anatomy = generator, anatomy
        self.camera = style.camera
        large = [vessel.points for vessel in anatomy.vessels if vessel.order <= 1]
        along = np.concatenate(large) if large else np.empty((0, 2))
        self.along_vessels = along[self.shows(along)]
        quadrants = np.array([quadrant_of(point) for point in self.along_vessels], int)
        self.along_vessels_of = [self.along_vessels[quadrants == number] for number in range(len(QUADRANTS))]

    def shows(self, points: np.ndarray, clear_of_disc: bool = True) -> np.ndarray:
        """Which points, float (..., 2), are in the frame, and off the disc unless it does not matter; bool (...)."""
        shown = self.camera.shows(points, _MARGIN)
        if not clear_of_disc:
            return shown
        from_disc = points - self.anatomy.disc
        clear: np.ndarray = np.hypot(from_disc[..., 0], from_disc[..., 1]) > 1.2 * self.anatomy.disc_radius
        clear &= shown
        return clear

    def anywhere(self, quadrant: int | None = None) -> np.ndarray:
        """A visible place, in a quadrant or anywhere."""
        while True:
            point = self.generator.uniform(-self.camera.reach, self.camera.reach, 2)
            if quadrant is not None:
                point = np.abs(point) * QUADRANTS[quadrant]
            if self.shows(point):
                return point

    def near(self, center: np.ndarray, spread: float) -> np.ndarray:
        """A visible place near another; anywhere if none is found."""
        point: np.ndarray
        for point in center + self.generator.normal(0, spread, (12, 2)):
            if self.shows(point):
                return point
        return self.anywhere()

    def near_vessel(self, spread: float, quadrant: int | None = None) -> np.ndarray:
        """A visible place beside a large vessel, in a quadrant or anywhere."""
        point: np.ndarray
        along = self.along_vessels if quadrant is None else self.along_vessels_of[quadrant]
        if len(along):
            for point in along[self.generator.integers(len(along))] + self.generator.normal(0, spread, (12, 2)):
                if self.shows(point) and quadrant in (None, quadrant_of(point)):
                    return point
        return self.anywhere(quadrant)
