"""The eyes about which the models disagree most, on the Performance page; each opens in Compare and Explain."""

import base64
from html import escape
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dr_core.data.grades import GRADES
from dr_core.experiments.answers import read_answers
from dr_core.study.eyes import can_open
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.choice import link_query
from dr_ui.shell import result_tables

_LISTED = 24
"""Eyes in the list of disagreement."""


def show(study: Study, mine: pd.DataFrame, reading: str) -> None:
    """List the eyes, largest spread first.

    Args:
        study: The study.
        mine: Rows of its table `predictions` about one data set.
        reading: Which eyes count as positive.
    """
    scored = mine.assign(score=read_answers(mine, reading)[1])
    wide = scored.pivot_table(index=["eye", "grade"], columns="setup", values="score", aggfunc="first")
    wide = wide[[setup for setup in study.setups if setup in wide]]
    spread = (wide.max(axis=1) - wide.min(axis=1)).sort_values(ascending=False, kind="stable").head(_LISTED)
    data, eyes = str(mine["data"].iloc[0]), result_tables.load_table(study, "eyes")
    opens = can_open(study, data, eyes)
    head = "".join(f"<th>{escape(study.setups[str(setup)].label)}</th>" for setup in wide)
    rows = "".join(
        _eye_row(study, data, str(eye), int(grade), wide.loc[(eye, grade)], eyes if opens else None, opens=opens)
        for eye, grade in spread.index
    )
    st.html(
        '<div class="lens-eyes" tabindex="0"><table><thead><tr><td></td><th>eye</th><th>true grade</th>'
        f"{head}<th>spread</th><th>open in</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    text = "Probability of being positive by each model; spread is the largest minus the smallest, 0 to 1."
    if not opens:
        text += " The photographs themselves are not on this machine, so that they cannot be opened."
    st.caption(text)


def _eye_row(
    study: Study, data: str, eye: str, grade: int, scores: pd.Series, eyes: pd.DataFrame | None, *, opens: bool
) -> str:
    picture, links = "", ""
    if opens:
        key = f"{study.path}-{study.info.created}"
        small = base64.b64encode(cache.study_thumbnail(key, data, eye, study, eyes)).decode()
        query = urlencode(link_query(study, data, eye))
        picture = f'<a href="Compare?{query}"><img src="data:image/jpeg;base64,{small}" alt="{escape(eye)}"></a>'
        links = f'<a href="Compare?{query}">Compare</a> · <a href="Explain?{query}">Explain</a>'
    known = f"{grade}, {GRADES[grade]}" if grade >= 0 else "not known"
    numbers = "".join(f"<td>{score:.2f}</td>" for score in scores)
    return (
        f"<tr><td>{picture}</td><th>{escape(eye)}</th><td>{known}</td>{numbers}"
        f"<td>{scores.max() - scores.min():.2f}</td><td>{links}</td></tr>"
    )
