"""What follows from the answers about damaged eyes: measures under every corruption, and Figure 4."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws, interval, sample_patients
from dr_core.analysis.drawn_intervals import drawn_interval, warn_dropped
from dr_core.analysis.intervals import Interval
from dr_core.analysis.measures import (
    FIVE_GRADES,
    CorruptionErrors,
    DamagedEyes,
    GradedEyes,
    Measure,
    ReadEyes,
    measures_of,
    under_damage,
)
from dr_core.analysis.robustness import bootstrap_means, score_difference
from dr_core.data.grades import READINGS, Reading, tells_grades
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, RUN, are_probabilities, find_grades_interval, find_interval
from dr_core.experiments.damage import CLEAN, RobustnessConfig
from dr_core.models.setups import Setup

_PAPER_ROWS = {("iwne_cl", "iwne_fs"): "iwne", ("ifi_cl", "ifi_fs"): "ifi"}
"""Names of Figure 4's two rows in the tables."""

DIFFERENCE_COLUMNS = (
    "data",
    "initialization",
    *RUN,
    "other",
    "corruption",
    "severity",
    "value",
    "low",
    "high",
    "n",
    "warning",
)
"""Columns of `robustness_differences`."""


@dataclass(frozen=True)
class _Grid:
    """Answers on the same eyes under the same damage.

    Attributes:
        about: Data set, and seed and fraction of the training runs as far as the rows have them.
        cells: Corruption and severity of each cell, the clean one first.
        answers: Set-up -> float64 (cells, N, 5).
        grades: Int (N,).
        draws: Draws of the patients.
    """

    about: dict[str, object]
    cells: list[tuple[str, float]]
    answers: dict[str, np.ndarray]
    grades: np.ndarray
    draws: PatientDraws


def _grids(rows: pd.DataFrame, config: RobustnessConfig) -> Iterator[_Grid]:
    """The grids of each data set, seed and fraction; the patients of a data set are drawn alike for all of them."""
    if not are_probabilities(rows):
        raise InputError("Some probabilities of the damaged eyes are not numbers; compute them again.")
    keys = ["data", *(column for column in RUN if column != "setup" and column in rows)]
    for key, part in rows.groupby(keys, sort=False):
        names = list(dict.fromkeys(part["corruption"]))
        rank = part["corruption"].map({name: number for number, name in enumerate(names)})
        part = part.assign(rank=rank).sort_values(["setup", "rank", "severity", "patient", "eye"], kind="stable")
        eyes = part.drop_duplicates(["patient", "eye"])[["patient", "eye", "grade"]]
        distinct = part.drop_duplicates(["corruption", "severity"])
        cells = list(zip(distinct["corruption"].astype(str), distinct["severity"].astype(float), strict=True))
        shape = (len(cells), len(eyes), len(ANSWERS))
        answers = {}
        for setup, found in part.groupby("setup", sort=False):
            if len(found) != len(cells) * len(eyes):
                raise InputError(f"{setup} lacks some damaged eyes of {key[0]}; let the measurement run to its end.")
            answers[str(setup)] = found[ANSWERS].to_numpy(np.float64).reshape(shape)
        draws = sample_patients(eyes["patient"].astype(str).to_numpy(), draws=config.draws, seed=config.seed)
        about = dict(zip(keys, key, strict=True))
        yield _Grid(about, cells, answers, eyes["grade"].to_numpy(np.int64), draws)


def summarize_robustness(rows: pd.DataFrame, config: RobustnessConfig, reference: str) -> pd.DataFrame:
    """Measure every model under every corruption and severity.

    Args:
        rows: Rows of `robustness`.
        config: Draws and seed of the intervals.
        reference: The set-up to which corruption errors are relative; there are none where the rows lack it.

    Returns:
        Rows as `RESULT_COLUMNS` describes `robustness_summary`.

    Raises:
        InputError: If a model lacks some of the damaged eyes, or a probability is not a number.
    """
    found: list[dict[str, object]] = []
    for grid in _grids(rows, config):
        for setup, answers in grid.answers.items():
            about = grid.about | {"setup": setup}
            found += [about | row for row in _measure_cells(grid, answers)]
        found += _relate_to(grid, reference)
    return pd.DataFrame(found)


def relate_errors(rows: pd.DataFrame, config: RobustnessConfig, reference: str) -> pd.DataFrame:
    """The corruption errors of every model relative to a set-up's, as `summarize_robustness` gives them."""
    return pd.DataFrame([row for grid in _grids(rows, config) for row in _relate_to(grid, reference)])


def _relate_to(grid: _Grid, reference: str) -> list[dict[str, object]]:
    graded = _graded(grid)
    if reference not in graded:
        return []
    return [
        grid.about | {"setup": setup} | row
        for setup, answers in graded.items()
        for row in _measure_errors(grid, answers, graded[reference])
    ]


def _graded(grid: _Grid) -> dict[str, np.ndarray]:
    """The answers of the set-ups that tell the five grades apart."""
    return {setup: answers for setup, answers in grid.answers.items() if tells_grades(answers)}


