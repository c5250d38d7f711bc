"""Files of lesion masks, opened within the same budget as photographs."""

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from dr_core.data.fundus.budget import MAX_DEEP_PIXELS, MAX_PIXELS, MAX_SIDE
from dr_core.data.fundus.png import strip_png
from dr_core.data.fundus.strips import strip_ends
from dr_core.data.fundus.tiff import put_largest_first

_BYTE_MODES = ("1", "L", "P", "LA", "PA", "RGB", "RGBA")


def open_mask(content: bytes) -> Image.Image:
    """Open a TIFF or PNG without decoding its pixels.

    Args:
        content: The file.

    Returns:
        The picture; `read_levels` decodes it.

    Raises:
        ValueError: It is neither, or asks for more than a mask can need. Damage raises what else is in
            `dr_core.data.fundus.budget.DECODER_DEFECTS`.
    """
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        picture: Image.Image = PngImageFile(io.BytesIO(strip_png(content).data))
    elif content[:2] in (b"II", b"MM"):
        content = put_largest_first(content)
        picture = TiffImageFile(io.BytesIO(content))
    else:
        raise ValueError("neither TIFF nor PNG")
    budget = MAX_PIXELS if picture.mode in _BYTE_MODES else MAX_DEEP_PIXELS
    if picture.width * picture.height > budget or max(picture.size) > MAX_SIDE:
        raise ValueError(f"more than {budget // 10**6} million pixels, or {MAX_SIDE} on a side")
    return picture


def read_levels(picture: Image.Image) -> np.ndarray:
    """Decode one level a pixel: the brightest color; transparency does not count.

    Args:
        picture: A picture that `open_mask` opened.

    Returns:
        (H, W) of bool, integers or floats, as the file holds them.
    """
    picture.load()
    width, height = picture.size
    strips = (picture.crop((0, top, width, bottom)) for top, bottom in strip_ends(width, height))
    return np.concatenate([_brightest(np.asarray(strip)) for strip in strips])


def _brightest(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels
    colors = pixels[..., : 1 if pixels.shape[2] == 2 else 3]
    return np.asarray(colors.max(axis=2))
