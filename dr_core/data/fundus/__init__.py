"""Fundus photographs: reading, field of view, quality."""

from dr_core.data.fundus.budget import MAX_BYTES, MAX_PIXELS
from dr_core.data.fundus.display import encode_jpeg, mark_field_of_view
from dr_core.data.fundus.field_of_view import FieldOfView, crop_to_field_of_view, find_field_of_view
from dr_core.data.fundus.landmarks import Landmarks, find_landmarks
from dr_core.data.fundus.quality import Quality, assess_quality
from dr_core.data.fundus.reading import read_fundus

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "FieldOfView",
    "Landmarks",
    "Quality",
    "assess_quality",
    "crop_to_field_of_view",
    "encode_jpeg",
    "find_field_of_view",
    "find_landmarks",
    "mark_field_of_view",
    "read_fundus",
]
