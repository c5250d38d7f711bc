"""Parts of the home page: the open study, its four models, and where each question is answered."""

from html import escape

import pandas as pd
import streamlit as st

from dr_core.models.setups import SETUPS
from dr_core.study.folder import DataSet, Study
from dr_ui.drawing import setups_drawing
from dr_ui.page import questions


def show_study(study: Study) -> None:
    """Name the open study and draw its set-ups."""
    info = study.info
    st.html(
        f'<p class="lens-small"><b>Open study: {escape(info.title)}.</b> {escape(info.summary)} '
        f"Seed {info.seed}, written {escape(info.created[:10])}.</p>"
    )
    st.html(setups_drawing(any(data.role == "pretraining" and not data.real for data in info.data)))


def show_models(study: Study) -> None:
    """One card a set-up: what it was trained on and how good it is."""
    measured = study.read_results("performance") if study.has_results("performance") else None
    cards = "".join(_card(study, setup, measured) for setup in study.info.setups)
    st.html(f'<div class="lens-cards">{cards}</div>')
    if measured is None:
        st.info("This study has no table of performance yet; the command that trained it writes it at its end.")


def show_legend(study: Study) -> None:
    """Say what the figures mean and on which eyes they were measured."""
    st.html(_legend(study))


def show_questions() -> None:
    """Link the pages by the question that each answers."""
    for column, question in zip(st.columns(3), questions(), strict=False):
        with column:
            st.page_link(f"pages/{question.page}", label=f"**{question.question}**", icon=":material/arrow_forward:")
            st.caption(question.promise)


def _card(study: Study, name: str, measured: pd.DataFrame | None) -> str:
    setup = SETUPS[name]
    if not study.has_checkpoint(name):
        body = "<p>Not trained yet: <code>python train_cli.py demo --out DIR</code></p>"
    else:
        info = study.read_checkpoint_info(name)
        body = (
            f"<p>Trained on {escape(info.training_data)}; validation AUC <b>{info.validation_auc:.3f}</b>.</p>"
            f"{_figures(study, name, measured)}"
        )
    return (
        f'<section class="lens-card lens-{name}" aria-label="{setup.label}" title="{escape(setup.summary)}">'
        f"<h2>{setup.label}</h2>{body}</section>"
    )


def _figures(study: Study, setup: str, measured: pd.DataFrame | None) -> str:
    if measured is None:
        return ""
    facts = "".join(
        f'<dt>{escape(data.label or data.title)}</dt><dd><b>{row.value:.3f}</b></dd><dd class="lens-small">'
        f"{row.low:.2f} to {row.high:.2f}</dd>"
        for data in study.info.data
        if data.role == "test"
        for row in _headline(measured, data, setup).itertuples()
    )
    return f'<dl class="lens-facts">{facts}</dl>'


def _headline(measured: pd.DataFrame, data: DataSet, setup: str) -> pd.DataFrame:
    reading = "any DR" if data.real else "grades 3-4 against 0-2"
    chosen = (measured["data"] == data.key) & (measured["setup"] == setup) & (measured["reading"] == reading)
    return measured[chosen & (measured["measure"] == "auc")]


def _legend(study: Study) -> str:
    said = "".join(
        f"<li><b>{escape(data.label or data.title)}</b>: {escape(data.title)}, {data.images} eyes. "
        f"{escape(data.description)}</li>"
        for data in study.info.data
        if data.role == "test"
    )
    return (
        '<p class="lens-small">Numbers are AUCs with 95 % intervals: the chance that the model ranks a sick eye above '
        "a healthy one; 0.5 is guessing, 1 is perfect. On graded eyes: grades 3-4 against 0-2, as in the paper; "
        f'on photographs of which only the presence of DR is known: any DR.</p><ul class="lens-small">{said}</ul>'
    )
