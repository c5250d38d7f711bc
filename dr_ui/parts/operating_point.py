"""The operating point: from which probability of which grades an eye counts as referable."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dr_core.data.grades import GRADES, PAPER_READING, READINGS, Reading, referable_readings
from dr_ui.shell.navigation import kept_input

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class OperatingPoint:
    """When an eye counts as referable.

    Attributes:
        reading: Which grades are referable.
        threshold: Probability of these grades from which an eye counts as referable, 0..1.
    """

    reading: Reading
    threshold: float

    @property
    def grades(self) -> str:
        """The referable grades, such as "3-4"."""
        return referable_grades(self.reading)

    def score(self, softmax: np.ndarray) -> np.ndarray:
        """Probability of a referable grade, float (...), from softmax (..., 5)."""
        return np.asarray(self.reading.score(softmax))

    def is_referable(self, softmax: np.ndarray) -> np.ndarray:
        """Whether the probability reaches the threshold, bool (...), from softmax (..., 5)."""
        return self.score(softmax) >= self.threshold


def default_operating_point() -> OperatingPoint:
    """The paper's reading at a probability of one half."""
    return OperatingPoint(READINGS[PAPER_READING], DEFAULT_THRESHOLD)


def referable_grades(reading: Reading) -> str:
    """The positive grades of a reading, such as "3-4"."""
    worst = len(GRADES) - 1
    return str(worst) if reading.positive_from == worst else f"{reading.positive_from}-{worst}"


def choose_point(threshold_column: DeltaGenerator, reading_column: DeltaGenerator) -> OperatingPoint:
    """Draw the threshold and the reading, each in its column."""
    with threshold_column:
        threshold = st.slider(
            "Referable from",
            0.05,
            0.95,
            DEFAULT_THRESHOLD,
            0.05,
            **kept_input("threshold"),
            help="Threshold: an eye counts as referable when the probability of the referable grades (0 to 1) reaches "
            "this value. A lower threshold finds more sick eyes and gives more false positives.",
        )
    readings = {reading.label: reading for reading in referable_readings()}
    with reading_column:
        label = st.segmented_control(
            "Referable grades",
            list(readings),
            default=next(iter(readings)),
            required=True,
            **kept_input("reading"),
            help="The paper counts severe and proliferative DR; the ICDR standard counts moderate DR and worse.",
        )
    point = OperatingPoint(readings[label or next(iter(readings))], threshold)
    st.session_state[_CURRENT] = point
    return point


_CURRENT = "operating_point"


def current_point() -> OperatingPoint:
    """The operating point that the session has chosen on any page; the default before."""
    point: OperatingPoint = st.session_state.get(_CURRENT) or default_operating_point()
    return point
