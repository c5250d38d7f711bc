"""Judge whether a photograph is good enough to be shown to a model: warnings, never a refusal.

All figures are measured on the field of view brought to 256 pixels, so that one eye gets the same verdict as a 4288
pixel original and as a 512 pixel copy. The thresholds were chosen with `benchmarks/calibration/quality.py` on 20 + 143
IDRiD eyes and one CC0 eye, all of which pass; the script prints the quantiles that are quoted here. Those that tell a
fundus from other pictures were chosen on 673 eyes of twelve further cameras, of which 1.5 % fail.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dr_core.data.fundus.field_of_view import FieldOfView, crop_to_field_of_view

FIELD_MISSING = "No round field of view on a dark surround was found, so the whole picture is used."
BLURRED = "The photograph is blurred; small lesions and fine vessels may not show."
DARK = "The photograph is dark; lesions may not show."
OVEREXPOSED = "The photograph is overexposed; bright lesions may not show."
NOT_FUNDUS = "This may not be a fundus photograph."

MIN_SHARPNESS = 0.31
"""Real eyes have .34 to .51; blurred by 1 % of the radius (the width of a fine vessel) all are under .29. Strong noise
in a small picture (sigma 5 at 512 pixels) hides a blur of 1 %, not one of 3 %."""

MIN_VESSELS = 0.03
"""Real eyes have .05 to .24; blurred by 3 % of the radius all have .03 or less. Holds where noise looks sharp."""

MIN_LUMINANCE = 40.0
"""Real eyes have a median of 47 to 139; at a quarter of their light all are under 35."""

MAX_RED_SATURATED = 0.5
"""Real eyes have at most .30; at twice their light four of five have more than .5."""

MAX_WHITE = 0.05
"""Real eyes have at most .003."""

MIN_RED_TO_GREEN, MIN_RED_TO_BLUE, MIN_CHROMA = 0.95, 1.25, 0.17
"""98 % of the 673 eyes of twelve cameras have more, one with a colder white balance among them; gray pictures less."""

DARK_RED_TO_GREEN, DARK_RED_TO_BLUE = 0.85, 1.0
"""The same under `MIN_LUMINANCE`, where the camera's noise makes all colors alike."""

MAX_COLOR_SPREAD = 0.35
"""99 % of the eyes of twelve cameras have less: a retina has one hue, faces and textures have several."""

MAX_EDGES = 2.2
"""Eyes have at most 2.0 but for one; print, checks and OCT slices have more."""

VESSELS_OF_EYES = (0.01, 0.31)
"""Blank discs have fewer vessels, print and checks more. Real eyes: .01 to .30."""

MIN_VESSELS_WITHOUT_FIELD = 0.012
"""The same for pictures without a round field, such as a disc that was cut square."""

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
        color_spread: Standard deviation of log(red / green) after a slight blur: 0 for a single hue.
        edges: 95th percentile of the gradient of green, over its mean.
        warnings: Plain sentences for the user; empty for a good photograph.
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
    color_spread: float
    edges: float
    warnings: tuple[str, ...]


def assess_quality(image: npt.NDArray[np.uint8], field: FieldOfView) -> Quality:
    """Judge field of view, sharpness, exposure, and whether this is a fundus at all.

    Args:
        image: uint8 (H, W, 3), RGB.
        field: The image's field of view, from `find_field_of_view`.

    Returns:
        The figures and the warnings that follow from them.

    Source:
        Sharpness by blurring again: Crete et al. 2007, "The blur effect", Proc. SPIE 6492.
    """
    view = cv2.resize(crop_to_field_of_view(image, field), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    region = _judged_region(view, image.shape, field)
    if not region.any():  # a black frame
        figures = dict.fromkeys(_FIGURES, 0.0)
        return Quality(field_of_view_share=0.0, **figures, warnings=(FIELD_MISSING, DARK))
    red, green, blue = view[region].mean(axis=0, dtype=np.float64).tolist()
    figures = {
        "sharpness": _sharpness(view, region),
        "vessel_contrast": _vessel_contrast(view, region),
        "luminance": float(np.median(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[region])),
        "red_saturated": float((view[..., 0][region] >= 250).mean()),
        "white": float((view[..., :2].min(axis=2)[region] >= 240).mean()),
        "red_to_green": red / max(green, 1.0),
        "red_to_blue": red / max(blue, 1.0),
        **_color_figures(view, region),
    }
    return Quality(
        field_of_view_share=field.share if field.found else 0.0, **figures, warnings=_warnings(figures, field.found)
    )


_FIGURES = (
    *("sharpness", "vessel_contrast", "luminance", "red_saturated", "white"),
    *("red_to_green", "red_to_blue", "chroma", "color_spread", "edges"),
)


def _warnings(figures: dict[str, float], field_found: bool) -> tuple[str, ...]:
    """Compare the figures with the thresholds."""
    fewest, most = VESSELS_OF_EYES
    if not field_found:
        fewest = MIN_VESSELS_WITHOUT_FIELD
    verdicts = {
        FIELD_MISSING: not field_found,
        BLURRED: figures["sharpness"] < MIN_SHARPNESS or figures["vessel_contrast"] < MIN_VESSELS,
        DARK: figures["luminance"] < MIN_LUMINANCE,
        OVEREXPOSED: figures["red_saturated"] > MAX_RED_SATURATED or figures["white"] > MAX_WHITE,
        NOT_FUNDUS: not (
            _has_color_of_eye(figures)
            and figures["edges"] <= MAX_EDGES
            and fewest <= figures["vessel_contrast"] <= most
        ),
    }
    return tuple(sentence for sentence, applies in verdicts.items() if applies)


def _has_color_of_eye(figures: dict[str, float]) -> bool:
    """Whether it is reddish and of one hue; a dark picture need not be, but gray it must not be."""
    if figures["luminance"] < MIN_LUMINANCE:
        least, spread = (DARK_RED_TO_GREEN, DARK_RED_TO_BLUE), float("inf")
    else:
        least, spread = (MIN_RED_TO_GREEN, MIN_RED_TO_BLUE), MAX_COLOR_SPREAD
    is_red = figures["red_to_green"] > least[0] and figures["red_to_blue"] > least[1]
    return is_red and figures["chroma"] >= MIN_CHROMA and figures["color_spread"] <= spread


def _color_figures(view: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_]) -> dict[str, float]:
    smooth = cv2.GaussianBlur(view, (0, 0), 2)[region].astype(np.float64) + _LEAST_COLOR
    green = view[..., 1].astype(np.float32)
    return {
        "chroma": float((smooth.max(axis=1) - smooth.min(axis=1)).mean() / smooth.mean()),
        "color_spread": float(np.log(smooth[:, 0] / smooth[:, 1]).std()),
        "edges": float(np.percentile(_gradient(green)[region], 95) / max(float(green[region].mean()), 1.0)),
    }


_LEAST_COLOR = 4.0
"""Added to a color before its logarithm is taken, so that black is no hue."""


def _judged_region(view: npt.NDArray[np.uint8], shape: tuple[int, ...], field: FieldOfView) -> npt.NDArray[np.bool_]:
    """Mark the pixels to judge, bool (256, 256): the picture's part of the disc, away from any border."""
    distance = np.arange(_SIDE) - (_SIDE - 1) / 2
    result: npt.NDArray[np.bool_]
    if not field.found:
        reach_y, reach_x = (_SIDE * _INNER * length / (2 * max(shape[:2])) for length in shape[:2])
        result = (abs(distance) < reach_y)[:, None] & (abs(distance) < reach_x) & (view.max() > _BLACK)
        return result
    brightness = view.max(axis=2)
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
