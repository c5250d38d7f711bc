"""The choices that all pages share and a session file carries; one that no page offers is passed over."""

from collections.abc import Mapping
from numbers import Real

import streamlit as st

from dr_core.data.grades import referable_readings
from dr_core.study.folder import Study
from dr_ui.eyes.choice import SAMPLES
from dr_ui.parts.operating_point import POINT, THRESHOLDS, point_names
from dr_ui.parts.photograph import VIEWS
from dr_ui.shell.navigation import keep_input

_SHARED = ("threshold", "sample", "view", "reading", POINT)


def _offered(study: Study) -> dict[str, list[str]]:
    """Key of an input -> what can be chosen, for those with a list."""
    return {
        "sample": list(SAMPLES),
        "view": list(VIEWS),
        "reading": [reading.label for reading in referable_readings()],
        POINT: point_names(study),
    }


def current_choices() -> dict[str, str | float]:
    """What the session has chosen, by the inputs' keys."""
    return {key: st.session_state[key] for key in _SHARED if st.session_state.get(key) is not None}


def take_choices(study: Study, choices: Mapping[str, str | float]) -> None:
    """Choose what a session file says, on every page.

    Args:
        study: The open study.
        choices: Key of an input -> its value, from anywhere.
    """
    lowest, highest, _ = THRESHOLDS
    offered = _offered(study)
    for key, value in choices.items():
        is_threshold = key == "threshold" and isinstance(value, Real) and lowest <= value <= highest
        if is_threshold or value in offered.get(key, ()):
            keep_input(key, value)
