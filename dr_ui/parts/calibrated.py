"""What an answer means on eyes like those that the study was calibrated on: a probability and a set of grades."""

from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from dr_core.analysis.calibration import FittedMap
from dr_core.analysis.conformal import SET_METHODS, conformal_sets, describe_set, fit_thresholds
from dr_core.data.grades import GRADES, TWO_OUTPUTS, tells_grades
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, answers_grades
from dr_core.experiments.calibration import chosen_maps
from dr_core.study.folder import DataSet, Study
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.shell import result_tables

COVERAGE = 0.9
"""Share of eyes whose set holds the true grade."""

_SHARE = f"{100 * COVERAGE:.0f} %"


def calibration_eyes(study: Study) -> DataSet | None:
    """The eyes on which the study was calibrated last; None where it was not."""
    table = result_tables.load_table(study, "calibrations")
    if table is None or table.empty:
        return None
    key = str(table["data"].iloc[-1])
    return next((data for data in study.info.data if data.key == key), None)


def grade_sets(
    study: Study, data: str, answers: Mapping[str, np.ndarray], *, by_class: bool = False
) -> dict[str, np.ndarray]:
    """Sets of grades of each set-up, from the stored answers about calibration eyes.

    Args:
        study: The study.
        data: Key of the calibration eyes.
        answers: Set-up -> softmax, float (N, 5).
        by_class: Whether the share holds for the eyes of each grade, not only for all together.

    Returns:
        Set-up -> bool (N, 5); a set-up without enough graded calibration eyes is left out.
    """
    stored = result_tables.load_table(study, "calibration_answers")
    method, found = next(iter(SET_METHODS.values())), {}
    for setup, softmax in answers.items():
        rows = pd.DataFrame() if stored is None else stored[(stored["data"] == data) & (stored["setup"] == setup)]
        if rows.empty or not answers_grades(rows):
            continue
        try:
            given = rows[ANSWERS].to_numpy(np.float64), rows["grade"].to_numpy(int)
            thresholds = fit_thresholds(method, *given, COVERAGE, by_class=by_class)
        except InputError:  # too few eyes: the other figures stand
            continue
        found[setup] = conformal_sets(method, softmax, thresholds)
    return found


def answer_html(study: Study, answers: Mapping[str, np.ndarray], point: OperatingPoint) -> str:
    """The calibrated probability and the set of each model about one eye; empty where the study was not calibrated.

    Args:
        study: The study.
        answers: Set-up -> softmax, float (5,).
        point: The operating point, whose reading is calibrated.
    """
    data, table = calibration_eyes(study), result_tables.load_table(study, "calibrations")
    if data is None or table is None:
        return ""
    maps = chosen_maps(table, data.key, point.reading.name)
    sets = grade_sets(study, data.key, {setup: softmax[None] for setup, softmax in answers.items()})
    rows = "".join(
        f"<tr><th>{escape(study.setups[setup].label)}</th><td>{_probability(maps, setup, point, softmax)}</td>"
        f"<td>{_set(sets, setup, softmax)}</td></tr>"
        for setup, softmax in answers.items()
    )
    title = escape(data.label or data.title)
    return (
        '<table class="lens-sets lens-small"><thead><tr><td></td>'
        f"<th>P(grade {point.grades}), calibrated</th><th>{_SHARE} set of grades</th></tr></thead>"
        f'<tbody>{rows}</tbody></table><p class="lens-small">Both apply to eyes like the {data.images} of {title}: '
        f"for {_SHARE} of such eyes the set contains the true grade. With another camera there is no guarantee.</p>"
    )


def _set(sets: Mapping[str, np.ndarray], setup: str, softmax: np.ndarray) -> str:
    if setup in sets:
        return describe_set(sets[setup][0], GRADES)
    return "too few eyes" if tells_grades(softmax) else TWO_OUTPUTS


def _probability(maps: Mapping[str, FittedMap], setup: str, point: OperatingPoint, softmax: np.ndarray) -> str:
    fitted = maps.get(setup)
    raw = float(point.score(softmax))
    if np.isnan(raw):
        return TWO_OUTPUTS
    if fitted is None:
        return f"not calibrated ({raw:.2f})"
    return f"{float(fitted.apply(np.array([raw]))[0]):.2f} (raw {raw:.2f})"
