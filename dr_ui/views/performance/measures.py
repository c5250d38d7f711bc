"""All measures of the set-ups on the Performance page, and how far each lies from a reference set-up."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.measures import measure_label
from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.differences import measure_differences
from dr_core.study.folder import Study
from dr_ui.parts import reference, tables
from dr_ui.parts.plain_text import plain
from dr_ui.shell import missing, result_tables

_DRAWS = 200
"""Bootstrap draws of the differences, which are made while somebody waits."""


def show(study: Study, mine: pd.DataFrame, reading: str) -> None:
    """Draw the tab.

    Args:
        study: The study.
        mine: Rows of its table `predictions` about one data set.
        reading: Which eyes count as positive.
    """
    data = str(mine["data"].iloc[0])
    measured = result_tables.load_table(study, "performance")
    if measured is None:
        missing.show_missing_table(study, "performance")
        return
    _show_values(study, measured[measured["data"] == data])
    present = [name for name in study.setups if name in set(mine["setup"])]
    if len(present) < 2:
        return
    with st.container(width=320):
        chosen = reference.choose_reference(study, present)
    _show_differences(study, mine, reading, chosen)
    _show_tests(study, data, reading, chosen)


def _show_values(study: Study, rows: pd.DataFrame) -> None:
    rows = rows.assign(
        shown=[
            "cannot be measured" if np.isnan(value) else f"{value:.3f} ({low:.3f} to {high:.3f})"
            for value, low, high in zip(rows["value"], rows["low"], rows["high"], strict=True)
        ],
        measure=[measure_label(name) for name in rows["measure"]],
    )
    wide = tables.by_setup(rows, study.setups, ["measure", "reading"], "shown")
    tables.show(wide, "performance", height=260)
    st.caption(
        "In brackets the 95 % interval by patients. Higher is better, except for the calibration error, which is 0 if "
        "predicted probabilities equal the shares of positive eyes."
    )
    _show_warnings(rows)


def _show_warnings(rows: pd.DataFrame) -> None:
    """Which intervals deserve caution, one line for each reason."""
    for reason, part in rows[rows["warning"] != ""].groupby("warning", sort=False):
        readings = ", ".join(dict.fromkeys(part["reading"]))
        st.caption(f":material/warning: {readings}: {reason}. The interval is approximate.")


def _show_differences(study: Study, mine: pd.DataFrame, reading: str, chosen: str) -> None:
    stamp, data = result_tables.results_stamp(study), str(mine["data"].iloc[0])
    rows = _measure(stamp, data, reading, chosen, mine)
    if rows.empty:
        return
    shown = [_signed(*values) for values in zip(rows["value"], rows["low"], rows["high"], strict=True)]
    rows = rows.assign(shown=shown, measure=[measure_label(name) for name in rows["measure"]])
    tables.show(tables.by_setup(rows, study.setups, ["measure", "reading"], "shown"), "differences")
    st.caption(
        f"Each set-up minus {plain(study.setups[chosen].label)}, in brackets the 95 % interval over patients, with the "
        f"same draws for both ({_DRAWS} draws); not corrected for the number of comparisons."
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _measure(
    stamp: result_tables.ResultsStamp, data: str, reading: str, chosen: str, _mine: pd.DataFrame
) -> pd.DataFrame:
    return measure_differences(_mine, chosen, reading, MeasureConfig(draws=_DRAWS))


def _signed(value: float, low: float, high: float) -> str:
    return "cannot be measured" if np.isnan(value) else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def _show_tests(study: Study, data: str, reading: str, chosen: str) -> None:
    """DeLong's test of every other set-up's AUC against the reference's."""
    compared = result_tables.load_table(study, "comparisons")
    if compared is None:
        return
    rows = compared[(compared["data"] == data) & (compared["reading"] == reading)]
    rows = rows[(rows["setup"] == chosen) | (rows["other"] == chosen)]
    if rows.empty:
        return
    others = [other if setup == chosen else setup for setup, other in zip(rows["setup"], rows["other"], strict=True)]
    shown = pd.DataFrame(
        {
            "set-up": [study.setups[name].label for name in others],
            f"AUC minus that of {study.setups[chosen].label}": [
                _turned(row, chosen) for row in rows.to_dict("records")
            ],
            "p": [f"{p:.2g}" for p in rows["p"]],
            "p, patients as clusters": ["–" if np.isnan(p) else f"{p:.2g}" for p in rows["p_clusters"]],
        }
    )
    tables.show(shown, "comparisons")
    st.caption(
        "In brackets the 95 % interval, patients as clusters; p by DeLong's test, eyes as independent, and "
        "with patients as clusters (Obuchowski). Neither is corrected for the number of comparisons."
    )


def _turned(row: Mapping[Hashable, Any], chosen: str) -> str:
    """The difference of a row, so that the reference is taken off."""
    value, low, high = row["difference"], row["low"], row["high"]
    return _signed(-value, -high, -low) if row["setup"] == chosen else _signed(value, low, high)
