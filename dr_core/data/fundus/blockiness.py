"""How strongly a photograph was compressed by JPEG, seen in its pixels alone."""

import cv2
import numpy as np
import numpy.typing as npt

BLOCK = 8
"""Side of JPEG's blocks in pixels."""

_SIDE = 1024
"""Pixels of the middle that are looked at: enough blocks, and fast for any photograph."""

_LEAST_STEP = 0.3
"""Gray levels; a picture without any detail has no blocks either."""


def measure_blockiness(image: npt.NDArray[np.uint8]) -> float:
    """Measure steps over the borders of JPEG's 8 x 8 blocks.

    b = step over the borders / median step elsewhere, of green, the smaller of both directions.

    Of the eight positions that a border can have, the one with the largest step counts, so that a picture that was cut
    after it was compressed is recognized, too. A picture that was made smaller after it was compressed is not.

    Args:
        image: Uint8 (H, W, 3) RGB.

    Returns:
        1 without compression; 0 for a picture under 32 pixels.

    Source: Wang, Sheikh and Bovik 2002, ICIP, "No-reference perceptual quality assessment of JPEG compressed images",
        equations 1 and 2; the ratio to the other positions is ours.
    """
    height, width = image.shape[:2]
    if min(height, width) < 32:
        return 0.0
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    green = np.ascontiguousarray(image[top : top + _SIDE, left : left + _SIDE, 1])
    down, right = cv2.absdiff(green[1:], green[:-1]), cv2.absdiff(green[:, 1:], green[:, :-1])
    return min(_ratio(down.mean(axis=1)), _ratio(right.mean(axis=0)))


def _ratio(steps: npt.NDArray[np.float64]) -> float:
    """Largest step of the eight positions over the median one; `steps` are the mean steps of each row or column."""
    by_place = steps[: len(steps) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=0)
    return float((by_place.max() + _LEAST_STEP) / (np.median(by_place) + _LEAST_STEP))
