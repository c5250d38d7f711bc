"""Heatmaps over the eye: the one renderer, with one color scale for all models that are shown together."""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

POSITIVE_RAMP = ("#000000", "#5c1111", "#ad2121", "#ff3030")
"""Relevance for the grade, from none to the end of the scale; straight lines in sRGB between the colors. Dark to red,
so that outlines of lesions in other hues stay apart from it, also for eyes without one kind of cones."""

NEGATIVE_RAMP = ("#000000", "#000080")
"""Relevance against the grade, where a rule has signs."""

STRONGEST_COLOR = POSITIVE_RAMP[-1]
"""Of the most relevant pixels where only these are shown."""

OPACITY_POWER = 0.35
"""The map is as opaque as it is strong, to this power: weak relevance is seen, and the eye under it, too."""

EYE_DIMMING = 0.5
"""Share by which the eye steps back under a heatmap."""

_SCALE_QUANTILE = 0.99
"""Quantile of a heatmap that reaches the end of the scale; beside its few strongest pixels all others would be dark."""

_FAINTEST = 1e-30
"""End of the scale of heatmaps that are zero nearly everywhere."""

SCALE_WORDS = "99th percentile of the strongest model and above; one scale for all models"
"""What the end of the scale is, for people."""


def scale_end(heatmap: np.ndarray) -> float:
    """The value of one heatmap, float (S, S), that reaches the end of its scale: its 99th percentile, above 0."""
    return max(float(np.quantile(np.abs(heatmap), _SCALE_QUANTILE)), _FAINTEST)


def shared_scale_end(heatmaps: Iterable[np.ndarray]) -> float:
    """The end of the scale of several heatmaps, float (S, S) each: the largest of theirs, so that all can be compared.

    Args:
        heatmaps: All heatmaps that are shown together; at least one.
    """
    return max(scale_end(heatmap) for heatmap in heatmaps)


def ramp_colors(strength: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Colors of relevance.

    Args:
        strength: Float (...), relevance over the end of the scale; beyond -1 and 1 it is cut.

    Returns:
        Float (..., 3), sRGB 0..255.
    """
    cut = np.clip(np.asarray(strength, float), -1, 1)
    colors = np.where((cut >= 0)[..., None], _interpolate(POSITIVE_RAMP, cut), _interpolate(NEGATIVE_RAMP, -cut))
    return np.asarray(colors)


def blend(view: npt.ArrayLike, strength: npt.ArrayLike, dimming: float = EYE_DIMMING) -> npt.NDArray[np.floating]:
    """Relevance over the eye.

    Args:
        view: (..., 3), sRGB 0..255.
        strength: Float (...), relevance over the end of the scale.
        dimming: Share by which the eye steps back, 0..1.

    Returns:
        Float (..., 3), sRGB 0..255.
    """
    cut = np.clip(np.asarray(strength, float), -1, 1)
    opacity = (np.abs(cut) ** OPACITY_POWER)[..., None]
    return np.asarray(opacity * ramp_colors(cut) + (1 - opacity) * (1 - dimming) * np.asarray(view, float))


def render_overlay(view: np.ndarray, heatmap: np.ndarray, end: float, least_side: int = 0) -> np.ndarray:
    """Draw a heatmap over the eye.

    Args:
        view: The eye as the model sees it, uint8 (S, S, 3) RGB.
        heatmap: Float (S, S), negative where a rule has signs.
        end: End of the scale, from `shared_scale_end` of all heatmaps that are shown together.
        least_side: A smaller picture is enlarged by a whole number to at least this side, in pixels.

    Returns:
        Uint8 (T, T, 3) RGB.
    """
    picture = np.rint(blend(view, heatmap / end)).astype(np.uint8)
    times = max(1, -(-least_side // len(view)))
    result: np.ndarray = picture.repeat(times, axis=0).repeat(times, axis=1)
    return result


def encode_png(picture: np.ndarray) -> bytes:
    """A picture, uint8 (H, W, 3) RGB, as PNG."""
    done, buffer = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise ValueError("the picture could not be encoded")
    return buffer.tobytes()


def ramp_gradient(*, signed: bool = False) -> str:
    """The scale bar as a gradient of CSS, from none (or from against the grade, where a rule has signs) to for it."""
    colors = [*reversed(NEGATIVE_RAMP), *POSITIVE_RAMP[1:]] if signed else POSITIVE_RAMP
    steps = _positions(signed=signed)
    return f"linear-gradient(90deg, {', '.join(f'{c} {100 * at:.1f}%' for c, at in zip(colors, steps, strict=True))})"


def scale_bar_html(*, signed: bool = False) -> str:
    """The scale bar with its words, as HTML with its own look."""
    begin = "against the grade" if signed else "none"
    bar = (
        "display:inline-block;width:7.5em;height:.7em;border-radius:2px;vertical-align:middle;margin:0 .4em;"
        f"background:{ramp_gradient(signed=signed)};print-color-adjust:exact;-webkit-print-color-adjust:exact"
    )
    return f'relevance: {begin}<i style="{bar}" aria-hidden="true"></i>{SCALE_WORDS}'


def _positions(*, signed: bool) -> list[float]:
    positive = np.linspace(0, 1, len(POSITIVE_RAMP))
    if not signed:
        return [float(at) for at in positive]
    negative = np.linspace(-1, 0, len(NEGATIVE_RAMP))
    return [float(at + 1) / 2 for at in (*negative, *positive[1:])]


def _interpolate(ramp: tuple[str, ...], strength: np.ndarray) -> np.ndarray:
    colors = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in ramp], float)
    stops = np.linspace(0, 1, len(ramp))
    return np.stack([np.interp(strength, stops, colors[:, channel]) for channel in range(3)], axis=-1)
