"""Judge whether a photograph is good enough to be shown to a model: warnings, never a refusal.

All figures but the compression are measured on the field of view brought to 256 pixels, so that one eye gets the same
verdict as a 4288 pixel original and as a 512 pixel copy. What follows from them is in `dr_core.data.fundus.checks`.
"""

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dr_core.data.fundus.blockiness import BLOCK, measure_blockiness
from dr_core.data.fundus.checks import (
    INPUT_CHECKS,
    InputCheck,
    Level,
    is_fundus,
    is_gray_fundus,
    worst_level,
)
from dr_core.data.fundus.field_of_view import FieldOfView, brightest_channel, find_field_of_view
from dr_core.data.fundus.figures import mean_color, measure_figures
from dr_core.data.fundus.likeness import distance_to_photographs, structure_distance
from dr_core.data.fundus.outline import count_letters, measure_outline, shrink_brightest
from dr_core.data.fundus.resize import resize_to_field_of_view

_SIDE = 256
_INNER = 0.92
"""The outermost part of the disc, with its rim and reflections, is not judged."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good a photograph is.

    Attributes:
        field_of_view_share: Share of the picture inside the field of view, in [0, 1]; 0 where none was found.
        sharpness: Share of the mean gradient that is lost by a slight blur, in [0, 1]: high where edges are fine.
        vessel_contrast: How much darker the darkest 5 % of thin structures are than what surrounds them, as a share of
            the mean green.
        luminance: Median luminance, 0..255.
        red_saturated: Share of pixels whose red is at the camera's limit, in [0, 1].
        white: Share of pixels whose red and green are near the limit, in [0, 1].
        red_to_green: Mean red over mean green.
        red_to_blue: Mean red over mean blue.
        chroma: Mean of the largest minus the smallest color of a pixel, over the mean brightness.
        rim: Share of the circle on which the field was seen to end, in [0, 1].
        visible: Share of the circle that lies in the picture, in [0, 1].
        notches: Share of the lit part's convex hull that is dark, in [0, 1].
        elongation: Longer over shorter axis of the ellipse through the field's edge.
        cut: Share of the lit part's outline that lies on the border of the picture, in [0, 1].
        letters: Letters of the longest word that is burnt in.
        blockiness: Steps over the borders of JPEG's blocks, over those elsewhere; 1 without compression.
        block_size: Side of such a block as a share of the field's radius.
        likeness_distance: Distance of color and structure from photographs of twelve cameras; 1 is the limit.
        structure_distance: The same without color.
        negative: Whether the picture's negative is a fundus photograph, and the picture is none.
    """

    field_of_view_share: float
    sharpness: float
    vessel_contrast: float
    luminance: float
    red_saturated: float
    white: float
    red_to_green: float
    red_to_blue: float
    chroma: float
    rim: float = 1.0
    visible: float = 1.0
    notches: float = 0.0
    elongation: float = 1.0
    cut: float = 0.0
    letters: int = 0
    blockiness: float = 1.0
    block_size: float = 0.0
    likeness_distance: float = 0.0
    structure_distance: float = 0.0
    negative: bool = False

    @property
    def findings(self) -> tuple[InputCheck, ...]:
        """What speaks against an answer; of a black frame only that it is dark."""
        if not self.luminance and not self.chroma:
            return INPUT_CHECKS["field_missing"], INPUT_CHECKS["dark"]
        return tuple(check for check in INPUT_CHECKS.values() if check.applies(self))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Plain sentences for the user; empty for a good photograph."""
        return tuple(check.sentence for check in self.findings)

    @property
    def level(self) -> Level:
        """The worst level of all findings."""
        return worst_level([check.level for check in self.findings])


def assess_quality(image: npt.NDArray[np.uint8], field: FieldOfView) -> Quality:
    """Judge field of view, sharpness, exposure, compression, and whether this is a fundus at all.

    Args:
        image: uint8 (H, W, 3), RGB.
        field: The image's field of view, from `find_field_of_view`.

    Returns:
        The figures, from which the warnings follow.

    Source:
        Sharpness by blurring again: Crete et al. 2007, "The blur effect", Proc. SPIE 6492.
    """
    quality = _measure(image, field)
    if is_fundus(quality) or is_gray_fundus(quality):
        return quality
    negative = cv2.bitwise_not(image)
    other = _measure(negative, find_field_of_view(negative))
    return dataclasses.replace(quality, negative=other.field_of_view_share > 0 and is_fundus(other))


def _measure(image: npt.NDArray[np.uint8], field: FieldOfView) -> Quality:
    view = resize_to_field_of_view(image, field, _SIDE)
    region = _judged_region(view, image.shape, field)
    if not region.any():  # a black frame
        return _BLACK_FRAME
    red, green, blue = mean_color(view, region)
    sharpness = _sharpness(view, region)
    figures, bright = measure_figures(view, region, sharpness), shrink_brightest(image)
    outline = measure_outline(bright)
    return Quality(
        field_of_view_share=field.share if field.found else 0.0,
        sharpness=sharpness,
        vessel_contrast=_vessel_contrast(view, region),
        luminance=float(np.median(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[region])),
        red_saturated=float((view[..., 0][region] >= 250).mean()),
        white=float((cv2.min(view[..., 0], view[..., 1])[region] >= 240).mean()),
        red_to_green=red / max(green, 1.0),
        red_to_blue=red / max(blue, 1.0),
        chroma=figures["chroma"],
        rim=field.rim,
        visible=field.visible,
        notches=outline.notches,
        elongation=outline.elongation,
        cut=outline.cut,
        letters=count_letters(bright),
        blockiness=measure_blockiness(image),
        block_size=BLOCK / max(field.radius, 1.0),
        likeness_distance=distance_to_photographs(figures),
        structure_distance=structure_distance(figures),
    )


_BLACK_FRAME = Quality(
    field_of_view_share=0.0,
    sharpness=0.0,
    vessel_contrast=0.0,
    luminance=0.0,
    red_saturated=0.0,
    white=0.0,
    red_to_green=0.0,
    red_to_blue=0.0,
    chroma=0.0,
)


def _judged_region(view: npt.NDArray[np.uint8], shape: tuple[int, ...], field: FieldOfView) -> npt.NDArray[np.bool_]:
    """Mark the pixels to judge, bool (256, 256): the picture's part of the disc, away from any border."""
    distance = np.arange(_SIDE) - (_SIDE - 1) / 2
    result: npt.NDArray[np.bool_]
    if not field.found:
        reach_y, reach_x = (_SIDE * _INNER * length / (2 * max(shape[:2])) for length in shape[:2])
        result = (abs(distance) < reach_y)[:, None] & (abs(distance) < reach_x) & (view.max() > _BLACK)
        return result
    brightness = brightest_channel(view)
    lit = brightness > max(_BLACK, 0.1 * float(np.percentile(brightness, 99)))
    lit = cv2.erode(lit.astype(np.uint8), np.ones((13, 13), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    result = (lit > 0) & (distance[:, None] ** 2 + distance**2 < (_INNER * _SIDE / 2) ** 2)
    return result


_BLACK = 8
"""Brightness, 0..255, under which nothing is told from a dark surround."""


def _sharpness(view: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_]) -> float:
    """Measure which share of the mean gradient of green a blur of 1.5 pixels takes away."""
    green = view[..., 1].astype(np.float32)
    sharp = _gradient(green)[region].mean()
    blurred = _gradient(cv2.GaussianBlur(green, (0, 0), 1.5))[region].mean()
    return max(0.0, float(1 - blurred / max(float(sharp), 1e-3)))


def _gradient(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = cv2.magnitude(
        cv2.Sobel(channel, cv2.CV_32F, 1, 0), cv2.Sobel(channel, cv2.CV_32F, 0, 1)
    )
    return result


def _vessel_contrast(view: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_]) -> float:
    """Measure thin dark structures of green by a black-hat of 11 pixels (a main vessel has 5), relative to its mean."""
    green = cv2.GaussianBlur(view[..., 1].astype(np.float32), (0, 0), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    depth = cv2.morphologyEx(green, cv2.MORPH_BLACKHAT, disc)
    return float(np.percentile(depth[region], 95) / max(float(green[region].mean()), 1.0))
