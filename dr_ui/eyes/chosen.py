"""Which of several eyes is looked at: one choice for the session, so that it follows from page to page."""

from collections.abc import Sequence

import streamlit as st

from dr_ui.eyes.cache import Eye

_CHOSEN = "chosen_eye"


def select_eye(eye: Eye) -> None:
    """Look at this eye from now on."""
    st.session_state[_CHOSEN] = eye.key


def chosen_row(eyes: Sequence[Eye]) -> int:
    """Row of the eye that is looked at; the first where it is none of these."""
    keys = [eye.key for eye in eyes]
    kept = st.session_state.get(_CHOSEN)
    return keys.index(kept) if kept in keys else 0


def choose_one(eyes: Sequence[Eye], label: str, key: str) -> Eye:
    """Let the user choose among eyes; one alone is chosen without asking."""
    row = chosen_row(eyes)
    if len(eyes) > 1:
        row = st.selectbox(label, range(len(eyes)), index=row, format_func=lambda at: eyes[at].name, key=key)
    select_eye(eyes[row])
    return eyes[row]
