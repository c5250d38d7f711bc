"""The state of one session that follows from page to page, beside the inputs that a link carries."""

import streamlit as st

_PAGE, _VISIT = "open_page", "visit"


def enter_page(title: str) -> None:
    """Note which page is drawn; going to another one begins a new visit."""
    if st.session_state.get(_PAGE) != title:
        st.session_state[_PAGE] = title
        st.session_state[_VISIT] = visit() + 1


def visit() -> int:
    """Number of the visit to a page: the widgets of an earlier one are gone, with what they held."""
    return int(st.session_state.get(_VISIT, 0))
