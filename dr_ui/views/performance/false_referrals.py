"""How many healthy eyes each model refers, by warning about the picture, on the Performance page."""

import pandas as pd
import streamlit as st

from dr_core.data.fundus.checks import INPUT_CHECKS, LEVELS
from dr_core.experiments.false_referrals import TABLE
from dr_core.study.folder import Study
from dr_ui.parts import tables
from dr_ui.parts.plain_text import plain
from dr_ui.shell import result_tables


def show(study: Study, data: str, reading: str) -> None:
    """Draw the table of these eyes, or of the eyes on which it was measured; say what measures it where nothing was.

    Args:
        study: The study.
        data: Key of the data set.
        reading: Name of the reading.
    """
    table = result_tables.load_table(study, TABLE)
    rows = pd.DataFrame() if table is None else table[table["reading"] == reading]
    if rows.empty:
        st.caption(
            "Not measured, because no pictures of healthy eyes were checked: `evaluate` stores it for photographs "
            "prepared with their quality."
        )
        return
    measured = data if data in set(rows["data"]) else str(rows.sort_values("n")["data"].iloc[-1])
    rows = rows[rows["data"] == measured]
    tables.show(_wide(study, rows), "false_referrals")
    described = next((known for known in study.info.data if known.key == measured), None)
    about = plain(f"{described.title}. {described.description}" if described else measured)
    st.caption(
        f"Share of healthy eyes that are referred, in brackets the 95 % interval by patients. {about} Each model's "
        "threshold is that of 90 % specificity on the eyes without a warning. An eye with several warnings counts in "
        "several rows. Fewer referrals are not better if the fault also hides what the model would flag in diseased "
        "eyes."
    )


def _wide(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    labels = {name: level.label for name, level in LEVELS.items()}
    labels |= {name: f"warning: {check.label}" for name, check in INPUT_CHECKS.items()}
    shown = rows.assign(
        picture=rows["finding"].map(labels).fillna(rows["finding"]),
        share=[
            f"{100 * value:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
            for value, low, high in zip(rows["value"], rows["low"], rows["high"], strict=True)
        ],
    )
    wide = tables.by_setup(shown, study.setups, ["picture", "n"], "share")
    return wide.rename(columns={"n": "healthy eyes"})
