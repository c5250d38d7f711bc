"""The operating point: from which probability of which grades each model's answer counts as referable."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dr_core.analysis.agreement import Agreement, find_agreement
from dr_core.analysis.operating_points import CRITERIA
from dr_core.data.grades import GRADES, PAPER_READING, READINGS, Reading, referable_readings
from dr_core.study.folder import Study
from dr_ui.shell import result_tables
from dr_ui.shell.navigation import kept_input

DEFAULT_THRESHOLD = 0.5

THRESHOLDS = (0.05, 0.95, 0.05)
"""Lowest and highest threshold on the slider, and its step."""

OWN = "own threshold"
"""Choice of the threshold on the slider, one for all models."""


@dataclass(frozen=True)
class OperatingPoint:
    """When an eye counts as referable.

    Attributes:
        reading: Which grades are referable.
        threshold: Probability of these grades from which an eye counts as referable, 0..1, where none was chosen for a
            model.
        chosen: Set-up and its threshold, for a point that was chosen on stated eyes.
        name: What it was chosen for, and on which eyes, for people; empty where it was not.
    """

    reading: Reading
    threshold: float
    chosen: tuple[tuple[str, float], ...] = ()
    name: str = ""

    @property
    def grades(self) -> str:
        """The referable grades, such as "3-4"."""
        return referable_grades(self.reading)

    @property
    def label(self) -> str:
        """Its name for people; a bare probability is called so."""
        if self.name:
            return self.name
        return f"probability {self.threshold:.2f}, chosen on no eyes"

    @property
    def range(self) -> str:
        """Its thresholds, such as "from .38 to .52 on", for people."""
        values = [value for _, value in self.chosen] or [self.threshold]
        low, high = f"{min(values):.2f}", f"{max(values):.2f}"
        return f"threshold {low} on" if low == high else f"threshold of each model on, {low} to {high}"

    def threshold_of(self, setup: str) -> float:
        """Threshold of a set-up, 0..1; above 1 where it may flag no eye."""
        return dict(self.chosen).get(setup, self.threshold)

    def score(self, softmax: np.ndarray) -> np.ndarray:
        """Probability of a referable grade, float (...), from softmax (..., 5); NaN where the model gives none."""
        return np.asarray(self.reading.score(softmax))

    def answered(self, answers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The answers, set-up -> softmax (..., 5), of the models that answer this reading."""
        return {setup: softmax for setup, softmax in answers.items() if not np.isnan(self.score(softmax)).any()}

    def agree(self, answers: Mapping[str, np.ndarray]) -> Agreement:
        """Which of the models call an eye referable, from set-up -> softmax, float (5,)."""
        thresholds = {setup: self.threshold_of(setup) for setup in answers}
        return find_agreement(answers, self.reading.positive_from, thresholds)


def default_operating_point() -> OperatingPoint:
    """The paper's reading at a probability of one half."""
    return OperatingPoint(READINGS[PAPER_READING], DEFAULT_THRESHOLD)


def referable_grades(reading: Reading) -> str:
    """The positive grades of a reading, such as "3-4"."""
    worst = len(GRADES) - 1
    return str(worst) if reading.positive_from == worst else f"{reading.positive_from}-{worst}"


def choose_point(study: Study, point_column: DeltaGenerator, reading_column: DeltaGenerator) -> OperatingPoint:
    """Draw the operating point and the reading, each in its column."""
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
    reading = readings[label or next(iter(readings))]
    with point_column:
        point = _choose_threshold(study, reading)
    st.session_state[_CURRENT] = point
    return point


def _choose_threshold(study: Study, reading: Reading) -> OperatingPoint:
    stored = _stored_points(study, reading)
    box = st.popover("Operating point", width="stretch", help="Probability from which an eye counts as referable.")
    with box:
        name = _select_point(
            study,
            stored,
            "Chosen for",
            _label(study, OWN),
            "threshold",
            "Each model's threshold was chosen for a stated sensitivity or specificity on stated eyes; other eyes give "
            "other values. A threshold of 0.50 was not chosen on any eyes.",
        )
        threshold = st.slider(
            "Referable from",
            THRESHOLDS[0],
            THRESHOLDS[1],
            DEFAULT_THRESHOLD,
            THRESHOLDS[2],
            **kept_input("threshold"),
            disabled=name != OWN,
            help="Threshold: an eye counts as referable when the probability of the referable grades (0 to 1) reaches "
            "this value. A lower threshold finds more diseased eyes and gives more false positives.",
        )
    if name in stored:
        point = OperatingPoint(reading, threshold, tuple(stored[name].items()), _label(study, name))
    else:
        point = OperatingPoint(reading, threshold)
    st.caption(f"now: {point.label}")
    return point


