"""The eyes about which the models disagree most, on the Performance page; each opens in Compare and Explain."""

import base64
from html import escape

import pandas as pd
import streamlit as st

from dr_core.data.grades import GRADES
from dr_core.experiments.answers import is_graded, read_answers
from dr_core.study.eyes import can_open
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.choice import link_query
from dr_ui.parts import tables
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
    scored = mine.assign(score=read_answers(mine, reading)[1]).dropna(subset="score")
    mine = mine.loc[scored.index]
    graded = is_graded(mine)
    scored["truth"] = [
        _truth(grade, has_dr, graded=graded) for grade, has_dr in zip(mine["grade"], mine["has_dr"], strict=True)
    ]
    wide = scored.pivot_table(index=["eye", "truth"], columns="setup", values="score", aggfunc="first")
    wide = wide[[setup for setup in study.setups if setup in wide]]
    spread = (wide.max(axis=1) - wide.min(axis=1)).sort_values(ascending=False, kind="stable").head(_LISTED)
    data, eyes = str(mine["data"].iloc[0]), result_tables.load_table(study, "eyes")
    opens = can_open(study, data, eyes)
    head = "".join(f"<th>{escape(study.setups[str(setup)].label)}</th>" for setup in wide)
    rows = "".join(
        _eye_row(study, data, str(eye), truth, wide.loc[(eye, truth)], eyes if opens else None, opens=opens)
        for eye, truth in spread.index
    )
    if opens:
        _show_links(study, data, [str(eye) for eye, _ in spread.index])
    truth = "true grade" if graded else "DR (no grade is known)"
    tables.show_html(
        f'<div class="lens-eyes" tabindex="0"><table><thead><tr><td></td><th>eye</th><th>{truth}</th>'
        f"{head}<th>spread</th></tr></thead><tbody>{rows}</tbody></table></div>",
        "disagreement",
    )
    text = "Each model's probability that the eye is positive; spread is the largest minus the smallest, 0 to 1."
    if not opens:
        text += " The photographs are not on this machine, so they cannot be opened."
    st.caption(text)


def _truth(grade: int, has_dr: bool, *, graded: bool) -> str:
    """What is known of an eye: its grade, or whether it has DR."""
    return f"{grade}, {GRADES[grade]}" if graded else ("yes" if has_dr else "no")


def _show_links(study: Study, data: str, names: list[str]) -> None:
    """Open an eye of the list within the session, so that uploads stay."""
    chooser, *columns = st.columns([2, 1.2, 1.2, 1.2], vertical_alignment="bottom")
    name = chooser.selectbox("Open an eye of this list", names, key="disagreement_eye") or names[0]
    for column, page in zip(columns, ("1_Compare", "2_Robustness", "3_Explain"), strict=True):
        label = f"in {page.partition('_')[2]}"
        column.page_link(f"pages/{page}.py", label=label, query_params=link_query(study, data, name))


def _eye_row(
    study: Study, data: str, eye: str, truth: str, scores: pd.Series, eyes: pd.DataFrame | None, *, opens: bool
) -> str:
    picture = ""
    if opens:
        key = f"{study.path}-{study.info.created}"
        small = base64.b64encode(cache.study_thumbnail(key, data, eye, study, eyes)).decode()
        picture = f'<img src="data:image/jpeg;base64,{small}" alt="{escape(eye)}">'
    numbers = "".join(f"<td>{score:.2f}</td>" for score in scores)
    return (
        f"<tr><td>{picture}</td><th>{escape(eye)}</th><td>{truth}</td>{numbers}"
        f"<td>{scores.max() - scores.min():.2f}</td></tr>"
    )
