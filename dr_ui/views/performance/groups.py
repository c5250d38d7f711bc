"""Measures by group of eyes, as `groups` of the study holds them, on the Performance page."""

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.experiments.groups import ALL, GAP
from dr_core.study.folder import Study
from dr_ui.parts import tables
from dr_ui.shell import result_tables


def show(study: Study, data: str, reading: str) -> None:
    """Draw each set-up's measures by group, and the gaps; nothing where no column was asked for.

    Args:
        study: The study.
        data: Key of the data set.
        reading: The reading.
    """
    table = result_tables.load_table(study, "groups")
    rows = None if table is None else table[(table["data"] == data) & (table["reading"] == reading)]
    if rows is None or rows.empty:
        st.caption(
            "By any column of the eyes' table, such as the camera or the age band, they are measured by the "
            "option `--by COLUMN` of `evaluate`."
        )
        return
    column = st.selectbox("Groups by", list(dict.fromkeys(rows["column"])), key="groups_by")
    rows = rows[rows["column"] == column]
    setup = st.selectbox(
        "Set-up",
        [name for name in study.setups if name in set(rows["setup"])],
        format_func=lambda name: study.setups[name].label,
        key="groups_setup",
    )
    mine = rows[rows["setup"] == setup].assign(shown=lambda part: [_shown(*one) for one in _values(part)])
    gaps = mine[mine["group"] == GAP]
    wide = mine[mine["group"] != GAP].pivot_table(
        index=["group", "n", "positives"], columns="measure", values="shown", aggfunc="first", sort=False
    )
    tables.show(wide.reset_index(), "groups_measured")
    for gap in gaps.itertuples(index=False):
        st.caption(f"**{gap.measure}**: gap {_shown(gap.value, gap.low, gap.high)}; {gap.warning}.")
    st.caption(
        f"`{ALL}`: all eyes. Sensitivity and specificity at the threshold of 90 % specificity on all eyes. "
        "In brackets 95 % intervals by patients; that of a gap is simultaneous over all pairs of groups (Bonferroni)."
    )


def _values(rows: pd.DataFrame) -> list[tuple[float, float, float]]:
    return list(zip(rows["value"], rows["low"], rows["high"], strict=True))


def _shown(value: float, low: float, high: float) -> str:
    return "cannot be measured" if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"
