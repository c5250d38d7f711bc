"""Operating points of every model on every data set, as a tidy table, and looked up by name."""

from dataclasses import replace

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.analysis.intervals import Interval, warn_few
from dr_core.analysis.operating_points import CRITERIA, HALF, ReachedPoint, reach_points
from dr_core.errors import InputError
from dr_core.experiments.answers import MeasureConfig, each_model, read_answers, readings_of
from dr_core.experiments.origins import read_present
from dr_core.study.folder import Study

_DRAWS = 200
"""Draws of a threshold's interval at most: its ends need no more, and every draw chooses anew."""


def list_points(predictions: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Choose the threshold of every criterion for every model, data set and reading that has eyes of both classes.

    Args:
        predictions: Rows of `predictions`.
        config: How it is measured.

    Returns:
        Rows of `operating_points`.
    """
    config = config or MeasureConfig()
    rows: list[dict[str, object]] = []
    for model, answers, draws in each_model(predictions, replace(config, draws=min(config.draws, _DRAWS))):
        for reading in readings_of(answers):
            labels, scores = read_answers(answers, reading.name)
            rows += [model | {"reading": reading.name} | row for row in _reach(scores, labels, draws)]
    return pd.DataFrame(rows)


def _reach(scores: np.ndarray, labels: np.ndarray, draws: PatientDraws) -> list[dict[str, object]]:
    if not 0 < labels.sum() < len(labels):
        return []
    about = {"n": len(labels), "positives": int(labels.sum()), "warning": warn_few(labels)}
    return [_row(point) | about for point in reach_points(scores, labels, draws, list(CRITERIA.values()))]


def _row(point: ReachedPoint) -> dict[str, object]:
    return {
        "criterion": point.criterion.name,
        "threshold": point.threshold,
        "threshold_low": point.threshold_low,
        "threshold_high": point.threshold_high,
        **_interval("sensitivity", point.sensitivity),
        **_interval("specificity", point.specificity),
    }


def _interval(name: str, found: Interval) -> dict[str, object]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def join_points(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """New points behind those on other eyes, such as calibration eyes, that the study has already."""
    if not study.has_results("operating_points"):
        return rows
    old = read_present(study, "operating_points")
    return pd.concat([old[~old["data"].isin(set(rows["data"]))], rows], ignore_index=True)


def find_thresholds(study: Study, criterion: str, data: str, reading: str) -> dict[str, float]:
    """Thresholds of a study's models by the name of an operating point.

    Args:
        study: The study.
        criterion: Name of a criterion, such as `"specificity 0.9"`.
        data: Key of the eyes on which it was chosen; not looked at for the probability of one half.
        reading: Which eyes count as positive.

    Returns:
        Set-up -> threshold.

    Raises:
        InputError: If the study has no such point; the message lists those that it has.
    """
    if criterion == HALF:
        return dict.fromkeys(study.setups, CRITERIA[HALF].value)
    if not study.has_results("operating_points"):
        raise InputError(f"The study {study.name} has no table of operating points yet; measure its answers again.")
    rows = study.read_checkpoint_results("operating_points")
    found = rows[(rows["criterion"] == criterion) & (rows["data"] == data) & (rows["reading"] == reading)]
    if not len(found):
        known = "; ".join(f"{eyes}: {', '.join(part['criterion'].unique())}" for eyes, part in rows.groupby("data"))
        raise InputError(f"There is no operating point {criterion!r} on {data!r} for {reading}; there are {known}.")
    return dict(zip(found["setup"].astype(str), found["threshold"].astype(float), strict=True))
