"""Drawn cameras: the frame, the optics, the sensor and the traces that they leave in a photograph."""

from dr_core.data.phantom.camera.exposure import AVERAGE_RETINA, expose
from dr_core.data.phantom.camera.model import Camera, sample_camera
from dr_core.data.phantom.camera.shot import Shot, sample_shot

__all__ = ["AVERAGE_RETINA", "Camera", "Shot", "expose", "sample_camera", "sample_shot"]
