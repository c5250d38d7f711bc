"""The one language of color: on every page of the app and in every figure that leaves it."""

GRADE_RAMP = ("#d9d9e8", "#b3b3d1", "#8a87ba", "#5f5a9e", "#332a75")
"""Grades 0..4, light to dark."""
