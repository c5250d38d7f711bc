"""Lesion masks that someone uploads: which lesion and eye they belong to, and their pixels."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dr_core.data.grades import LESION_CODES
from dr_core.errors import InputError

_DEFECTS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises on damaged or far too large files; the warning only where warnings are made errors."""


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
    lesions = {code: lesion for lesion, code in LESION_CODES.items()}
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
        with Image.open(io.BytesIO(content), formats=["TIFF", "PNG"]) as picture:
            size = (picture.height, picture.width)
            # The size is compared before anything is decoded: a tiny file cannot ask for gigabytes.
            pixels = np.asarray(picture) if size == shape else None
    except _DEFECTS as error:
        raise InputError(f"The mask {name} cannot be read; it must be a TIFF or PNG as IDRiD's.") from error
    if pixels is None:
        raise InputError(_other_size(name, size, shape))
    levels = _levels(pixels)
    distinct = np.unique(levels)
    least = 1.0 if len(distinct) <= 2 else max(float(distinct[-1]) / 2, 1.0)
    return LesionMask(levels >= least, len(distinct))


def _levels(pixels: np.ndarray) -> np.ndarray:
    """One level a pixel: the brightest color; transparency does not count."""
    if pixels.ndim == 2:
        return pixels
    colors = pixels[..., : 1 if pixels.shape[2] == 2 else 3]
    return np.asarray(colors.max(axis=2))


def _other_size(name: str, size: tuple[int, int], shape: tuple[int, int]) -> str:
    (height, width), (eye_height, eye_width) = size, shape
    same_form = abs(width * eye_height - height * eye_width) <= 0.01 * width * eye_height
    reason = "it was made smaller or larger" if same_form else "it belongs to another eye"
    return (
        f"The mask {name} has {width} × {height} pixels, the photograph {eye_width} × {eye_height}: {reason}. "
        "Upload the mask that was drawn on this very photograph."
    )
