"""Set-ups that give no answer about an eye, and why, beside the answers of the others."""

from collections.abc import Collection
from contextlib import suppress
from html import escape

import streamlit as st

from dr_core.data.grades import TWO_OUTPUTS
from dr_core.errors import InputError
from dr_core.models.checkpoint import read_info
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.shell import missing


def reasons_html(study: Study, answered: Collection[str]) -> str:
    """A sentence for each set-up that has a checkpoint and gives no answer.

    Args:
        study: The study.
        answered: Set-ups whose answers are shown.
    """
    return _limits_html(study) + "".join(
        f'<p class="lens-warning" role="alert">No answer from {escape(study.setups[setup].label)}, because: '
        f"{escape(reason)}</p>"
        for setup, reason in cache.unanswered(study, answered).items()
    )


def show_limits(study: Study) -> None:
    """Say of each model with two outputs what it answers, and that it answers nothing else."""
    if sentences := _limits_html(study):  # Streamlit refuses to show nothing
        st.html(sentences)


def _limits_html(study: Study) -> str:
    return "".join(
        f'<p class="lens-small">{escape(study.setups[setup].label)} distinguishes {" from ".join(groups)}. Single '
        f"grades and other readings: {TWO_OUTPUTS}.</p>"
        for setup, groups in _groups(cache.study_stamp(study), study).items()
    )


@st.cache_data(max_entries=4, show_spinner=False)
def _groups(stamp: cache.Stamp, _study: Study) -> dict[str, tuple[str, ...]]:
    """Set-up with two outputs -> the groups of grades that it tells apart."""
    found = {}
    for setup in filter(_study.has_checkpoint, _study.setups):
        with suppress(InputError):  # a broken one is refused where it is asked
            info = read_info(_study.checkpoint_path(setup))
            if info.positive_from:
                found[setup] = info.classes
    return found


def require_answers(study: Study, answered: Collection[str]) -> None:
    """Make sure that at least one model has answered.

    Raises:
        InputError: If none has, with the reasons.
    """
    if not answered:
        raise InputError("No answer, because: " + " ".join(cache.unanswered(study, answered).values()))


def require_models(study: Study) -> None:
    """Make sure that a model can be asked.

    Raises:
        InputError: If there is none, or each is broken.
    """
    if cache.models(study):
        return
    if refused := cache.refused_models(study):
        raise InputError("No answer, because: " + " ".join(refused.values()))
    raise missing.no_model_error(study)
