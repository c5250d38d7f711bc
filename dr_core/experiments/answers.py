"""Answers of a study's models on a data set, and what they are worth, as tidy tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws, sample_patients
from dr_core.analysis.discrimination import compare_aucs
from dr_core.analysis.drawn_intervals import drawn_interval, operating_interval, warn_eyes
from dr_core.analysis.intervals import (
    Interval,
    auc_difference_interval,
    auc_interval,
    mean_auc_interval,
    proportion_interval,
)
from dr_core.analysis.measures import FIVE_GRADES, MEASURES, GradedEyes, Measure, ReadEyes, measures_of
from dr_core.data.fundus import read_fundus
from dr_core.data.grades import GRADES, READINGS, Reading, supported_readings, tells_grades
from dr_core.data.preprocessing import Preprocessing, standardize_color
from dr_core.errors import InputError
from dr_core.experiments.settings import describe
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_shared

ANSWERS = [f"p{grade}" for grade in range(len(GRADES))]
"""Columns of the softmax; of models with two outputs as `dr_core.data.grades.spread_binary` writes it."""

_SUM_WITHIN = 1e-3

RUN = ("setup", "seed", "fraction")
"""Columns that tell training runs apart; answers of a study's own seed alone may lack the last two."""

_PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def predict_table(
    data: str, models: dict[str, LoadedModel], views: np.ndarray, eyes: pd.DataFrame, device: str = "cpu"
) -> pd.DataFrame:
    """Ask every model about every eye.

    Args:
        data: Key of the data set.
        models: Name of a set-up or training run -> model.
        views: Uint8 (N, S, S, 3), eyes at model size.
        eyes: N rows with the columns `eye`, `patient`, `grade` and `has_dr`.
        device: Where the models lie.

    Returns:
        A row for each model and eye, whose name stands in the column `setup`.
    """
    parts = []
    for setup, softmax in predict_shared(models, views, device=device, fill=True).items():
        answers = pd.DataFrame(softmax, columns=ANSWERS)
        parts.append(pd.concat([eyes.reset_index(drop=True).assign(data=data, setup=setup), answers], axis=1))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """How answers are measured.

    Attributes:
        at_specificity: Specificity at which the sensitivity is taken, 0..1.
        at_sensitivity: Sensitivity at which the specificity is taken, 0..1.
        draws: Bootstrap draws.
        seed: Seed of the draws.
        by: Columns of the eyes' table by whose values they are measured in groups.
    """

    at_specificity: float = describe(
        0.9, "specificity at which the sensitivity is taken, 0 to 1", name="specificity", least=0, most=1
    )
    at_sensitivity: float = describe(
        0.9, "sensitivity at which the specificity is taken, 0 to 1", name="sensitivity", least=0, most=1
    )
    draws: int = describe(1000, "bootstrap draws over patients", least=1)
    seed: int = describe(0, "seed of the draws", least=0)
    by: tuple[str, ...] = describe((), "column of the eyes' table by whose values they are measured in groups")


