"""What was measured: every experiment of the registry, and the tables of the open study as they are."""

from html import escape

import streamlit as st

from dr_core.experiments.experiment import Experiment
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.study.folder import Study
from dr_ui.parts import tables
from dr_ui.shell import missing


def show_experiments(study: Study) -> None:
    """List the experiments with their tables, folded away, and open any table."""
    with st.expander("What was measured, and every table"):
        rows = "".join(_row(study, experiment) for experiment in EXPERIMENTS.values())
        tables.show_html(
            '<div class="lens-scroll" tabindex="0" role="region" aria-label="Experiments"><table class="lens-scores '
            'lens-falls lens-listing"><thead><tr><th scope="col">experiment</th><th scope="col">question</th>'
            f'<th scope="col">in this study</th></tr></thead><tbody>{rows}</tbody></table></div>',
            "experiments",
        )
        _show_table(study)


def _row(study: Study, experiment: Experiment) -> str:
    present = [table for table in experiment.tables if study.has_results(table)]
    state = f"measured: {len(present)} of {len(experiment.tables)} tables"
    if not present:
        state = missing.missing_table_html(study, next(iter(experiment.tables)))
    name, question = escape(experiment.label), escape(experiment.question)
    return f'<tr><th scope="row">{name}</th><td>{question}</td><td>{state}</td></tr>'


def _show_table(study: Study) -> None:
    names = [table for one in EXPERIMENTS.values() for table in one.tables if study.has_results(table)]
    if not names:
        return
    name = st.selectbox(
        "Open a table", list(dict.fromkeys(names)), index=None, key="table_of_study", placeholder="choose a table"
    )
    if name:
        rows = study.read_results(name)
        tables.show(rows, name, height=320)
