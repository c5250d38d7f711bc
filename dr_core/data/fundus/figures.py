"""Figures by which a fundus photograph is told from other pictures: color, detail at three scales, dark lines.

All are measured on the field of view brought to 256 pixels, and are shares, ratios or logarithms, so that the camera's
exposure and size count little.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

_Plane = npt.NDArray[np.float32]

_SCALES = {"fine": (0.7, 2.0), "middle": (1.5, 4.0), "coarse": (4.0, 10.0)}
"""Sigmas of the two blurs whose difference is the detail of a scale, in pixels of 256: a vessel, a lesion, a disc."""

_SLOW = 10.0
"""Sigma of the blur that leaves what changes slowly over the field, in pixels of 256."""

_LEAST_LIGHT = 4.0
"""Added to a color before its logarithm is taken, so that black is no hue."""

_MIN_LINE, _LONG_LINE = 12, 50
"""Pixels of a dark structure that counts, and its reach from which it is long."""

STRUCTURE = (
    *(f"{name}_{scale}" for scale in _SCALES for name in ("green", "skew")),
    *("slow_green", "vessels", "bright_lines", "edges", "coherence", "direction"),
    *("longest_line", "lines", "long_lines", "sharpness"),
)
"""Those of the figures that need no color: they are measured on green alone."""


def measure_figures(view: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_], sharpness: float) -> dict[str, float]:
    """Measure the figures.

    Args:
        view: Uint8 (256, 256, 3) RGB, the field of view.
        region: Bool (256, 256), the pixels that are judged; at least one.
        sharpness: Share of the mean gradient that a slight blur takes away, 0..1.

    Returns:
        Name -> figure.
    """
    light = cv2.GaussianBlur(view.astype(np.float32) + np.float32(_LEAST_LIGHT), (0, 0), 0.7)
    logs = [np.log(light[..., channel]) for channel in range(3)]
    found = {"sharpness": sharpness} | _color(view, light, [plane[region] for plane in logs], region)
    widths = sorted({sigma for sigmas in _SCALES.values() for sigma in sigmas})
    blurred = {sigma: [_blur(plane, sigma) for plane in logs] for sigma in widths}  # scales share the widest ones
    for scale, (narrow, wide) in _SCALES.items():
        pairs = zip(blurred[narrow], blurred[wide], strict=True)
        found |= _detail(scale, [fine[region] - coarse[region] for fine, coarse in pairs])
    red, green, _ = blurred[_SLOW]
    slow = {"slow_green": green, "slow_red": red, "slow_hue": _blur(logs[0] - logs[1], _SLOW)}
    found |= {name: _log(float(plane[region].std()), 0.02) for name, plane in slow.items()}
    return found | _lines(_blur(view[..., 1].astype(np.float32), 1), region)


def _color(
    view: npt.NDArray[np.uint8], light: _Plane, logs: list[_Plane], region: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Ratios of the colors, and how colored the pixels are; `logs` are the logarithms of `light` in the region."""
    red, green, blue = mean_color(view, region)
    smooth = cv2.GaussianBlur(light, (0, 0), 2)
    reds, greens, blues = (smooth[..., channel][region].astype(np.float64) for channel in range(3))
    brightest = np.maximum(np.maximum(reds, greens), blues)
    darkest = np.minimum(np.minimum(reds, greens), blues)
    return {
        "red_to_green": _log(red / max(green, 1.0), 0.01),
        "red_to_blue": _log(red / max(blue, 1.0), 0.01),
        "hue_red": float(np.median(logs[0] - logs[1])),
        "hue_blue": float(np.median(logs[1] - logs[2])),
        "chroma": float((brightest - darkest).mean() / ((reds + greens + blues).mean() / 3)),
        "color_spread": _log(float(np.log(reds / greens).std()), 0.02),
    }


def mean_color(view: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean red, green and blue, 0..255, of the pixels of a region, bool (H, W), of a view, uint8 (H, W, 3)."""
    red, green, blue = (float(view[..., channel][region].mean(dtype=np.float64)) for channel in range(3))
    return red, green, blue


def _detail(scale: str, bands: list[_Plane]) -> dict[str, float]:
    """Strength of each color's detail, how red goes along with green, and whether green's is dark or bright."""
    strength = [float(band.std()) for band in bands]
    red, green = (band - band.mean() for band in bands[:2])
    skew = float((green * green * green).mean() / (strength[1] ** 3 + 1e-9))  # `**` is slow below 0
    names = ("red", "green", "blue")
    return {f"{name}_{scale}": _log(value, 0.003) for name, value in zip(names, strength, strict=True)} | {
        f"together_{scale}": float((green * red).mean() / (strength[0] * strength[1] + 1e-6)),
        f"skew_{scale}": float(np.sign(skew) * np.log1p(abs(skew))),
    }


def _lines(green: _Plane, region: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Thin dark and bright structures, how long they are, and how far they run one way."""
    mean = max(float(green[region].mean()), 1.0)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    dark, bright = (cv2.morphologyEx(green, kind, disc) for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    across, down = cv2.Sobel(green, cv2.CV_32F, 1, 0), cv2.Sobel(green, cv2.CV_32F, 0, 1)
    xx, yy, xy = (_blur(product, 3) for product in (across * across, down * down, across * down))
    along, aslant, weight = (xx - yy)[region], 2 * xy[region], (xx + yy)[region]
    length = np.hypot(along, aslant)
    mask = ((dark > max(0.04 * mean, 1.5)) & region).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    reach, area = found[1:, 2:4].max(axis=1, initial=0), found[1:, 4]
    counted = reach[area > _MIN_LINE]
    share = np.divide(weight, length, out=np.zeros_like(weight), where=length > 0)
    sums = [float((share * part).sum(dtype=np.float64)) for part in (along, aslant)]
    one_direction = math.hypot(*sums) / max(float(weight.sum()), 1.0)
    return {
        "vessels": _log(float(np.percentile(dark[region], 95)) / mean, 0.01),
        "bright_lines": _log(float(np.percentile(bright[region], 95)) / mean, 0.01),
        "edges": _log(float(np.percentile(cv2.magnitude(across, down)[region], 95)) / mean, 0.05),
        "coherence": float((length / (weight + 1)).mean()),
        "direction": _log(float(one_direction), 0.02),
        "longest_line": _log(float(counted.max(initial=0)) / len(green), 0.02),
        "lines": float(np.log1p(len(counted))),
        "long_lines": float(area[reach > _LONG_LINE].sum() / max(int(mask.sum()), 1)),
    }


def _blur(plane: _Plane, sigma: float) -> _Plane:
    result: _Plane = cv2.GaussianBlur(plane, (0, 0), sigma)
    return result


def _log(value: float, least: float) -> float:
    return float(np.log(value + least))
