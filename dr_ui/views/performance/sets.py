"""What sets of grades cover on each data set of the study, on the Performance page."""

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.intervals import proportion_interval
from dr_core.data.grades import GRADES
from dr_core.experiments.answers import ANSWERS, is_graded
from dr_core.study.folder import DataSet, Study
from dr_ui.parts import calibrated, tables
from dr_ui.parts.plain_text import plain
from dr_ui.shell import result_tables


def show(study: Study, eyes: DataSet | None) -> None:
    """Draw coverage and size of the sets on all graded test eyes, and their coverage of each grade.

    Args:
        study: The study.
        eyes: The calibration eyes; None where the study was not calibrated.
    """
    predictions = result_tables.load_table(study, "predictions")
    if eyes is None or predictions is None:
        st.caption("No sets of grades, because the study has no calibration eyes: `calibrate` takes your own.")
        return
    by_class = st.toggle(
        "For each grade separately",
        key="sets_by_class",
        help="Class-conditional sets: the share holds for the eyes of each grade, not only for all together. A grade "
        "with too few calibration eyes is in every set.",
    )
    rows = []
    for data, mine in predictions.groupby("data", sort=False):
        if is_graded(mine):
            rows += _measure(study, eyes, result_tables.data_title(study, str(data)), mine, by_class=by_class)
    if not rows:
        st.caption("No coverage, because no grades of test eyes are known, or too few of the calibration eyes.")
        return
    tables.show(pd.DataFrame(rows), "grade_sets")
    share = f"{100 * calibrated.COVERAGE:.0f} %"
    st.caption(
        f"Sets of neighboring grades that contain the true one for {share} of eyes like the {eyes.images} of "
        f"{plain(eyes.label or eyes.title)}{', of each grade' if by_class else ''}, and their coverage. For another "
        "camera there is no guarantee; the table shows the measured coverage. In brackets 95 % intervals by patients; "
        "for a grade, the share of its eyes that is covered."
    )


def _measure(study: Study, eyes: DataSet, title: str, mine: pd.DataFrame, *, by_class: bool) -> list[dict[str, object]]:
    parts = {setup: mine[mine["setup"] == setup] for setup in study.setups if setup in set(mine["setup"])}
    answers = {name: rows[ANSWERS].to_numpy() for name, rows in parts.items()}
    found = []
    for setup, members in calibrated.grade_sets(study, eyes.key, answers, by_class=by_class).items():
        grades = parts[setup]["grade"].to_numpy(int)
        hits = members[np.arange(len(members)), grades]
        covered = proportion_interval(hits, parts[setup]["patient"].astype(str).to_numpy())
        row: dict[str, object] = {"eyes": title, "set-up": study.setups[setup].label, "number": len(hits)}
        row["covered"] = f"{covered.value:.2f} ({covered.low:.2f} to {covered.high:.2f})"
        row["grades in a set"] = f"{members.sum(axis=1).mean():.2f}"
        for grade, name in enumerate(GRADES):
            row[name] = f"{hits[grades == grade].mean():.2f}" if (grades == grade).any() else "no eyes"
        found.append(row)
    return found
