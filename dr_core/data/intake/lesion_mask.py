"""Lesion masks that someone uploads: which lesion and eye they belong to, and their pixels."""

from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.data.fundus.budget import DECODER_DEFECTS
from dr_core.data.grades import LESIONS
from dr_core.data.intake.mask_picture import open_mask, read_levels
from dr_core.errors import InputError


@dataclass(frozen=True)
class LesionMask:
    """A mask as it was uploaded.

    Attributes:
        pixels: Bool (H, W), true on the lesion.
        gray_levels: Different levels in the file; more than two mean soft edges or a picture that is no mask.
    """

    pixels: np.ndarray
    gray_levels: int


def split_name(name: str) -> tuple[str, str | None]:
    """Tell eye and lesion from a file's name, such as `IDRiD_01_MA.tif`.

    Args:
        name: File name with its ending.

    Returns:
        Name of the eye, and the lesion, or None where the name ends in no lesion's code.
    """
    stem = name.rsplit(".", 1)[0]
    eye, _, code = stem.rpartition("_")
    lesions = {lesion.code: name for name, lesion in LESIONS.items()}
    lesion = lesions.get(code.upper())
    return (eye, lesion) if lesion and eye else (stem, None)


def decode_mask(name: str, content: bytes, shape: tuple[int, int]) -> LesionMask:
    """Read a mask.

    A file of two levels, as IDRiD's palette TIFFs, is on where it is not 0. One with gray levels is on from half of its
    brightest level.

    Args:
        name: File name, for messages.
        content: TIFF or PNG.
        shape: Height and width of the photograph.

    Returns:
        The mask, of the photograph's size.

    Raises:
        InputError: If it cannot be read or is of another size than the photograph.
    """
    try:
        picture = open_mask(content)
        size = (picture.height, picture.width)
        # The size is compared before anything is decoded: a tiny file cannot ask for gigabytes.
        levels = read_levels(picture) if size == shape else None
    except DECODER_DEFECTS as error:
        raise InputError(f"The mask {name} cannot be read; it must be a TIFF or PNG as IDRiD's.") from error
    if levels is None:
        raise InputError(_other_size(name, size, shape))
    distinct = _find_levels(levels)
    least = 1.0 if len(distinct) <= 2 else max(float(distinct[-1]) / 2, 1.0)
    return LesionMask(levels >= least, len(distinct))


def _find_levels(levels: np.ndarray) -> np.ndarray:
    """Different values, rising; of bytes without sorting them, and without the interpreter's lock."""
    if levels.dtype in (np.bool_, np.uint8):
        return np.flatnonzero(cv2.calcHist([levels.view(np.uint8)], [0], None, [256], [0, 256]))
    return np.unique(np.concatenate([np.unique(row) for row in levels]))


def _other_size(name: str, size: tuple[int, int], shape: tuple[int, int]) -> str:
    (height, width), (eye_height, eye_width) = size, shape
    same_form = abs(width * eye_height - height * eye_width) <= 0.01 * width * eye_height
    reason = "it was made smaller or larger" if same_form else "it belongs to another eye"
    return (
        f"The mask {name} has {width} × {height} pixels, the photograph {eye_width} × {eye_height}: {reason}. "
        "Upload the mask that was drawn on this very photograph."
    )
