"""What stands beside every answer: what the models learned from, and what they reach at this operating point."""

from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.experiments.answers import read_answers, readings_of
from dr_core.study.folder import DataSet, Study
from dr_ui.parts.operating_point import OperatingPoint
from dr_ui.shell import result_tables


def sentence_html(study: Study, point: OperatingPoint) -> str:
    """One paragraph: the training data, then sensitivity and specificity on test eyes at the operating point."""
    return f'<p class="lens-evidence">{_training_sentence(study)} {_reached_sentence(study, point)}</p>'


def _training_sentence(study: Study) -> str:
    training = [data for data in study.info.data if data.role == "training"]
    if training and not any(data.real for data in training):
        return "<b>The models were trained on drawn eyes, never on photographs.</b>"
    titles = ", ".join(escape(data.label or data.title) for data in training)
    return f"The models were trained on {titles}." if titles else "What the models were trained on is not recorded."


def _reached_sentence(study: Study, point: OperatingPoint) -> str:
    table = result_tables.load_table(study, "predictions")
    data = None if table is None else _most_telling(study, table, point)
    if table is None or data is None:
        return "Their performance on test eyes has not been measured."
    rates = _rates(str(study.path), result_tables.results_stamp(study), data.key, point, table)
    rates = {name: rate for name, rate in rates.items() if name in study.setups}
    if not rates or np.isnan(list(rates.values())).any():
        return (
            f"On {escape(data.label or data.title)} their performance at this threshold is unknown: all eyes are of "
            "one class."
        )
    each = "; ".join(
        f"{study.setups[name].label}: threshold {point.threshold_of(name):.2f}, sensitivity {found:.2f}, "
        f"specificity {passed:.2f}"
        for name, (found, passed) in rates.items()
    )
    found, passed = (_percent_range(values) for values in zip(*rates.values(), strict=True))
    kind = "photographs" if data.real else "drawn eyes"
    at = escape(f"At {point.name}" if point.name else f"At the threshold {point.threshold:.2f}")
    return (
        f'<span title="{escape(each)}">{at} they flag {found} of the eyes of grade {point.grades} and do not flag '
        f"{passed} of the others, on {data.images:,} {kind} ({escape(data.label or data.title)})."
        f"{_missing_photographs(study, table, data)}</span>"
    )


def _missing_photographs(study: Study, table: pd.DataFrame, shown: DataSet) -> str:
    """That nothing is known on photographs, where it is not."""
    measured = set(table["data"])
    real = [data for data in study.info.data if data.real and data.key in measured]
    if shown.real or not real:
        return "" if shown.real else " Their performance on photographs has not been measured."
    return f" The grades of the photographs ({escape(real[0].label or real[0].title)}) are not known."


def _most_telling(study: Study, table: pd.DataFrame, point: OperatingPoint) -> DataSet | None:
    """The test eyes that say most, of those whose labels support the reading: photographs before drawings."""
    supporting = {str(key) for key, rows in table.groupby("data", sort=False) if point.reading in readings_of(rows)}
    sets = [data for data in study.info.data if data.key in supporting]
    return next((data for data in sets if data.real), sets[0] if sets else None)


@st.cache_data(max_entries=256, show_spinner=False)
def _rates(
    path: str, stamp: result_tables.ResultsStamp, data: str, point: OperatingPoint, _table: pd.DataFrame
) -> dict[str, tuple[float, float]]:
    """Set-up -> sensitivity and specificity; nan where the eyes are of one class."""
    rates = {}
    for setup, rows in _table[_table["data"] == data].groupby("setup", sort=False):
        labels, scores = read_answers(rows, point.reading.name)
        flagged = scores >= point.threshold_of(str(setup))
        sensitivity = float(flagged[labels].mean()) if labels.any() else float("nan")
        specificity = float((~flagged[~labels]).mean()) if (~labels).any() else float("nan")
        rates[str(setup)] = (sensitivity, specificity)
    return rates


def _percent_range(shares: tuple[float, ...]) -> str:
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"
