"""ROC curves with one operating point for all models: the hand drags it, and every number follows without a rerun.

The browser gets what happens at each of 101 specificities; it never has to ask while the point moves. What is let go
is told to the page, so that its tables and its link follow.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dr_core.analysis.discrimination import Operation, operate_at, roc_points
from dr_core.models.setups import SETUPS

STOPS = tuple(round(0.01 * stop, 2) for stop in range(101))
"""Specificities on which the point can stand."""

_FOLDER = Path(__file__).parent
_CORNERS = 400
"""Most corners of a ROC curve that are drawn."""

_HTML = '<div class="lens-operating"><div class="plot"></div><div class="cards" role="status"></div></div>'


def show(answers: Mapping[str, tuple[np.ndarray, np.ndarray]], specificity: str, key: str) -> None:
    """Show the curves, the point, and what each model does there.

    Args:
        answers: Set-up -> labels and scores.
        specificity: Key of the slider that the point moves and that moves the point.
        key: Name of this place on the page.
    """

    def tell() -> None:
        moved = st.session_state[key].get("moved")
        if moved is not None:
            st.session_state[specificity] = min(max(round(float(moved), 2), STOPS[0]), STOPS[-1])

    data = {"models": message(answers), "stop": STOPS.index(round(float(st.session_state[specificity]), 2))}
    _component()(data=data, key=key, on_moved_change=tell)


def message(answers: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """What the browser gets: for each set-up its look, its curve, and threshold and counts at every stop."""
    return [_model(setup, scores, labels, STOPS) for setup, (labels, scores) in answers.items()]


def _model(setup: str, scores: np.ndarray, labels: np.ndarray, stops: Sequence[float]) -> dict[str, Any]:
    _, sensitivity, spared = roc_points(scores, labels)
    kept = np.unique(np.linspace(0, len(sensitivity) - 1, min(_CORNERS, len(sensitivity))).astype(int))
    return {
        "label": SETUPS[setup].label,
        "color": SETUPS[setup].color,
        "solid": SETUPS[setup].self_supervised,
        "alarms": (1 - spared[kept]).round(5).tolist(),
        "sensitivity": sensitivity[kept].round(5).tolist(),
        "points": [_point(point) for point in operate_at(scores, labels, stops)],
    }


def _point(point: Operation) -> tuple[float | None, int, int, int, int]:
    threshold = point.threshold if np.isfinite(point.threshold) else None  # JSON knows no infinity
    return threshold, point.found, point.missed, point.alarms, point.spared


@cache
def _component() -> Any:  # noqa: ANN401 - Streamlit's own mounting function
    style, script = ((_FOLDER / f"operating.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return st.components.v2.component("dr_lens_operating", html=_HTML, css=style, js=script)
