"""ROC curves with one operating point for all models: the user drags it, and every number follows without a rerun.

The browser gets the counts at each of 101 specificities; it never has to ask while the point moves. Where the point
is let go is sent to the page, so that its tables and its link follow.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dr_core.analysis.discrimination import Operation, operate_at, roc_points
from dr_core.models.setups import Setup
from dr_ui.parts import take_figure
from dr_ui.shell import studies

STOPS = tuple(round(0.01 * stop, 2) for stop in range(101))
"""Specificities on which the point can stand."""

SPECIFICITY = "specificity"
"""Key of the slider that the point moves and that moves the point."""

_FOLDER = Path(__file__).parent
_CORNERS = 400
"""Most corners of a ROC curve that are drawn."""

_HTML = (
    '<div class="lens-operating"><div class="plot"></div><div class="cards" role="status"></div></div>'
    + take_figure.FIGURE_BUTTONS
)

Answers = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Set-up -> labels, bool (N,), and scores, float (N,) in 0..1."""


def show(
    answers: Answers, setups: Mapping[str, Setup], key: str, *, released: tuple[str, str], chosen: Sequence[Operation]
) -> None:
    """Show the curves, the point, and each model's confusion matrix there.

    Args:
        answers: Labels and scores of each set-up.
        setups: The study's set-ups.
        key: Name of this chart on the page.
        released: Key of the choice of an operating point, and its value once the user moves the point; the slider with
            the key `specificity` follows.
        chosen: Each model's operation at a point that was chosen by name; empty where the slider rules.
    """

    def move_slider() -> None:
        moved = st.session_state[key].get("moved")
        if moved is not None:
            st.session_state[SPECIFICITY] = min(max(round(float(moved), 2), STOPS[0]), STOPS[-1])
            st.session_state[released[0]] = released[1]

    stop = STOPS.index(round(float(st.session_state[SPECIFICITY]), 2))
    data: dict[str, Any] = {"models": message(answers, setups), "stop": stop, "released": released}
    data["chosen"] = [_point(point) for point in chosen]
    study = studies.open_chosen()
    data |= {"origin": take_figure.describe_origin(study), "file": f"{study.name}-{key}"}
    _component()(data=data, key=key, on_moved_change=move_slider)


def message(answers: Answers, setups: Mapping[str, Setup]) -> list[dict[str, Any]]:
    """What the browser gets: for each set-up its look, its curve, and threshold and counts at every stop."""
    return [_model(setups[name], scores, labels, STOPS) for name, (labels, scores) in answers.items()]


def _model(setup: Setup, scores: np.ndarray, labels: np.ndarray, stops: Sequence[float]) -> dict[str, Any]:
    _, sensitivity, specificity = roc_points(scores, labels)
    kept = np.unique(np.linspace(0, len(sensitivity) - 1, min(_CORNERS, len(sensitivity))).astype(int))
    return {
        "label": setup.label,
        "color": setup.color,
        "line": setup.css_line,
        "filled": setup.filled,
        "falsePositiveRate": (1 - specificity[kept]).round(5).tolist(),
        "sensitivity": sensitivity[kept].round(5).tolist(),
        "points": [_point(point) for point in operate_at(scores, labels, stops)],
    }


def _point(point: Operation) -> tuple[float | None, int, int, int, int]:
    # JSON knows no infinity; above 1 a stored threshold flags no eye
    threshold = point.threshold if point.threshold <= 1 else None
    return threshold, point.true_positives, point.false_negatives, point.false_positives, point.true_negatives


@cache
def _component() -> Any:  # noqa: ANN401 - Streamlit's own mounting function
    style, *scripts = ((_FOLDER / name).read_text(encoding="utf-8") for name in _FILES)
    script = "\n".join([take_figure.files_script(), *scripts])
    return st.components.v2.component("dr_lens_operating", html=_HTML, css=style + take_figure.buttons_css(), js=script)


_FILES = ("roc_chart.css", "take_roc.js", "roc_chart.js")
