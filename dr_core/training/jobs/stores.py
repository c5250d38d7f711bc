"""Prepared stores as trainings read them: how a network meets their images."""

from pathlib import Path

from dr_core.data.contract import read_preparation
from dr_core.data.preprocessing import Contrast, Preprocessing
from dr_core.data.store import Store

CLASSES = 5


def describe_preprocessing(folder: Path, store: Store, contrast: Contrast) -> Preprocessing:
    """How the images of a store were brought to size, and how a network meets them."""
    colors = {"mean": (0.0, 0.0, 0.0), "std": (1.5, 1.5, 1.5)} if contrast == "local" else {}  # it is centered on 0
    return Preprocessing(**read_preparation(folder, store) | {"contrast": contrast, **colors})
