"""Answers of a study's models on a data set, and what they are worth, as tidy tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.analysis.performance import Estimate, estimate_auc
from dr_core.data.fundus import read_fundus
from dr_core.data.grades import GRADES
from dr_core.data.preprocessing import Preprocessing, standardize_color
from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_views

ANSWERS = [f"p{grade}" for grade in range(len(GRADES))]
"""Columns of the softmax."""

GRADED_READINGS: dict[str, int] = {"grades 3-4 against 0-2": 3, "grades 2-4 against 0-1": 2, "any DR": 1}
"""Reading -> lowest positive grade; the score is the probability of that grade or a worse one."""

_PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def predict_table(data: str, models: dict[str, LoadedModel], views: np.ndarray, eyes: pd.DataFrame) -> pd.DataFrame:
    """Ask every model about every eye.

    Args:
        data: Key of the data set.
        models: Set-up name -> model.
        views: Uint8 (N, S, S, 3), eyes at model size.
        eyes: N rows with the columns `eye`, `patient`, `grade` and `has_dr`.

    Returns:
        A table with the columns of `RESULT_COLUMNS["predictions"]`, a row for each model and eye.
    """
    parts = []
    for setup, model in models.items():
        answers = pd.DataFrame(predict_views(model, views), columns=ANSWERS)
        parts.append(pd.concat([eyes.reset_index(drop=True).assign(data=data, setup=setup), answers], axis=1))
    return pd.concat(parts, ignore_index=True)


def summarize(predictions: pd.DataFrame) -> pd.DataFrame:
    """Measure the AUC of every model on every data set, with intervals by patients.

    Where the true grade is known, each reading's score is held against the same reading of the true grade. Where only
    the presence of DR is known, every score is held against that.

    Args:
        predictions: A table of `predict_table`.

    Returns:
        A table with the columns of `RESULT_COLUMNS["performance"]`.
    """
    rows = []
    for (data, setup), answers in predictions.groupby(["data", "setup"], sort=False):
        for reading, lowest in GRADED_READINGS.items():
            estimate = _estimate_reading(answers, lowest)
            rows.append({"data": data, "setup": setup, "measure": "auc", "reading": reading} | vars(estimate))
    return pd.DataFrame(rows)


def _estimate_reading(answers: pd.DataFrame, lowest: int) -> Estimate:
    graded = bool((answers["grade"] >= 0).all())
    labels = answers["grade"] >= lowest if graded else answers["has_dr"]
    scores = answers[ANSWERS[lowest:]].sum(axis=1)
    return estimate_auc(scores.to_numpy(), labels.to_numpy(), answers["patient"].to_numpy())


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