def summarize(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Measure every model on every data set, with intervals by patients.

    Where the true grade is known, each reading's score is held against the same reading of the true grade, and the
    five grades are measured as well. Where only the presence of DR is known, that reading alone is measured.

    Args:
        predictions: Rows of `predictions`.
        config: How it is measured.

    Returns:
        A table with the columns of `RESULT_COLUMNS["performance"]`, those of `RUN` as far as the predictions have them.

    Raises:
        InputError: If a probability is not a number, or a model answers an eye twice.
    """
    config = config or MeasureConfig()
    rows: list[dict[str, object]] = []
    for model, answers, draws in each_model(predictions, config):
        found = _measure_readings(answers, draws, config)
        if answers_grades(answers):
            found += _measure_grades(answers, draws)
        rows += [model | row for row in found]
    return pd.DataFrame(rows)


def summarize_aucs(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """The AUCs of the readings, as in `summarize`, and nothing else."""
    config = config or MeasureConfig()
    rows = []
    for model, answers, draws in each_model(predictions, config):
        for reading in readings_of(answers):
            labels, scores = read_answers(answers, reading.name)
            found = find_interval(MEASURES["auc"], ReadEyes(scores=scores, labels=labels, draws=draws))
            rows.append(model | _row("auc", reading.name, found, labels))
    return pd.DataFrame(rows)


def each_model(
    predictions: pd.DataFrame, config: MeasureConfig
) -> Iterator[tuple[dict[str, object], pd.DataFrame, PatientDraws]]:
    """Answers of each model on each data set; the patients of a data set are drawn alike for all models."""
    run = [column for column in RUN if column in predictions]
    if not are_probabilities(predictions):
        raise InputError("Some probabilities in the table of predictions are not numbers; compute it again.")
    if predictions.duplicated(["data", *run, "patient", "eye"]).any():
        raise InputError("The table of predictions holds an eye twice for one set-up; compute it again.")
    for data, of_data in predictions.groupby("data", sort=False):
        known: list[tuple[np.ndarray, PatientDraws]] = []
        for key, answers in of_data.groupby(run, sort=False):
            patients = answers["patient"].astype(str).to_numpy()
            if not known or not np.array_equal(known[0][0], patients):
                known[:] = [(patients, sample_patients(patients, draws=config.draws, seed=config.seed))]
            yield {"data": str(data)} | dict(zip(run, key, strict=True)), answers, known[0][1]


def is_graded(answers: pd.DataFrame) -> bool:
    """Whether the true grade of every eye is known."""
    return bool((answers["grade"] >= 0).all())


def are_probabilities(answers: pd.DataFrame) -> bool:
    """Whether every row of softmax sums to 1, where that of a model with two outputs leaves some grades out."""
    return bool((answers[ANSWERS].sum(axis=1) - 1).abs().le(_SUM_WITHIN).all())


def answers_grades(answers: pd.DataFrame) -> bool:
    """Whether five grades can be measured: the true ones are known, and the model tells each from the others."""
    return is_graded(answers) and tells_grades(answers[ANSWERS].to_numpy(np.float64))


def readings_of(answers: pd.DataFrame) -> tuple[Reading, ...]:
    """The readings that the labels of these eyes support, and that a model of these rows answers."""
    softmax = answers[ANSWERS].to_numpy(np.float64)
    supported = supported_readings(graded=is_graded(answers))
    return tuple(reading for reading in supported if not np.isnan(reading.score(softmax)).all())


def read_answers(answers: pd.DataFrame, reading: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and score of one reading.

    Args:
        answers: Rows of the table of predictions.
        reading: Key of `READINGS`.

    Returns:
        Labels, bool (N,), and scores, float64 (N,), 0..1; NaN of a model that does not answer this reading.

    Raises:
        InputError: If the reading needs grades and only the presence of DR is known: no label stands in for another.
    """
    known, graded = READINGS.find(reading), is_graded(answers)
    if known.needs_grades and not graded:
        raise InputError(f"Of these eyes only the presence of DR is known, so that they cannot be read by {reading}.")
    labels = known.positives(answers["grade"]) if graded else answers["has_dr"].to_numpy(bool)
    return labels, known.score(answers[ANSWERS].to_numpy(np.float64))


def _row(
    measure: str, reading: str, found: Interval, labels: np.ndarray | None = None, n: int = 0
) -> dict[str, object]:
    n, positives = (len(labels), int(labels.sum())) if labels is not None else (n, -1)
    return {
        "measure": measure,
        "reading": reading,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": n,
        "positives": positives,
        "warning": found.warning,
    }


def find_interval(measure: Measure, eyes: ReadEyes) -> Interval:
    """A measure of one reading with the interval that covers for it; what few eyes or dropped draws mean is said."""
    drawn = measure.compute(eyes)
    if measure.name == "auc":  # with one patient of a class there is an area, but nothing to tell its error by
        return replace(auc_interval(eyes.scores, eyes.labels, eyes.draws.patient), value=float(drawn[0]))
    if measure.of_class:
        reading_eyes = eyes.labels if measure.of_class == "positive" else ~eyes.labels
        found = operating_interval(drawn, eyes.draws.patient[reading_eyes])
    else:
        found = drawn_interval(drawn, len(eyes.draws.times))
    return replace(found, warning=warn_eyes(eyes.labels, drawn))


def _measure_readings(answers: pd.DataFrame, draws: PatientDraws, config: MeasureConfig) -> list[dict[str, object]]:
    points = {"at_specificity": config.at_specificity, "at_sensitivity": config.at_sensitivity}
    rows = []
    for reading in readings_of(answers):
        labels, scores = read_answers(answers, reading.name)
        eyes = ReadEyes(scores=scores, labels=labels, draws=draws, **points)
        for measure in measures_of("reading"):
            rows.append(_row(measure.name_in_table(eyes), reading.name, find_interval(measure, eyes), labels))
    return rows


def _measure_grades(answers: pd.DataFrame, draws: PatientDraws) -> list[dict[str, object]]:
    eyes = GradedEyes(softmax=answers[ANSWERS].to_numpy(), grades=answers["grade"].to_numpy(), draws=draws)
    rows = []
    for measure in (one for one in MEASURES.values() if one.by_grade):
        rows += _measure_each_grade(measure, eyes)
    for measure in measures_of("grades"):
        rows.append(_row(measure.name, FIVE_GRADES, find_grades_interval(measure, eyes), n=len(eyes.grades)))
    return rows


def find_grades_interval(measure: Measure, eyes: GradedEyes) -> Interval:
    """A measure of the five grades with its interval."""
    if measure.name == "accuracy":
        return proportion_interval(eyes.softmax.argmax(axis=1) == eyes.grades, eyes.draws.patient)
    least = -1.0 if measure.unit.startswith("-1") else 0.0
    return drawn_interval(measure.compute(eyes), len(eyes.draws.times), least=least)


def _measure_each_grade(measure: Measure, eyes: GradedEyes) -> list[dict[str, object]]:
    """Each grade against the others, and the mean of all."""
    rows, values, parts = [], [], []
    for grade in range(len(GRADES)):
        of_grade = ReadEyes(scores=eyes.softmax[:, grade], labels=eyes.grades == grade, draws=eyes.draws)
        found = find_interval(measure, of_grade)
        rows.append(_row(measure.name, f"grade {grade} against the others", found, of_grade.labels))
        if 0 < of_grade.labels.sum() < len(of_grade.labels):  # as in training, the mean is over the grades there are
            parts.append(of_grade)
            values.append(measure.compute(of_grade))
    if measure.name == "auc":
        mean = mean_auc_interval(
            [reading_eyes.scores for reading_eyes in parts],
            [reading_eyes.labels for reading_eyes in parts],
            eyes.draws.patient,
        )
        mean = replace(
            mean, value=float(np.mean([reading_eyes[0] for reading_eyes in values])) if values else float("nan")
        )
    else:
        drawn = np.mean(values, axis=0) if values else np.full(2, np.nan)
        mean = drawn_interval(drawn, len(eyes.draws.times))
    return [*rows, _row(measure.name, FIVE_GRADES, mean, n=len(eyes.grades))]


def compare_performance(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Compare the AUCs of every two set-ups of one seed and fraction on the same eyes.

    Args:
        predictions: Rows of `predictions`.
        config: How it is measured.

    Returns:
        A table with the columns of `RESULT_COLUMNS["comparisons"]`, those of `RUN` as far as the predictions have them.

    Raises:
        InputError: If two set-ups were not asked about the same eyes.
    """
    config = config or MeasureConfig()
    rows = []
    for data, of_data in predictions.groupby("data", sort=False):
        models = list(each_model(of_data, config))
        for (first, answers, draws), (second, others, _) in combinations(models, 2):
            if any(first[column] != second[column] for column in first if column != "setup"):
                continue
            if list(answers["eye"]) != list(others["eye"]):
                raise InputError(f"{first['setup']} and {second['setup']} have no answers for the same eyes of {data}.")
            for reading in (one for one in readings_of(answers) if one in readings_of(others)):
                about = first | {"other": second["setup"], "reading": reading.name}
                rows.append(about | _compare(answers, others, draws, reading.name))
    return pd.DataFrame(rows)


def _compare(answers: pd.DataFrame, others: pd.DataFrame, draws: PatientDraws, reading: str) -> dict[str, object]:
    labels, first = read_answers(answers, reading)
    second = read_answers(others, reading)[1]
    found, p = auc_difference_interval(first, second, labels, draws.patient)
    return {
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "p": compare_aucs(first, second, labels).p,
        "p_clusters": p,
        "warning": found.warning,
    }


def read_two_folders(with_dr: Path, without_dr: Path, preprocessing: Preprocessing) -> tuple[np.ndarray, pd.DataFrame]:
    """Read photographs of eyes with and without DR, of which no more is known.

    Args:
        with_dr: Folder of photographs of eyes with DR.
        without_dr: Folder of photographs of eyes without.
        preprocessing: How they are brought to model size.

    Returns:
        Views, uint8 (N, S, S, 3), and their table for `predict_table`.

    Raises:
        InputError: If a folder is missing or holds no photograph, or one cannot be read.
    """
    files = [(path, True) for path in _list_photographs(with_dr)]
    files += [(path, False) for path in _list_photographs(without_dr)]
    views = np.stack([preprocessing.to_model_view(read_fundus(path)) for path, _ in files])
    rows = [{"eye": path.stem, "patient": path.stem, "grade": -1, "has_dr": has_dr} for path, has_dr in files]
    return views, pd.DataFrame(rows)


def _list_photographs(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; it should hold photographs of eyes.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PHOTOGRAPHS)
    if not files:
        raise InputError(f"The folder {folder} holds no JPEG, PNG or TIFF photographs.")
    return files


def standardize_colors(views: np.ndarray) -> np.ndarray:
    """Give every eye the same mean and spread of each color; uint8 (N, S, S, 3) to the same."""
    return np.stack([standardize_color(view) for view in views])
