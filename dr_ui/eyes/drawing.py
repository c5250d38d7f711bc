"""What the user has drawn over the eyes of this session: it belongs to the session, and follows from page to page."""

from typing import Any

import numpy as np
import streamlit as st

from dr_core.data.annotation import MOST_CORNERS, MOST_STROKES, Stroke
from dr_core.data.grades import LESIONS

Strokes = tuple[Stroke, ...]

_DRAWINGS = "drawings"
_LEAST_CORNERS = 3


def strokes_of(eye: str) -> Strokes:
    """The strokes over an eye, by its key."""
    drawings: dict[str, Strokes] = st.session_state.get(_DRAWINGS, {})
    return drawings.get(eye, ())


def keep_strokes(eye: str, strokes: Strokes) -> None:
    """Remember the strokes over an eye."""
    st.session_state.setdefault(_DRAWINGS, {})[eye] = strokes


def parse(sent: Any) -> tuple[str, Strokes] | None:  # noqa: ANN401 - whatever a browser sends
    """Read what the browser sent: the eye's key and its strokes; None for nonsense."""
    try:
        strokes = [_parse_stroke(one) for one in sent["strokes"]]
        eye = sent["eye"]
    except (KeyError, TypeError, ValueError):
        return None
    if not isinstance(eye, str) or len(strokes) > MOST_STROKES or None in strokes:
        return None
    return eye, tuple(stroke for stroke in strokes if stroke is not None)


def _parse_stroke(sent: Any) -> Stroke | None:  # noqa: ANN401
    lesions = {lesion.code: name for name, lesion in LESIONS.items()} | {"": ""}
    corners = tuple((float(x), float(y)) for x, y in sent["points"])
    possible = _LEAST_CORNERS <= len(corners) <= MOST_CORNERS and bool(np.isfinite(corners).all())
    if not possible or sent["label"] not in lesions:
        return None
    return Stroke(lesion=lesions[sent["label"]], erases=bool(sent["erases"]), corners=corners)


def to_message(strokes: Strokes) -> list[dict[str, Any]]:
    """Strokes as the browser takes and sends them."""
    return [
        {
            "label": LESIONS[stroke.lesion].code if stroke.lesion else "",
            "erases": stroke.erases,
            "points": stroke.corners,
        }
        for stroke in strokes
    ]
