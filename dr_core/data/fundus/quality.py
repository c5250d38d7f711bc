"""Is the photograph good enough to be believed? Warnings, never refusals.

All figures are taken on the field of view brought to one size, so that a photograph gets the same verdict at any
resolution above that size.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.data.fundus.field_of_view import FieldOfView, crop_to_field_of_view

_SIDE = 256

SHARPNESS_MIN = 0.008
"""Below this a photograph looks blurred; see `benchmarks/calibration/quality.py` for the quantiles of real eyes."""

BRIGHTNESS_RANGE = (0.10, 0.75)
"""Mean green-and-red level outside of which a photograph looks dark or overexposed."""

REDNESS_MIN = 1.15
"""Least ratio of red to blue in a photograph of a retina in color."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What can be said of a photograph before any model sees it.

    Attributes:
        field_of_view_share: Share of the image inside the field of view, 0..1.
        sharpness: Energy of fine detail relative to brightness; higher is sharper.
        brightness: Mean gray level inside the field of view, 0..1.
        redness: Mean red over mean blue inside the field of view.
        warnings: Plain sentences, empty where nothing is amiss.
    """

    field_of_view_share: float
    sharpness: float
    brightness: float
    redness: float
    warnings: tuple[str, ...]


def assess_quality(image: np.ndarray, field: FieldOfView) -> Quality:
    """Measure a photograph's field of view, sharpness and exposure.

    Args:
        image: Uint8 (H, W, 3) RGB.
        field: Its field of view.

    Returns:
        The figures with their warnings.
    """
    view = cv2.resize(crop_to_field_of_view(image, field), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    pixels = view.astype(np.float32) / 255
    rows, columns = np.ogrid[:_SIDE, :_SIDE]
    center = (_SIDE - 1) / 2
    inside = (rows - center) ** 2 + (columns - center) ** 2 < (0.9 * _SIDE / 2) ** 2
    inside &= view.max(axis=2) > 8
    if inside.sum() < 100:
        warning = "The picture is black; no eye can be seen."
        return Quality(field_of_view_share=0.0, sharpness=0.0, brightness=0.0, redness=0.0, warnings=(warning,))
    brightness = float(pixels[inside].mean())
    mean = pixels[inside].mean(axis=0)
    redness = float(mean[0] / max(mean[2], 1e-3))
    sharpness = _sharpness(pixels[:, :, 1], inside)
    share = field.share if field.found else 1.0
    warnings = _warn(field, sharpness, brightness, redness)
    return Quality(
        field_of_view_share=share, sharpness=sharpness, brightness=brightness, redness=redness, warnings=warnings
    )


def _sharpness(green: np.ndarray, inside: np.ndarray) -> float:
    """Spread of what a small blur removes, relative to the local brightness."""
    fine = cv2.GaussianBlur(green, (0, 0), 0.8) - cv2.GaussianBlur(green, (0, 0), 2.0)
    level = max(float(green[inside].mean()), 1e-3)
    kernel = cv2.erode(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return float(fine[kernel].std() / level) if kernel.any() else 0.0


def _warn(field: FieldOfView, sharpness: float, brightness: float, redness: float) -> tuple[str, ...]:
    warnings = []
    if not field.found:
        warnings.append("No round field of view was found; the whole picture is used.")
    if sharpness < SHARPNESS_MIN:
        warnings.append("The picture looks blurred; small lesions may be lost.")
    if brightness < BRIGHTNESS_RANGE[0]:
        warnings.append("The picture is dark; lesions may be hidden.")
    elif brightness > BRIGHTNESS_RANGE[1]:
        warnings.append("The picture is overexposed; lesions may be washed out.")
    if redness < REDNESS_MIN:
        warnings.append("The colors are not those of a retina; this may not be a fundus photograph.")
    return tuple(warnings)
