"""Answers of a study's models on a data set, and what they are worth, as tidy tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws, draw_patients, interval
from dr_core.analysis.discrimination import compare_aucs, measure_auc, measure_separation
from dr_core.analysis.grading import accuracy, count_confusion, measure_calibration, quadratic_kappa
from dr_core.data.fundus import read_fundus
from dr_core.data.grades import GRADES, READINGS
from dr_core.data.preprocessing import Preprocessing, standardize_color
from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_shared

ANSWERS = [f"p{grade}" for grade in range(len(GRADES))]
"""Columns of the softmax."""

FIVE_GRADES = "five grades"
"""Reading of the measures of all grades at once."""

_PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def predict_table(
    data: str, models: dict[str, LoadedModel], views: np.ndarray, eyes: pd.DataFrame, device: str = "cpu"
) -> pd.DataFrame:
    """Ask every model about every eye.

    Args:
        data: Key of the data set.
        models: Set-up name -> model.
        views: Uint8 (N, S, S, 3), eyes at model size.
        eyes: N rows with the columns `eye`, `patient`, `grade` and `has_dr`.
        device: Where the models lie.

    Returns:
        A table with the columns of `RESULT_COLUMNS["predictions"]`, a row for each model and eye.
    """
    parts = []
    for setup, softmax in predict_shared(models, views, device=device).items():
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
    """

    at_specificity: float = 0.9
    at_sensitivity: float = 0.9
    draws: int = 1000
    seed: int = 0


def summarize(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Measure every model on every data set, with intervals by patients.

    Where the true grade is known, each reading's score is held against the same reading of the true grade, and the
    five grades are measured as well. Where only the presence of DR is known, every score is held against that.

    Args:
        predictions: A table of `predict_table`.
        config: How it is measured.

    Returns:
        A table with the columns of `RESULT_COLUMNS["performance"]`.

    Raises:
        InputError: If a probability is not a number, or a set-up answers an eye twice.
    """
    config = config or MeasureConfig()
    rows: list[dict[str, object]] = []
    for (data, setup), answers, draws in _each_model(predictions, config):
        found = _measure_readings(answers, draws, config)
        if is_graded(answers):
            found += _measure_grades(answers, draws)
        rows += [{"data": data, "setup": setup} | row for row in found]
    return pd.DataFrame(rows)


def summarize_aucs(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """The AUCs of the three readings, as in `summarize`, and nothing else."""
    config = config or MeasureConfig()
    rows = []
    for (data, setup), answers, draws in _each_model(predictions, config):
        for reading in READINGS:
            labels, scores = read_answers(answers, reading)
            row = _row("auc", reading, measure_auc(scores, labels, draws), labels)
            rows.append({"data": data, "setup": setup} | row)
    return pd.DataFrame(rows)


def _each_model(
    predictions: pd.DataFrame, config: MeasureConfig
) -> Iterator[tuple[tuple[str, str], pd.DataFrame, PatientDraws]]:
    """Answers of each model on each data set; the patients of a data set are drawn alike for all models."""
    if bool(predictions[ANSWERS].isna().any(axis=None)):
        raise InputError("Some probabilities in the table of predictions are not numbers; compute it again.")
    if predictions.duplicated(["data", "setup", "patient", "eye"]).any():
        raise InputError("The table of predictions holds an eye twice for one set-up; compute it again.")
    for data, of_data in predictions.groupby("data", sort=False):
        known: list[tuple[np.ndarray, PatientDraws]] = []
        for setup, answers in of_data.groupby("setup", sort=False):
            patients = answers["patient"].astype(str).to_numpy()
            if not known or not np.array_equal(known[0][0], patients):
                known[:] = [(patients, draw_patients(patients, draws=config.draws, seed=config.seed))]
            yield (str(data), str(setup)), answers, known[0][1]


def is_graded(answers: pd.DataFrame) -> bool:
    """Whether the true grade of every eye is known."""
    return bool((answers["grade"] >= 0).all())


def read_answers(answers: pd.DataFrame, reading: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and score of one reading.

    Args:
        answers: Rows of the table of predictions.
        reading: Key of `READINGS`.

    Returns:
        Labels, bool (N,), and scores, float64 (N,), 0..1.
    """
    known = READINGS.find(reading)
    labels = known.positives(answers["grade"]) if is_graded(answers) else answers["has_dr"].to_numpy(bool)
    return labels, known.score(answers[ANSWERS].to_numpy(np.float64))


def _row(measure: str, reading: str, values: np.ndarray, labels: np.ndarray | None = None, n: int = 0) -> dict:
    value, low, high = interval(values)
    n, positives = (len(labels), int(labels.sum())) if labels is not None else (n, -1)
    return {
        "measure": measure,
        "reading": reading,
        "value": value,
        "low": low,
        "high": high,
        "n": n,
        "positives": positives,
    }


def _measure_readings(answers: pd.DataFrame, draws: PatientDraws, config: MeasureConfig) -> list[dict]:
    rows = []
    for reading in READINGS:
        labels, scores = read_answers(answers, reading)
        found = measure_separation(
            scores, labels, draws, at_specificity=config.at_specificity, at_sensitivity=config.at_sensitivity
        )
        values = {
            "auc": found.auc,
            "average_precision": found.average_precision,
            f"sensitivity at specificity {config.at_specificity:g}": found.sensitivity,
            f"specificity at sensitivity {config.at_sensitivity:g}": found.specificity,
            "calibration_error": measure_calibration(scores, labels, draws).error,
        }
        rows += [_row(measure, reading, value, labels) for measure, value in values.items()]
    return rows


def _measure_grades(answers: pd.DataFrame, draws: PatientDraws) -> list[dict]:
    grades, softmax = answers["grade"].to_numpy(), answers[ANSWERS].to_numpy()
    rows, aucs = [], []
    for grade in range(len(GRADES)):
        labels = grades == grade
        aucs.append(measure_auc(softmax[:, grade], labels, draws))
        rows.append(_row("auc", f"grade {grade} against the others", aucs[-1], labels))
    confusion = count_confusion(grades, softmax.argmax(axis=1), draws)
    rows += [
        _row("auc", FIVE_GRADES, np.mean(aucs, axis=0), n=len(grades)),
        _row("quadratic_kappa", FIVE_GRADES, quadratic_kappa(confusion), n=len(grades)),
        _row("accuracy", FIVE_GRADES, accuracy(confusion), n=len(grades)),
    ]
    return rows


def compare_setups(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Compare the AUCs of every two set-ups on the same eyes.

    Args:
        predictions: A table of `predict_table`.
        config: How it is measured.

    Returns:
        A table with the columns of `RESULT_COLUMNS["comparisons"]`.

    Raises:
        InputError: If two set-ups were not asked about the same eyes.
    """
    config = config or MeasureConfig()
    rows = []
    for data, of_data in predictions.groupby("data", sort=False):
        models = list(_each_model(of_data, config))
        for (name, answers, draws), (other, others, _) in combinations(models, 2):
            if list(answers["eye"]) != list(others["eye"]):
                raise InputError(f"{name[1]} and {other[1]} were not asked about the same eyes of {data}.")
            for reading in READINGS:
                labels, first = read_answers(answers, reading)
                second = read_answers(others, reading)[1]
                test = compare_aucs(first, second, labels)
                drawn = measure_auc(first, labels, draws) - measure_auc(second, labels, draws)
                difference, low, high = interval(drawn)
                about = {"data": data, "setup": name[1], "other": other[1], "reading": reading}
                rows.append(about | {"difference": difference, "low": low, "high": high, "p": test.p})
    return pd.DataFrame(rows)


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
