"""What a study is, what its models reach and on how many trainings that rests: three sentences from its tables."""

import math

import pandas as pd

from dr_core.data.grades import READINGS
from dr_core.study.folder import DataSet, Study
from dr_core.study.runs import ALL_LABELS, list_training_runs


def tell_story(study: Study, measured: pd.DataFrame | None) -> str:
    """Tell what the study is, in at most three sentences; each number is a table's own.

    Args:
        study: The study.
        measured: AUCs of the table `performance`; None where nothing was measured.

    Returns:
        Plain text: the study's own summary, the range of AUCs on each set of test eyes, and the number of trainings.
    """
    parts = [study.info.summary.strip()]
    if measured is not None:
        found: dict[str, list[str]] = {}
        for data in (one for one in study.info.data if one.role == "test"):
            if reached := _tell_range(data, measured[measured["data"] == data.key]):
                found.setdefault(reached[0], []).append(reached[1])
        if found:
            each = "; ".join(f"for {reading} {', '.join(ranges)}" for reading, ranges in found.items())
            parts.append(f"AUC of its models, lowest to highest: {each}.")
    if trainings := _tell_trainings(study):
        parts.append(trainings)
    return " ".join(part for part in parts if part)


def _tell_range(data: DataSet, rows: pd.DataFrame) -> tuple[str, str] | None:
    """A reading that the labels of these eyes support, with the lowest and the highest AUC; None without any."""
    known = set(rows["reading"])
    reading = next((name for name in READINGS if name in known), "")
    values = [float(value) for value in rows.loc[rows["reading"] == reading, "value"] if not math.isnan(value)]
    if not values:
        return None
    eyes = int(rows.loc[rows["reading"] == reading, "n"].max())
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    reached = low if low == high else f"{low} to {high}"
    kind = "photographs" if data.real else "drawn eyes"
    return reading, f"{reached} on {eyes:,} {kind} ({data.label or data.title or data.key})"


def _tell_trainings(study: Study) -> str:
    runs = [run for run in list_training_runs(study, without_weights=True) if run.fraction == ALL_LABELS]
    seeds = {setup: sum(run.setup == setup for run in runs) for setup in study.setups}
    counts = {count for count in seeds.values() if count}
    if not counts:
        return ""
    if counts == {1}:
        return "One training each: a difference is between these models and says nothing of a pretraining in general."
    each = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{each} trainings each, with other seeds; this page shows those of seed {study.info.seed}."
