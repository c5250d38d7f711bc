"""Pillow's pictures as arrays, without the three copies of the whole that Pillow's own conversion holds at once."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

_STRIP_PIXELS = 2_000_000
"""Pixels that are converted at once."""


def strip_ends(width: int, height: int) -> Iterator[tuple[int, int]]:
    """First row of each strip, and the row after its last."""
    rows = max(1, _STRIP_PIXELS // width)
    return ((top, min(top + rows, height)) for top in range(0, height, rows))


def to_rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Bring 8-bit samples of any mode to RGB, transparency on black.

    Args:
        picture: The picture; decoded here if it is not yet.

    Returns:
        Uint8 (H, W, 3).
    """
    picture.load()
    width, height = picture.size
    rgb = np.empty((height, width, 3), np.uint8)
    for top, bottom in strip_ends(width, height):
        rgb[top:bottom] = _composite(picture.crop((0, top, width, bottom)))
    return rgb


def _composite(picture: Image.Image) -> npt.NDArray[np.uint8]:
    if picture.has_transparency_data:
        rgba = np.asarray(picture.convert("RGBA"))
        return on_black(rgba[..., :3], rgba[..., 3:])
    return np.asarray(picture.convert("RGB"))


def on_black(rgb: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Composite on black; uint8 (H, W, 3) and (H, W, 1)."""
    result: npt.NDArray[np.uint8] = cv2.multiply(rgb, np.broadcast_to(alpha, rgb.shape), scale=1 / 255)
    return result
