"""Patients by their worse eye, on the Performance page."""

import numpy as np
import pandas as pd
import streamlit as st

from dr_core.analysis.intervals import Interval
from dr_core.experiments.answers import read_answers
from dr_core.experiments.patients import PATIENT_AUC, count_patients, find_unjudged, join_answers, patient_auc
from dr_core.study.folder import Study
from dr_ui.parts import tables
from dr_ui.shell import result_tables


def show(study: Study, mine: pd.DataFrame, reading: str) -> None:
    """Draw each set-up's AUC by patients; where no patient has two eyes, a sentence.

    Args:
        study: The study.
        mine: Rows of its table `predictions` about one data set.
        reading: Which eyes count as positive.
    """
    st.markdown("**Patients: the worse eye counts**")
    if not mine.duplicated(["setup", "patient"]).any():
        st.caption("No two of these eyes are known to be from one patient, so each eye counts as a patient.")
        return
    eyes = result_tables.load_table(study, "eyes")
    data = mine["data"].iloc[0]
    unjudged = frozenset[str]() if eyes is None else find_unjudged(eyes[eyes["data"] == data])
    rows, joined = [], None
    for name, setup in study.setups.items():
        answers = mine[mine["setup"] == name]
        if answers.empty or np.isnan(read_answers(answers, reading)[1]).all():
            continue
        joined = join_answers(answers, reading)
        row = {"set-up": setup.label, PATIENT_AUC: _shown(patient_auc(joined))}
        if unjudged:
            joined = join_answers(answers, reading, unjudged)
            row["judged eyes only"] = _shown(patient_auc(joined))
        rows.append(row)
    if joined is None:
        return
    tables.show(pd.DataFrame(rows), "patients")
    counts = count_patients(joined)
    positive = int(joined.labels.sum())
    text = (
        f"{reading}: {counts.patients} patients, {positive} of them positive in an eye; {counts.several_eyes} with "
        "several eyes. A patient's score is the highest of the eyes. In brackets 95 % intervals by patients."
    )
    if unjudged:
        text += (
            f" Judged eyes only: {len(unjudged)} eyes are outside of what the models know; {counts.partly_judged} "
            f"patients are judged by the other eye, and {counts.without_answer} have no answer and are left out."
        )
    st.caption(text)


def _shown(found: Interval) -> str:
    if np.isnan(found.value):
        return f"cannot be measured, because of {found.warning}"
    caution = f", {found.warning}" if found.warning else ""
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}{caution})"