POINT = "point"
"""Key of the choice of a point by name, on every page that has one."""


def choose_stored(
    study: Study, reading: Reading, setups: Collection[str], own: str, slider: str
) -> tuple[str, dict[str, float]]:
    """Draw the choice among the stored points that each of these models has, or a point of the page's own.

    Args:
        study: The study.
        reading: The reading.
        setups: Names of the set-ups.
        own: What the page's own point is called.
        slider: Key of its slider: where the link names its value, the page's own point is meant.

    Returns:
        Name of the point, and set-up -> threshold; both empty for the page's own.
    """
    stored = {key: found for key, found in _stored_points(study, reading).items() if set(setups) <= set(found)}
    if st.session_state.get(POINT, OWN) not in (OWN, *stored):
        del st.session_state[POINT]  # chosen where another reading or other models were shown
    key = _select_point(
        study,
        stored,
        "Operating point",
        own,
        slider,
        "Probability from which an eye counts as positive. A named point has a threshold for each model, chosen for a "
        "stated sensitivity or specificity on stated eyes; what it reaches on these eyes is measured here.",
    )
    return (_label(study, key), stored[key]) if key in stored else ("", {})


def _select_point(study: Study, stored: Collection[str], label: str, own: str, slider: str, text: str) -> str:
    """The choice among stored points and the page's own, by key; it opens with one of calibration eyes, if any."""
    options = [OWN, *stored]
    calibrated = next((key for key in stored if _is_calibrated(study, key)), OWN)
    return st.selectbox(
        label,
        options,
        index=options.index(OWN if slider in st.query_params else calibrated),
        format_func=lambda key: own if key == OWN else _label(study, key),
        **kept_input(POINT),
        help=text,
    )


def point_names(study: Study) -> list[str]:
    """Names of the points that can be chosen under every reading of the grades."""
    stored = [set(_stored_points(study, reading)) for reading in referable_readings()]
    return [OWN, *sorted(set.intersection(*stored))]


_BETWEEN = " on "


def _label(study: Study, key: str) -> str:
    """Name of a stored point for people, such as "90 % specificity on phantoms"."""
    criterion, _, data = key.partition(_BETWEEN)
    if criterion not in CRITERIA or not data:
        return "own threshold, one for all models"
    return f"{CRITERIA[criterion].label} on {result_tables.data_title(study, data)}"


def _is_calibrated(study: Study, key: str) -> bool:
    data = key.partition(_BETWEEN)[2]
    return any(known.key == data and known.role == "calibration" for known in study.info.data)


def _stored_points(study: Study, reading: Reading) -> dict[str, dict[str, float]]:
    """Criterion and eyes -> set-up -> threshold, calibration eyes first."""
    table = result_tables.load_table(study, "operating_points")
    if table is None:
        return {}
    rows = table[(table["reading"] == reading.name) & ~table["criterion"].str.startswith("probability")]
    found = {
        f"{criterion}{_BETWEEN}{data}": _thresholds(part)
        for (data, criterion), part in rows.groupby(["data", "criterion"], sort=False)
    }
    return dict(sorted(found.items(), key=lambda pair: not _is_calibrated(study, pair[0])))


def _thresholds(rows: pd.DataFrame) -> dict[str, float]:
    return dict(zip(rows["setup"].astype(str), rows["threshold"].astype(float), strict=True))


_CURRENT = "operating_point"


def current_point() -> OperatingPoint:
    """The operating point that the session has chosen on any page; the default before."""
    point: OperatingPoint = st.session_state.get(_CURRENT) or default_operating_point()
    return point
