"""The project's own viewer: an eye and its heatmaps side by side, moved and zoomed together in the browser.

It is plain JavaScript that the app serves itself; nothing is fetched from elsewhere.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from dr_core.data.annotation import MOST_STROKES
from dr_core.data.grades import LESIONS
from dr_core.publish import overlay
from dr_ui.eyes import drawing
from dr_ui.eyes.drawing import Strokes
from dr_ui.parts import take_figure

_FOLDER = Path(__file__).parent
_SCRIPTS = ("maps.js", "drawing.js", "views.js", "strokes.js", "export.js", "panels.js", "gestures.js", "controls.js")

Rectangle = tuple[float, float, float, float]
"""Left, top, width and height on the eye, which is 1 wide."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A heatmap to be shown beside the eye.

    Attributes:
        label: Name of the model.
        note: A few words beside the name.
        color: Hue of the set-up.
        line: CSS line style of the set-up.
        heatmap: What is shown; None leaves the panel blank.
        extent: Which part of the eye it covers.
        reason: Why there is no heatmap, which stands in the blank panel.
    """

    label: str
    note: str
    color: str
    line: str
    heatmap: "Picture | None"
    extent: Rectangle = (0.0, 0.0, 1.0, 1.0)
    reason: str = ""


@dataclass(frozen=True)
class Picture:
    """A heatmap as it travels to the browser.

    Attributes:
        png: Its strength with 16 bits, as `encode_map` writes it.
        peak: The largest absolute value.
        top: The value that gets the brightest color.
        signed: Whether there are negative values.
    """

    png: bytes
    peak: float
    top: float
    signed: bool

    @staticmethod
    def encode(heatmap: np.ndarray) -> "Picture":
        """Prepare a heatmap, float (S, S), negative where a rule has signs."""
        peak, end = float(np.abs(heatmap).max()), overlay.scale_end(heatmap)
        return Picture(encode_map(heatmap), peak, end, bool((heatmap < 0).any()))


@dataclass(frozen=True, kw_only=True)
class Outline:
    """Where one type of lesion lies.

    Attributes:
        code: Its letters, such as `MA`.
        name: Its name.
        color: Its color in the app's key.
        dash: Its dashes in pixels, as in SVG's `stroke-dasharray`; empty for a solid line.
        rings: Closed lines, each x, y, x, y and so on, on the eye, which is 1 wide.
        anchor: Where the letters stand.
    """

    code: str
    name: str
    color: str
    dash: str
    rings: tuple[tuple[float, ...], ...]
    anchor: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that the viewer shows.

    Attributes:
        eye: Key of the eye; another one resets the zoom.
        name: What stands over the photograph.
        photograph: JPEG.
        ratio: Its height over its width.
        panels: The heatmaps; none for the photograph alone.
        outlines: The lesions.
        origin: Where the picture comes from, for the saved one: fact and text.
        file: Name of the saved picture, without ending.
        part: Left, top and width of what is shown on the whole photograph, which is 1 wide.
        strokes: What the user has drawn over this eye, which `outlines` has in it; None where nothing may be drawn.
        height: Most pixels that a panel is high on the page.
    """

    eye: str
    name: str
    photograph: bytes
    ratio: float
    origin: Mapping[str, str]
    file: str
    panels: Sequence[Panel] = ()
    outlines: Sequence[Outline] = ()
    part: tuple[float, float, float] = (0.0, 0.0, 1.0)
    strokes: Strokes | None = None
    height: int | None = None


def show(scene: Scene, key: str) -> None:
    """Show the viewer; what the user draws is kept as the eye's strokes (`dr_ui.eyes.drawing`).

    Args:
        scene: What it shows.
        key: Its name; zoom and style belong to it and survive reruns.
    """

    def keep_drawing() -> None:
        parsed = drawing.parse(st.session_state[key].get("drawing"))
        if parsed is not None and parsed[0] == scene.eye:
            drawing.keep_strokes(*parsed)

    _component()(data=_message(scene, key), key=key, on_drawing_change=keep_drawing)


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _component() -> Any:  # noqa: ANN401 - Streamlit names no type
    return st.components.v2.component(
        "dr_lens_viewer",
        html=_read("viewer.html"),
        css=_ramp_css() + _read("viewer.css"),
        js="\n".join([_ramp_script(), take_figure.files_script(), *map(_read, _SCRIPTS), _read("viewer.js")]),
    )


