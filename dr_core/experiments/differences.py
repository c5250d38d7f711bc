"""How far set-ups lie from a reference set-up, measure by measure, on the same drawn patients."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.analysis.drawn_intervals import drawn_interval, warn_eyes
from dr_core.analysis.intervals import Interval, auc_difference_interval
from dr_core.analysis.measures import FIVE_GRADES, GradedEyes, Measure, ReadEyes, measures_of
from dr_core.data.grades import READINGS
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, MeasureConfig, answers_grades, each_model, read_answers

COLUMNS = ("data", "setup", "other", "reading", "measure", "value", "low", "high", "warning")
"""Columns of the differences."""


def measure_differences(
    predictions: pd.DataFrame, reference: str, reading: str, config: MeasureConfig | None = None
) -> pd.DataFrame:
    """Take a reference set-up's measures off those of every other set-up, with paired intervals by patients.

    Args:
        predictions: Rows of `predictions` of one seed and fraction.
        reference: Name of the set-up that is taken off.
        reading: Key of `READINGS`; the measures of the five grades come with it where grades are known.
        config: How it is measured.

    Returns:
        A row for each data set, other set-up and measure, with the columns of `COLUMNS`: `value` is the set-up's minus
        the reference's, `low` and `high` its 95 % interval. Data sets without answers of the reference have none.

    Raises:
        InputError: If two set-ups were not asked about the same eyes, or a probability is not a number.
    """
    config, rows = config or MeasureConfig(), []
    for data, part in predictions.groupby("data", sort=False):
        models = {str(about["setup"]): (answers, draws) for about, answers, draws in each_model(part, config)}
        if reference not in models:
            continue
        others, draws = models.pop(reference)
        for setup, (answers, _) in models.items():
            if list(answers["eye"]) != list(others["eye"]):
                raise InputError(f"{setup} and {reference} have no answers for the same eyes of {data}.")
            about = {"data": data, "setup": setup, "other": reference}
            found = [
                *_compare_reading(answers, others, draws, reading, config),
                *_compare_grades(answers, others, draws),
            ]
            rows += [about | row for row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compare_reading(
    answers: pd.DataFrame, others: pd.DataFrame, draws: PatientDraws, reading: str, config: MeasureConfig
) -> Iterator[dict[str, object]]:
    points = {"at_specificity": config.at_specificity, "at_sensitivity": config.at_sensitivity}
    known = READINGS.find(reading)
    (labels, first), (_, second) = (read_answers(rows, known.name) for rows in (answers, others))
    if np.isnan(first).any() or np.isnan(second).any():  # one of the two does not answer this reading
        return
    eyes, of_other = (ReadEyes(scores=scores, labels=labels, draws=draws, **points) for scores in (first, second))
    for measure in measures_of("reading"):
        if measure.name == "auc":
            found, _ = auc_difference_interval(first, second, labels, draws.patient)
        else:
            drawn = measure.compute(eyes) - measure.compute(of_other)
            found = replace(_difference_interval(drawn, draws), warning=warn_eyes(labels, drawn))
        yield _row(measure.name_in_table(eyes), known.name, found)


def _compare_grades(answers: pd.DataFrame, others: pd.DataFrame, draws: PatientDraws) -> Iterator[dict[str, object]]:
    if not (answers_grades(answers) and answers_grades(others)):
        return
    grades = answers["grade"].to_numpy(int)
    eyes, of_other = (
        GradedEyes(softmax=rows[ANSWERS].to_numpy(np.float64), grades=grades, draws=draws) for rows in (answers, others)
    )
    for measure in measures_of("grades"):
        yield _row(measure.name, FIVE_GRADES, _grades_difference(measure, eyes, of_other))


def _grades_difference(measure: Measure, eyes: GradedEyes, others: GradedEyes) -> Interval:
    return _difference_interval(measure.compute(eyes) - measure.compute(others), eyes.draws)


def _difference_interval(drawn: np.ndarray, draws: PatientDraws) -> Interval:
    return drawn_interval(drawn, len(draws.times), least=-1.0)


def _row(measure: str, reading: str, found: Interval) -> dict[str, object]:
    about = {"reading": reading, "measure": measure}
    return about | {"value": found.value, "low": found.low, "high": found.high, "warning": found.warning}
