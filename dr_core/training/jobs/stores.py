"""Prepared stores as trainings read them: their preprocessing, and that two of them belong together."""

from pathlib import Path

from dr_core.data.preprocessing import Contrast, Preprocessing
from dr_core.data.store import Store, read_header
from dr_core.errors import InputError

CLASSES = 5


def describe_preprocessing(folder: Path, store: Store, contrast: Contrast) -> Preprocessing:
    """How the images of a store were brought to size, and how a network meets them."""
    view = {"size": store.images.shape[-1], "crop": read_header(folder).get("crop", "field_of_view")}
    if contrast != "local":
        return Preprocessing(**view, contrast=contrast)
    return Preprocessing(**view, contrast=contrast, mean=(0.0, 0.0, 0.0), std=(1.5, 1.5, 1.5))  # it is centered on 0


def check_alike(training: Preprocessing, other: Preprocessing, folder: Path) -> None:
    """Make sure that a second store was brought to size as the training eyes were.

    Raises:
        InputError: If its images have another size or crop.
    """
    for name, title in (("size", "pixels"), ("crop", "crop")):
        here, there = getattr(training, name), getattr(other, name)
        if here != there:
            raise InputError(
                f"{folder} was prepared with another {title}: {there}, the training eyes with {here}. Prepare both "
                "with one protocol and size."
            )