def _ramp_script() -> str:
    ramps = {
        "positive": overlay.POSITIVE_RAMP,
        "negative": overlay.NEGATIVE_RAMP,
        "opacityPower": overlay.OPACITY_POWER,
        "dimming": overlay.EYE_DIMMING,
    }
    return f"const RAMPS = {json.dumps(ramps)};"


def _ramp_css() -> str:
    return (
        f".lens-viewer {{ --ramp: {overlay.ramp_gradient()}; --signed-ramp: {overlay.ramp_gradient(signed=True)}; "
        f"--strongest: {overlay.STRONGEST_COLOR}; }}\n"
    )


def _message(scene: Scene, key: str) -> dict[str, Any]:
    return {
        "name": key,
        "eye": scene.eye,
        "photograph": f"data:image/jpeg;base64,{base64.b64encode(scene.photograph).decode()}",
        "ratio": scene.ratio,
        "panels": [{"label": scene.name}, *(_panel_message(panel) for panel in scene.panels)],
        "outlines": [vars(one) for one in scene.outlines],
        "signed": any(panel.heatmap.signed for panel in scene.panels if panel.heatmap),
        "origin": dict(scene.origin),
        "file": scene.file,
        "part": scene.part,
        "height": scene.height,
        "strokes": None if scene.strokes is None else drawing.to_message(scene.strokes),
        "lesions": [
            {"code": lesion.code, "name": lesion.label, "color": lesion.color, "dash": lesion.dash}
            for lesion in LESIONS.values()
        ],
        "mostStrokes": MOST_STROKES,
    }


def _panel_message(panel: Panel) -> dict[str, Any]:
    about = {"label": panel.label, "note": panel.note, "color": panel.color, "line": panel.line, "place": panel.extent}
    if panel.heatmap is None:
        return about | {"reason": panel.reason}
    return about | {
        "map": f"data:image/png;base64,{base64.b64encode(panel.heatmap.png).decode()}",
        "peak": panel.heatmap.peak,
        "top": panel.heatmap.top,
    }


def encode_map(heatmap: np.ndarray) -> bytes:
    """Write a heatmap, float (S, S), as PNG.

    Red and green are the high and low byte of |value| / peak * 65535, blue is 255 where the value is negative. Eight
    bits would not rank the most relevant pixels.
    """
    peak = float(np.abs(heatmap).max())
    levels = np.rint(np.abs(heatmap) / peak * 65535).astype(np.uint16) if peak > 0 else np.zeros(heatmap.shape, "u2")
    negative = np.where(heatmap < 0, 255, 0).astype(np.uint8)
    bgr = np.dstack([negative, (levels & 255).astype(np.uint8), (levels >> 8).astype(np.uint8)])
    done, buffer = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError("the heatmap could not be encoded")
    return buffer.tobytes()


def trace(
    mask: np.ndarray, rectangle: tuple[int, int, int, int], *, code: str, name: str, color: str, dash: str
) -> Outline:
    """Trace a mask, bool (H, W), and find where its letters stand; the other arguments as in `Outline`."""
    rings = outline_of(mask, rectangle)
    largest = np.array(rings[0] if rings else (0.0, 0.0)).reshape(-1, 2)
    x, y = largest[(largest[:, 0] - largest[:, 1]).argmax()].tolist()
    return Outline(code=code, name=name, color=color, dash=dash, rings=rings, anchor=(x, y))


def outline_of(mask: np.ndarray, rectangle: tuple[int, int, int, int]) -> tuple[tuple[float, ...], ...]:
    """Trace a mask.

    Args:
        mask: Bool (H, W), of the photograph's size.
        rectangle: Left, top, width and height in pixels of the part of the photograph that is shown.

    Returns:
        Rings, largest first, in units of the shown part's width.
    """
    left, top, width, _ = rectangle
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    precision, offset = width / 3000, np.array([0.5 - left, 0.5 - top])
    rings = [cv2.approxPolyDP(contour, precision, True)[:, 0] for contour in sorted(contours, key=_size, reverse=True)]
    shown = [((ring + offset) / width).ravel() for ring in rings]
    return tuple(tuple(round(float(value), 5) for value in ring) for ring in shown)


def _size(contour: np.ndarray) -> float:
    return float(cv2.contourArea(contour))
