"""Lesion masks that somebody draws over a photograph: closed strokes that mark a lesion or take it away again."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from dr_core.data.grades import LESIONS

MOST_STROKES, MOST_CORNERS = 300, 1000
"""Strokes over one photograph, and corners of one of them."""

_FARTHEST = 4.0
"""How far outside the photograph a corner may lie, in units of its width."""


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A closed outline that somebody drew.

    Attributes:
        lesion: Name of the lesion that it marks; empty for a region of no lesion.
        erases: Whether what lies inside is no longer this lesion.
        corners: Corners (x, y) on the photograph, which is 1 wide; its first pixel reaches from 0 to 1 / width.
    """

    lesion: str
    erases: bool
    corners: tuple[tuple[float, float], ...]


def draw_strokes(mask: np.ndarray | None, strokes: Iterable[Stroke], shape: tuple[int, int]) -> np.ndarray:
    """Draw strokes over a mask, in their order.

    Args:
        mask: Bool (H, W), where they begin; None for an empty one.
        strokes: Those of one lesion.
        shape: Height and width of the photograph in pixels.

    Returns:
        Bool (H, W): each stroke takes in its inside and the pixels in which its outline lies.
    """
    drawn = np.zeros(shape, np.uint8) if mask is None else mask.astype(np.uint8)
    for stroke in strokes:
        corners = np.clip(np.array(stroke.corners), -_FARTHEST, _FARTHEST) * shape[1]
        cv2.fillPoly(drawn, [np.floor(corners).astype(np.int32)], int(not stroke.erases))
    result: np.ndarray = drawn > 0
    return result


def pack_masks(eye: str, masks: Mapping[str, np.ndarray]) -> bytes:
    """Write masks as IDRiD names them, `<eye>_MA.tif` and so on, in one archive.

    Args:
        eye: Name of the photograph without its ending.
        masks: Lesion -> bool (H, W); an empty mask is left out.

    Returns:
        A ZIP archive; each mask is an 8-bit TIFF without loss, 255 on the lesion and 0 elsewhere. The same masks give
        the same bytes.
    """
    archive = io.BytesIO()
    stem = "".join("_" if letter in '/\\:*?"<>|' or ord(letter) < ord(" ") else letter for letter in eye)
    with zipfile.ZipFile(archive, "w") as members:
        for lesion, mask in masks.items():
            if mask.any():
                members.writestr(zipfile.ZipInfo(f"{stem}_{LESIONS[lesion].code}.tif"), _encode_tiff(mask))
    return archive.getvalue()


def _encode_tiff(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    return buffer.getvalue()
