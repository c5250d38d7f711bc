"""How the camera was held: the one thing that is taken from EXIF. The rest of it is never read."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ExifTags import Base

from dr_core.data.fundus.budget import DECODER_DEFECTS

UPRIGHT = 1

_MAX_EXIF_BYTES = 65_536
"""What a JPEG can hold of it; a longer one is none."""


def find_orientation(exif: bytes) -> int:
    """Read EXIF's orientation; damaged EXIF says nothing, and the picture is taken as it is stored.

    Args:
        exif: The EXIF block, a small TIFF file, with or without `Exif` in front.

    Returns:
        1 (upright) to 8.
    """
    if not 0 < len(exif) <= _MAX_EXIF_BYTES:
        return UPRIGHT
    try:
        tags = Image.Exif()
        tags.load(exif)
        found = tags.get(Base.Orientation, UPRIGHT)
    except (*DECODER_DEFECTS, MemoryError):
        return UPRIGHT
    return found if isinstance(found, int) and found in range(1, 9) else UPRIGHT


def set_upright(image: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Undo an orientation 1..8; uint8 (H, W, 3), a view where that is enough."""
    if orientation >= 5:  # rows and columns are exchanged
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image
