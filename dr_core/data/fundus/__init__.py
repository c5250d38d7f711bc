"""Fundus photographs: reading, field of view, quality."""

from dr_core.data.fundus.budget import MAX_BYTES, MAX_PIXELS
from dr_core.data.fundus.display import decode_jpeg, encode_jpeg, mark_field_of_view
from dr_core.data.fundus.field_of_view import FieldOfView, crop_to_field_of_view, find_field_of_view
from dr_core.data.fundus.landmarks import Landmarks, find_landmarks
from dr_core.data.fundus.quality import Quality, assess_quality
from dr_core.data.fundus.reading import KINDS, FundusFile, find_shape, open_fundus, read_fundus

__all__ = [
    "KINDS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "FieldOfView",
    "FundusFile",
    "Landmarks",
    "Quality",
    "assess_quality",
    "crop_to_field_of_view",
    "decode_jpeg",
    "encode_jpeg",
    "find_field_of_view",
    "find_landmarks",
    "find_shape",
    "mark_field_of_view",
    "open_fundus",
    "read_fundus",
]
