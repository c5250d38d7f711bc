"""The one language of color: on every page of the app and in every figure that leaves it."""

from dr_core.models.setups import Setup

_HUES = {"none": "#D55E00", "imagenet": "#0072B2"}
"""Initialization -> hue: orange without external data, blue from ImageNet (Okabe and Ito's color-blind-safe set)."""

GRADE_RAMP = ("#d9d9e8", "#b3b3d1", "#8a87ba", "#5f5a9e", "#332a75")
"""Grades 0..4, light to dark."""

_LINES = {"supervised": "dashed", "contrastive": "solid"}


def setup_line(setup: Setup) -> str:
    """Line style of a set-up, in CSS's and matplotlib's word: its training."""
    return _LINES[setup.training]


def setup_color(setup: Setup) -> str:
    """Hue of a set-up: its initialization."""
    return _HUES[setup.initialization]
