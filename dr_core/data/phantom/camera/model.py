"""A camera: a drawn set of parameters, by which both eyes of a patient are photographed."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.phantom.camera.artifacts import Artifacts, sample_artifacts
from dr_core.data.phantom.camera.frame import Frame, sample_frame
from dr_core.data.phantom.camera.optics import Optics, sample_optics
from dr_core.data.phantom.camera.sensor import Sensor, sample_sensor

UNIT_ANGLE = 45.0
"""Degrees across the field that is 1 unit in radius; anatomy and lesions are planned in this unit."""

_WIDE_ANGLE = 75
"""Degrees from which a camera is a wide-field scanner."""

_ANGLES = ((30, 0.08), (35, 0.05), (40, 0.06), (45, 0.45), (50, 0.2), (60, 0.1), (100, 0.06))
"""Field angles in degrees and their shares."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A fundus camera and how its site uses it.

    Attributes:
        angle: Degrees across the field of view.
        frame: What it shows.
        optics: Its lens and light.
        sensor: Its sensor and files.
        artifacts: Dust, date stamp and holder.
    """

    angle: float
    frame: Frame
    optics: Optics
    sensor: Sensor
    artifacts: Artifacts

    @property
    def reach(self) -> float:
        """Radius of the field in units of a 45 degree field's."""
        return self.angle / UNIT_ANGLE

    def shows(self, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Which points, float (..., 2) in units of a 45 degree field, are seen; `margin` in radii of the field."""
        return self.frame.shows(points[..., 0] / self.reach, points[..., 1] / self.reach, margin)


def sample_camera(generator: np.random.Generator) -> Camera:
    """Draw a camera; no two draws are alike."""
    angles, shares = zip(*_ANGLES, strict=True)
    angle = float(generator.choice(angles, p=shares)) * generator.uniform(0.95, 1.06)
    wide = angle > _WIDE_ANGLE
    phone = not wide and generator.random() < 0.05
    if wide:
        angle *= generator.uniform(0.85, 1.25)
    return Camera(
        angle=angle,
        frame=sample_frame(generator, phone),
        optics=sample_optics(generator, wide),
        sensor=sample_sensor(generator),
        artifacts=sample_artifacts(generator, phone),
    )
