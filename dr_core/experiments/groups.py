"""How good the answers are in groups of eyes: by camera, site, age band, sex, side, or any column of the index."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws, sample_patients
from dr_core.analysis.discrimination import measure_auc
from dr_core.analysis.grading import measure_calibration
from dr_core.analysis.intervals import Interval, auc_interval, proportion_interval, warn_few
from dr_core.analysis.operating_points import CRITERIA, choose_threshold
from dr_core.errors import InputError
from dr_core.experiments.answers import MeasureConfig, each_model, read_answers, readings_of

MAX_GROUPS = 40
"""More values of a column are names, dates or numbers, and no groups."""

ALL, GAP, UNKNOWN = "all", "gap", "not known"
_POINT = CRITERIA["specificity 0.9"]
_MEASURES = ("auc", "sensitivity", "specificity", "calibration")
_LEAST_OF_GAP = 10
"""Eyes of the class, or of all for the calibration, that a group needs to be held against others."""


def check_columns(index: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse columns by which eyes cannot be grouped.

    Args:
        index: Table of the eyes.
        columns: Names.

    Raises:
        InputError: If one is missing, or has one value or more than 40.
    """
    for column in columns:
        if column not in index:
            raise InputError(
                f"The eyes' table has no column {column!r}; it has {', '.join(map(str, index.columns))}. Prepare the "
                "eyes with the columns that are to be kept."
            )
        count = index[column].map(_name_group).nunique()
        if not 2 <= count <= MAX_GROUPS:
            raise InputError(
                f"The column {column!r} has {count} different values; groups need 2 to {MAX_GROUPS}. Make "
                "bands of them."
            )


def _name_group(value: object) -> str:
    return UNKNOWN if pd.isna(value) or value == "" else str(value)  # type: ignore[call-overload]


def measure_groups(predictions: pd.DataFrame, index: pd.DataFrame, config: MeasureConfig) -> pd.DataFrame:
    """Measure every model in every group, and the gap between the best and the worst.

    The threshold is one for all eyes, that of 90 % specificity on all of them. The interval of a gap is simultaneous
    over all pairs of groups (Bonferroni), since the largest difference is looked at.

    Args:
        predictions: Rows of `predictions` on one data set.
        index: Table of those eyes.
        config: How it is measured; `by` names the columns.

    Returns:
        Rows of `groups`; empty where no column is named.

    Raises:
        InputError: If the eyes cannot be grouped by a column.
    """
    check_columns(index, config.by)
    rows: list[dict[str, object]] = []
    for column in config.by:
        names = dict(zip(index["eye"].astype(str), index[column].map(_name_group), strict=True))
        for model, answers, draws in each_model(predictions, config):
            groups = answers["eye"].astype(str).map(names).to_numpy()
            for reading in readings_of(answers):
                labels, scores = read_answers(answers, reading.name)
                about = model | {"column": column, "reading": reading.name}
                rows += [about | row for row in compare_groups(scores, labels, groups, draws)]
    return pd.DataFrame(rows)


def compare_groups(
    scores: np.ndarray, labels: np.ndarray, groups: np.ndarray, draws: PatientDraws
) -> Iterator[dict[str, object]]:
    """Measures of all eyes, of each group, and the gaps.

    Args:
        scores: Float (N,), 0..1.
        labels: Bool (N,).
        groups: Names, (N,).
        draws: Draws of the patients of these eyes.

    Yields:
        Rows with `group`, `measure`, `value`, `low`, `high`, `n`, `positives`, `warning`.
    """
    both = 0 < labels.sum() < len(labels)
    threshold = choose_threshold(scores, labels, _POINT) if both else float("nan")
    members = {ALL: np.ones(len(scores), bool)} | {name: groups == name for name in sorted(set(groups))}
    patients, number = draws.patient, draws.times.shape[1] - 1
    for measure in _MEASURES:
        drawn = {}
        for name, chosen in members.items():
            part = sample_patients(patients[chosen], draws=number, seed=0)
            found, values = _measure(measure, scores[chosen], labels[chosen], part, threshold)
            yield _row(name, measure, found, labels[chosen])
            if name != ALL and _enough(measure, labels[chosen]):
                drawn[name] = values
        yield from _find_gap(measure, drawn, labels)


def _enough(measure: str, labels: np.ndarray) -> bool:
    positive, negative = int(labels.sum()), int((~labels).sum())
    counts = {"auc": min(positive, negative), "sensitivity": positive, "specificity": negative}
    return counts.get(measure, len(labels)) >= _LEAST_OF_GAP


def _measure(
    measure: str, scores: np.ndarray, labels: np.ndarray, draws: PatientDraws, threshold: float
) -> tuple[Interval, np.ndarray]:
    """The measure with its interval, and in every draw, float64 (1 + D,)."""
    if measure == "auc":
        return auc_interval(scores, labels, draws.patient), measure_auc(scores, labels, draws)
    if measure == "calibration":
        error = measure_calibration(np.clip(scores, 0, 1), labels, draws).error
        low, high = np.percentile(error[1:], [2.5, 97.5])
        warning = f"only {len(labels)} eyes" if len(labels) < 2 * _LEAST_OF_GAP else ""
        spread = float(error[1:].std())
        return Interval(value=float(error[0]), low=float(low), high=float(high), error=spread, warning=warning), error
    sick = measure == "sensitivity"
    members = labels if sick else ~labels
    hits = (scores >= threshold) == sick
    found = proportion_interval(hits[members], draws.patient[members])
    times = draws.times[draws.patient[members]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = (times * hits[members, None]).sum(axis=0) / times.sum(axis=0)
    return found, shares


def _row(name: str, measure: str, found: Interval, labels: np.ndarray) -> dict[str, object]:
    missing = "no positive eyes" if not labels.any() else "no negative eyes" if labels.all() else ""
    warning = found.warning or (warn_few(labels) if measure != "calibration" else "")
    return {
        "group": name,
        "measure": measure,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(labels),
        "positives": int(labels.sum()),
        "warning": missing or warning,
    }


def _find_gap(measure: str, drawn: dict[str, np.ndarray], labels: np.ndarray) -> Iterator[dict[str, object]]:
    """The largest difference between two groups that have enough eyes."""
    pairs = list(combinations(drawn, 2))
    if not pairs:
        return
    first, second = max(pairs, key=lambda pair: abs(drawn[pair[0]][0] - drawn[pair[1]][0]))
    if drawn[first][0] < drawn[second][0]:
        first, second = second, first
    difference = drawn[first] - drawn[second]
    tail = 2.5 / len(pairs)
    low, high = np.nanpercentile(difference[1:], [tail, 100 - tail])
    better, worse = (second, first) if measure == "calibration" else (first, second)
    yield {
        "group": GAP,
        "measure": measure,
        "value": float(difference[0]),
        "low": float(low),
        "high": float(high),
        "n": len(labels),
        "positives": int(labels.sum()),
        "warning": f"best {better}, worst {worse}, of {len(drawn)} groups with {_LEAST_OF_GAP} eyes or more",
    }
