"""Samples of 9 to 16 bits: how bright white is in them, and what they are in 8 bits."""

import cv2
import numpy as np
import numpy.typing as npt

from dr_core.data.fundus.strips import on_black, strip_ends
from dr_core.errors import InputError

WHITE_16 = 2**16 - 1

_BRIGHT_ENOUGH = 2**12
"""A picture of 16 bits whose brightest sample lies below, at 6 % of white, is nearly black, or has fewer bits."""


def find_white(name: str, deep: npt.NDArray[np.uint16], stated: int) -> int:
    """Find the sample value of full brightness.

    Software writes samples of 12 bits into 16 in two ways: scaled to the whole range, as PNG asks for, or as they are.
    The brightest sample tells the two apart where the file states its depth.

    Args:
        name: What to call the picture in messages.
        deep: Uint16 (H, W) or (H, W, C); a fourth channel is transparency.
        stated: The white that the file states by its depth; 65535 where it states nothing else.

    Returns:
        The white, 1..65535.

    Raises:
        InputError: If the file states nothing and the picture would be nearly black.
    """
    colors = deep[..., :3] if deep.ndim == 3 else deep
    brightest = int(colors.max(initial=0))
    if 0 < stated < WHITE_16 and brightest <= stated:
        return stated
    if brightest < _BRIGHT_ENOUGH:
        bits = max(9, brightest.bit_length())
        raise InputError(
            f"{name} has samples of 16 bits, the brightest is {brightest}: it may be nearly black, or of {bits} bits "
            f"with {2**bits - 1} as white, which it does not state; save it as JPEG, or with 8 bits."
        )
    return WHITE_16


def shallow(deep: npt.NDArray[np.uint16], white: int) -> npt.NDArray[np.uint8]:
    """Scale uint16 (H, W) or (H, W, 3 or 4) in OpenCV's order BGR(A) to uint8 (H, W, 3) RGB, strip by strip."""
    rgb = np.empty((*deep.shape[:2], 3), np.uint8)
    for top, bottom in strip_ends(deep.shape[1], deep.shape[0]):
        samples = cv2.convertScaleAbs(deep[top:bottom], alpha=255 / white)
        if samples.ndim == 2:
            strip = cv2.cvtColor(samples, cv2.COLOR_GRAY2RGB)
        elif samples.shape[2] == 4:
            alpha = cv2.convertScaleAbs(deep[top:bottom, :, 3:], alpha=255 / WHITE_16)
            strip = on_black(samples[..., 2::-1], alpha.reshape(*alpha.shape[:2], 1))
        else:
            strip = cv2.cvtColor(samples, cv2.COLOR_BGR2RGB)
        rgb[top:bottom] = strip
    return rgb


def decode_deep(data: bytes, *, upright: bool) -> npt.NDArray[np.uint16]:
    """Decode samples of 9 to 16 bits with OpenCV (Pillow cuts color samples to 8 bits and ignores their real depth).

    Args:
        data: A PNG or TIFF.
        upright: Whether OpenCV applies the file's orientation.

    Returns:
        Uint16 (H, W) or (H, W, 3 or 4), BGR(A).

    Raises:
        ValueError: It cannot be decoded.
    """
    flags = cv2.IMREAD_UNCHANGED if upright else cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        deep = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(error.err) from None
    if deep is None or deep.dtype != np.uint16:
        raise ValueError("not the bits that the header told")
    result: npt.NDArray[np.uint16] = deep.astype(np.uint16, copy=False)
    return result