def _row(cell: tuple[str, float], measure: str, reading: str, found: Interval, n: int) -> dict[str, object]:
    about = {"corruption": cell[0], "severity": cell[1], "measure": measure, "reading": reading}
    return about | {"value": found.value, "low": found.low, "high": found.high, "n": n, "warning": found.warning}


def _measure_cells(grid: _Grid, answers: np.ndarray) -> Iterator[dict[str, object]]:
    damaged = DamagedEyes(softmax=answers, grades=grid.grades, draws=grid.draws)
    over_cells = [(measure, measure.compute(damaged)) for measure in measures_of("damage")]
    patients = len(grid.draws.times)
    for number, cell in enumerate(grid.cells):
        for measure, values in over_cells:
            if not np.isnan(values[number]).all():  # a model with two outputs answers some of them
                found = drawn_interval(values[number], patients)
                yield _row(cell, measure.name, measure.reading, found, len(grid.grades))
        graded = GradedEyes(softmax=answers[number], grades=grid.grades, draws=grid.draws)
        for measure, reading in under_damage():
            answered = _find(measure, reading, graded)
            if answered is not None:
                yield _row(cell, measure.name, reading, answered, len(grid.grades))


def _find(measure: Measure, reading: str, eyes: GradedEyes) -> Interval | None:
    """A measure of a reading or of the five grades; None where the model does not answer it."""
    if reading == FIVE_GRADES:
        return find_grades_interval(measure, eyes) if tells_grades(eyes.softmax) else None
    read = _read(eyes, READINGS[reading])
    return None if np.isnan(read.scores).all() else find_interval(measure, read)


def _read(eyes: GradedEyes, reading: Reading) -> ReadEyes:
    return ReadEyes(scores=reading.score(eyes.softmax), labels=reading.positives(eyes.grades), draws=eyes.draws)


def _measure_errors(grid: _Grid, answers: np.ndarray, reference: np.ndarray) -> Iterator[dict[str, object]]:
    """Corruption errors of the five grades, relative to the reference; the mean over corruptions last."""
    names = list(dict.fromkeys(name for name, _ in grid.cells if name != CLEAN))
    wrong = [bootstrap_means(values.argmax(axis=-1) != grid.grades, grid.draws) for values in (answers, reference)]
    of_name = [[number for number, (name, _) in enumerate(grid.cells) if name == one] for one in names]
    errors = CorruptionErrors(errors=wrong[0][of_name], reference=wrong[1][of_name])
    n, unknown = len(grid.grades), float("nan")
    for measure in measures_of("corruption"):
        found = measure.compute(errors)
        for name, values in zip(names, found, strict=True):
            yield _row((name, unknown), measure.name, FIVE_GRADES, _ratio_interval(values), n)
        yield _row(("all", unknown), measure.name, FIVE_GRADES, _ratio_interval(found.mean(axis=0)), n)


def _ratio_interval(drawn: np.ndarray) -> Interval:
    """Interval of a ratio to the reference; the reference's own, 1 by definition, has none."""
    value, low, high = interval(drawn)
    if not low < high:
        low = high = float("nan")
    warning = "no interval: all draws agree" if np.isfinite(value) and not np.isfinite(low) else warn_dropped(drawn)
    return Interval(value=value, low=low, high=high, error=float("nan"), warning=warning)


def compare_training(rows: pd.DataFrame, config: RobustnessConfig, setups: Iterable[Setup]) -> pd.DataFrame:
    """The paper's Figure 4: each set-up minus its partner, contrastive minus supervised; the score of the true grade.

    Args:
        rows: Rows of `robustness`.
        config: Draws and seed of the intervals.
        setups: The set-ups that are compared with their partners where the rows have both.

    Returns:
        Rows as `RESULT_COLUMNS` describes `robustness_differences`.
    """
    return compare_pairs(rows, config, [(setup.name, setup.partner) for setup in setups if setup.partner])


def compare_pairs(rows: pd.DataFrame, config: RobustnessConfig, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Figure 4 of any pairs of set-ups, the first minus the second; pairs that the rows lack are left out.

    Args:
        rows: Rows of `robustness`.
        config: Draws and seed of the intervals.
        pairs: Names of the set-ups.

    Returns:
        Rows as `RESULT_COLUMNS` describes `robustness_differences`.
    """
    found = []
    for grid in _grids(rows, config):
        graded = _graded(grid)
        for first, second in (pair for pair in pairs if set(pair) <= set(graded)):
            row_of_figure = _PAPER_ROWS.get((first, second), first)
            about = grid.about | {"initialization": row_of_figure, "setup": first, "other": second}
            values = score_difference(graded[first], graded[second], grid.grades, grid.draws)
            for cell, value in zip(grid.cells, values, strict=True):
                ends = drawn_interval(value, len(grid.draws.times), least=-1.0)
                row = _row(cell, "", "", ends, len(grid.grades))
                keys = ("corruption", "severity", "value", "low", "high", "n", "warning")
                found.append(about | {key: row[key] for key in keys})
    return pd.DataFrame(found) if found else pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))
