"""Parts of the home page: the open study, its models, and where each question is answered."""

import math
from html import escape
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dr_core.data.grades import PAPER_READING, READINGS
from dr_core.models.header import CheckpointInfo, read_checkpoint_header
from dr_core.models.setups import Setup
from dr_core.publish.training_eyes import name_training_eyes
from dr_core.study.digests import Stamp, stamp_of
from dr_core.study.folder import DataSet, Study, open_study
from dr_ui.parts.style import setup_class
from dr_ui.shell import missing, result_tables
from dr_ui.shell.page import questions
from dr_ui.views.home.setup_diagram import setups_drawing
from dr_ui.views.home.story import tell_story

_Rows = list[dict[Any, Any]]
"""AUCs of the table `performance`, a row each."""

_GUESSING = 0.5
"""AUC of a model that guesses."""


def show_study(study: Study) -> None:
    """Name the open study and draw its set-ups."""
    info = study.info
    st.html(
        f'<p class="lens-small"><b>Open study: {escape(info.title)}.</b> {escape(tell_story(study, _aucs(study)))} '
        f"Written {escape(info.created[:10])}.</p>"
        + setups_drawing(
            study.setups.values(), stand_in=any(data.role == "pretraining" and not data.real for data in info.data)
        )
    )


def show_models(study: Study) -> None:
    """One card a set-up: what it was trained on and how good it is."""
    aucs = _aucs(study)
    measured = None if aucs is None else aucs.to_dict("records")
    cards = "".join(_card(study, setup, measured) for setup in study.setups.values())
    st.html(
        f'<div class="lens-cards">{cards}</div>'
        '<p class="lens-small lens-key"><b>AUC</b>: how often a positive eye scores higher than a negative one; 1 is '
        "perfect, 0.5 (the mark on each line) is chance. In brackets the 95 % interval. Positive: grades 3-4, or any "
        "DR if ungraded, unless the line names others.</p>"
    )
    if measured is None:
        missing.show_missing_table(study, "performance")


def _aucs(study: Study) -> pd.DataFrame | None:
    """Rows of the table `performance`; None where nothing was measured."""
    if not study.has_results("performance"):
        return None
    rows = study.read_checkpoint_results("performance")
    return rows[rows["measure"] == "auc"]


def show_questions() -> DeltaGenerator:
    """Link the pages by the question that each answers; give the place above the links."""
    above = st.container()
    shown = questions()
    columns = [column for _ in range(0, len(shown), 3) for column in st.columns(3)]
    for column, question in zip(columns, shown, strict=False):
        with column:
            st.page_link(f"pages/{question.page}", label=f"**{question.question}**", icon=":material/arrow_forward:")
            st.html(f'<p class="lens-small">{escape(question.promise)}</p>')
    return above


def show_rest(study: Study, above: DeltaGenerator) -> None:
    """What is read after the models and questions, and needs PyTorch, which takes seconds to import after a start.

    Args:
        study: The study.
        above: Where its trainings are listed.

    Raises:
        InputError: If the weights of a checkpoint do not fit its header.
    """
    from dr_ui.views.home import experiments, import_form, running_trainings, trainings_table

    with above:
        result_tables.rest_on_all_tables()
        trainings_table.show_trainings(study)
        running_trainings.show_runs(study)
    experiments.show_experiments(study)
    import_form.show(study)
    for setup in study.setups:
        if study.has_checkpoint(setup):
            _check_weights(str(study.path), setup, stamp_of(study.checkpoint_path(setup)))


def show_data(study: Study) -> None:
    """What the numbers rest on, folded away."""
    with st.expander("Which eyes these numbers come from"):
        st.html(f'<ul class="lens-small">{"".join(_data_line(data) for data in study.info.data)}</ul>')


def _data_line(data: DataSet) -> str:
    name = data.title or data.label
    short = f' ("{escape(data.label)}" above)' if data.role == "test" and data.label else ""
    return (
        f"<li><b>{escape(data.role.capitalize())}: {escape(name)}</b>{short}, {data.images} images. "
        f"{escape(data.description)}</li>"
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _read_header(path: str, setup: str, stamp: Stamp) -> CheckpointInfo:
    return read_checkpoint_header(open_study(path).checkpoint_path(setup))


@st.cache_data(max_entries=64, show_spinner=False)
def _check_weights(path: str, setup: str, stamp: Stamp) -> None:
    """Compare a checkpoint with its header, once as long as the file stays: it takes building the network's shapes."""
    open_study(path).read_checkpoint_info(setup)


def _card(study: Study, setup: Setup, measured: _Rows | None) -> str:
    name, label = setup.name, escape(setup.label)
    if study.has_checkpoint(name):
        info = _read_header(str(study.path), name, stamp_of(study.checkpoint_path(name)))
        body = (
            f"<p>Trained on {escape(name_training_eyes(study, info.training_data))}</p>"
            '<p class="lens-fact" title="AUC of grades 3-4 against 0-2 on the eyes by which the best epoch was chosen, '
            'so slightly optimistic"><span>validation AUC</span>'
            f"<b>{_validated(info.validation_auc)}</b></p>{_figures(study, name, measured)}"
        )
    else:
        body = f"<p>{missing.missing_checkpoint_html(study, name)}</p>"
    return f'<section class="lens-card {setup_class(name)}" aria-label="{label}"><h2>{label}</h2>{body}</section>'


def _validated(auc: float) -> str:
    return "not known" if math.isnan(auc) else f"{auc:.3f}"


def _figures(study: Study, setup: str, measured: _Rows | None) -> str:
    if measured is None:
        return ""
    figures = ""
    for data in study.info.data:
        if data.role == "test":
            rows = [row for row in measured if row["data"] == data.key]
            graded = any(READINGS[row["reading"]].needs_grades for row in rows if row["reading"] in READINGS)
            figures += _figure(data, [row for row in rows if row["setup"] == setup], graded=graded)
    return figures


def _figure(data: DataSet, measured: _Rows, *, graded: bool) -> str:
    """One AUC with its interval, in figures and on a line from 0 to 1; its reading is named where the key lacks it."""
    known = {row["reading"] for row in measured}
    reading = next((name for name in READINGS if name in known), "")
    rows = [row for row in measured if row["reading"] == reading]
    if not rows:
        return ""
    value, low, high = (float(rows[0][column]) for column in ("value", "low", "high"))
    other = f", {READINGS[reading].label}" if graded and reading != PAPER_READING else ""
    label = escape(f"{data.label or data.title}{other}")
    if math.isnan(value + low + high):
        return f'<p class="lens-fact"><span>{label}</span>cannot be measured</p>'
    meaning = "better than chance" if low > _GUESSING else "not distinguishable from chance"
    meaning = "worse than chance" if high < _GUESSING else meaning
    return (
        f'<p class="lens-fact" title="AUC, {reading}: {escape(data.title)}, {rows[0]["n"]} eyes, '
        f'{rows[0]["positives"]} of them positive. With 95 % confidence {meaning}.">'
        f"<span>{label}</span>"
        f"<b>{value:.3f}</b><small>({low:.2f} to {high:.2f})</small></p>"
        f'<div class="lens-range" aria-hidden="true"><i style="left:{100 * low:.1f}%;'
        f'width:{100 * (high - low):.1f}%"></i><b style="left:{100 * value:.1f}%"></b></div>'
    )
