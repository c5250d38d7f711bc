"""Which of several eyes is looked at: one choice for the session, so that it follows from page to page."""

from collections.abc import Sequence

import streamlit as st

from dr_ui.eyes.cache import Eye

_CHOSEN, _TURN = "chosen_eye", "choice_number"


def select_eye(eye: Eye) -> None:
    """Look at this eye from now on."""
    st.session_state[_CHOSEN] = eye.key


def look_at(eye: Eye) -> None:
    """Look at this eye from now on, whatever a widget of the open page has chosen; for callbacks."""
    look_at_key(eye.key)


def look_at_key(key: str) -> None:
    """Look at the eye of this key, as `look_at` does."""
    st.session_state[_CHOSEN] = key
    st.session_state[_TURN] = turn() + 1


def turn() -> int:
    """How often an eye was chosen outside the page's own widgets: part of their keys, so that they follow."""
    return int(st.session_state.get(_TURN, 0))


def chosen_row(eyes: Sequence[Eye]) -> int:
    """Row of the eye that is looked at; the first where it is none of these."""
    keys = [eye.key for eye in eyes]
    kept = st.session_state.get(_CHOSEN)
    return keys.index(kept) if kept in keys else 0


def choose_one(eyes: Sequence[Eye], label: str, key: str) -> Eye:
    """Let the user choose among eyes; one alone is chosen without asking."""
    row = chosen_row(eyes)
    if len(eyes) > 1:
        # A key of its own for every choice that was made in the case list: an old widget would keep its old eye.
        key = f"{key}_{turn()}" if turn() else key
        row = st.selectbox(label, range(len(eyes)), index=row, format_func=lambda at: eyes[at].name, key=key)
    select_eye(eyes[row])
    return eyes[row]
