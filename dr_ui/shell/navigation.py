"""The state of one session that follows from page to page, beside the inputs that a link carries."""

from typing import Literal, TypedDict

import streamlit as st
from streamlit.errors import StreamlitAPIException

_PAGE, _VISIT, _KEPT, _UNLINKED = "open_page", "visit", "kept_inputs", "unlinked_inputs"


class _FollowingInput(TypedDict):
    key: str
    persist_state: Literal["session"]


class _KeptInput(_FollowingInput):
    bind: Literal["query-params"]


def kept_input(key: str) -> _KeptInput:
    """Arguments of a widget whose value stands in the address and follows to every page that has one of the same key.

    Streamlit alone forgets it: a page's widgets go with the page, and a link followed loses what the page that is left
    binds to the address.
    """
    st.session_state.setdefault(_KEPT, set()).add(key)
    return {"key": key, "bind": "query-params", "persist_state": "session"}


def unlinked_input(key: str) -> _FollowingInput:
    """Arguments of a widget whose value follows to every page that has one of the same key, and stands in no link."""
    st.session_state.setdefault(_UNLINKED, set()).add(key)
    return {"key": key, "persist_state": "session"}


def keep_input(key: str, value: object) -> None:
    """Give a kept input its value on every page; for callbacks, where no widget is drawn yet."""
    st.session_state.setdefault(_KEPT, set()).add(key)
    st.session_state[key] = value


def enter_page(title: str) -> None:
    """Note which page is drawn; going to another one begins a new visit, to which the inputs follow."""
    if st.session_state.get(_PAGE) == title:
        return
    st.session_state[_PAGE] = title
    st.session_state[_VISIT] = visit() + 1
    linked, others = (st.session_state.get(kind, set()) for kind in (_KEPT, _UNLINKED))
    for key in linked | others:
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]
            if key in linked:
                _write_in_address(key, st.session_state[key])


def _write_in_address(key: str, value: object) -> None:
    if key in st.query_params:
        return
    try:
        st.query_params[key] = [str(one) for one in value] if isinstance(value, list) else str(value)
    except StreamlitAPIException:
        return  # bound to the page that is left until this one has been drawn: its next run writes it


def visit() -> int:
    """Number of the visit to a page: the widgets of an earlier one are gone, with what they held."""
    return int(st.session_state.get(_VISIT, 0))
