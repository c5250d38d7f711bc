"""Phantom eyes: synthetic fundus photographs with exact lesion masks and a grade that follows from the lesions."""

from dr_core.data.phantom.drawing import Phantom, draw_patient, draw_phantom

__all__ = ["Phantom", "draw_patient", "draw_phantom"]
