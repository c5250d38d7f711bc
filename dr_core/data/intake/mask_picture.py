"""Files of lesion masks, opened within the same budget as photographs and turned upright like them."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from dr_core.data.fundus.budget import MAX_DEEP_PIXELS, MAX_PIXELS, MAX_SIDE
from dr_core.data.fundus.orientation import UPRIGHT, set_upright
from dr_core.data.fundus.png import strip_png
from dr_core.data.fundus.tiff import put_largest_first

_BYTE_MODES = ("1", "L", "P", "LA", "PA", "RGB", "RGBA")

_INDEXED = 2
"""Colors of a palette up to which their numbers count; with more, the colors do."""


@dataclass(frozen=True)
class MaskPicture:
    """A mask's file that is open and not decoded.

    Attributes:
        picture: Pillow's picture; a TIFF is turned by Pillow itself.
        orientation: EXIF's, still to be applied.
    """

    picture: Image.Image
    orientation: int = UPRIGHT

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, upright."""
        size = self.picture.size
        return size if self.orientation >= 5 else size[::-1]


def open_mask(content: bytes) -> MaskPicture:
    """Open a TIFF or PNG without decoding its pixels.

    Args:
        content: The file.

    Returns:
        The picture; `read_colors` decodes it.

    Raises:
        ValueError: It is neither, or asks for more than a mask can need. Damage raises what else is in
            `dr_core.data.fundus.budget.DECODER_DEFECTS`.
    """
    orientation = UPRIGHT
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        plain = strip_png(content)
        picture: Image.Image = PngImageFile(io.BytesIO(plain.data))
        orientation = plain.orientation
    elif content[:2] in (b"II", b"MM"):
        picture = TiffImageFile(io.BytesIO(put_largest_first(content)))
    else:
        raise ValueError("neither TIFF nor PNG")
    budget = MAX_PIXELS if picture.mode in _BYTE_MODES else MAX_DEEP_PIXELS
    if picture.width * picture.height > budget or max(picture.size) > MAX_SIDE:
        raise ValueError(f"more than {budget // 10**6} million pixels, or {MAX_SIDE} on a side")
    return MaskPicture(picture, orientation)


def read_colors(mask: MaskPicture) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a mask.

    Args:
        mask: What `open_mask` opened.

    Returns:
        (H, W) or (H, W, 3) of bool, integers or floats, as the file holds them; and opacity, uint8 (H, W), or None.
    """
    picture = mask.picture
    picture.load()
    if picture.mode in ("P", "PA") and (picture.mode == "PA" or len(picture.getcolors(256) or ()) > _INDEXED):
        picture = picture.convert("RGBA")
    elif picture.mode not in ("1", "L", "P", "LA", "RGB", "RGBA") and len(picture.getbands()) > 1:
        picture = picture.convert("RGB")
    elif picture.has_transparency_data and picture.mode in ("L", "RGB"):
        picture = picture.convert("RGBA")
    pixels = set_upright(np.asarray(picture), mask.orientation)
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels), None
    if pixels.shape[2] == 2:
        return np.ascontiguousarray(pixels[..., 0]), np.ascontiguousarray(pixels[..., 1])
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    return np.ascontiguousarray(pixels[..., :3]), alpha
