"""What a study lacks, and the command that would make it: every page says it through the study's one advice."""

from html import escape

import streamlit as st

from dr_cli.commands import render_remedy
from dr_core.errors import InputError
from dr_core.study.advice import Advice, advise_checkpoint
from dr_core.study.folder import Study
from dr_ui.parts.plain_text import plain


def _advise_table(study: Study, table: str) -> Advice:
    """Advice on a result table that a study lacks."""
    from dr_core.experiments import advice  # takes seconds, for which a study that lacks nothing does not wait

    return advice.advise_table(study, table)


def show_missing_table(study: Study, table: str, *, quietly: bool = False) -> None:
    """Say that a result table is missing, and what computes it; quietly where the page has more to show than it."""
    advice = _advise_table(study, table)
    command = f" The command: `{render_remedy(advice.remedy)}`" if advice.remedy else ""
    (st.caption if quietly else st.info)(plain(advice.sentence) + command)


def missing_table_sentence(study: Study, table: str) -> str:
    """Say that a result table is missing, and what computes it, as a message."""
    command = missing_command(study, table)
    return _advise_table(study, table).sentence + (f" The command: `{command}`" if command else "")


def missing_command(study: Study, table: str) -> str:
    """The command that computes a result table; empty where there is none that would harm nothing."""
    remedy = _advise_table(study, table).remedy
    return render_remedy(remedy) if remedy else ""


def missing_table_html(study: Study, table: str) -> str:
    """Say in HTML that a result table is missing, and what computes it."""
    return _html(_advise_table(study, table))


def no_model_error(study: Study) -> InputError:
    """What to raise where a page needs a model and the study has none."""
    advice = advise_checkpoint(study, next(iter(study.setups), ""))
    reason = "" if advice.remedy else f" {advice.sentence}"
    return InputError(f"The study {study.name} has no trained model yet.{reason}", advice.remedy)


def missing_checkpoint_html(study: Study, setup: str) -> str:
    """Say in HTML that the checkpoint of a set-up is missing, and what trains it."""
    return _html(advise_checkpoint(study, setup))


def _html(advice: Advice) -> str:
    command = f"<br><code>{escape(render_remedy(advice.remedy))}</code>" if advice.remedy else ""
    return escape(advice.sentence) + command
