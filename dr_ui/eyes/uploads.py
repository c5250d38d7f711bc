"""The files that a user has uploaded: they belong to the session, and stay on every page until they are removed."""

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_ui.parts.plain_text import plain
from dr_ui.shell import navigation

_KEPT, _IN_WIDGET = "kept_uploads", "uploads_in_widget"


def keep(files: list[UploadedFile]) -> list[UploadedFile]:
    """Keep what the uploader of this page holds, beside what was uploaded on others, and offer to remove the latter.

    An uploader is empty again when its page is opened anew. So a file that it no longer holds was removed by the user
    only where it held it earlier in the same visit.

    Args:
        files: What the uploader of this page holds.

    Returns:
        All files of the session, in the order of their uploads.
    """
    kept: dict[str, UploadedFile] = st.session_state.setdefault(_KEPT, {})
    held = {file.file_id: file for file in files}
    visit, before = st.session_state.get(_IN_WIDGET, (navigation.visit(), frozenset()))
    if visit == navigation.visit():
        for removed in before - held.keys():
            kept.pop(removed, None)
    kept.update(held)
    st.session_state[_IN_WIDGET] = (navigation.visit(), frozenset(held))
    brought = [file for file_id, file in kept.items() if file_id not in held]
    if brought:
        name = brought[0].name if len(brought) == 1 else f"{len(brought)} files"
        st.button(
            f"Remove {plain(name)}",
            key="remove_uploads",
            help="Uploaded on an earlier visit.",
            on_click=_remove_brought,
        )
    return list(kept.values())


def _remove_brought() -> None:
    _, held = st.session_state[_IN_WIDGET]
    st.session_state[_KEPT] = {key: file for key, file in st.session_state[_KEPT].items() if key in held}
