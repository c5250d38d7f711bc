"""An uploader whose files are read once and let go, and what was understood of them, over the case list."""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.errors import InputError
from dr_ui.eyes import uploads
from dr_ui.parts.plain_text import plain_message
from dr_ui.shell import navigation

_NOTES = "case_notes"

Read = Callable[[UploadedFile], Sequence[str]]
"""Takes over what a file holds; gives sentences about it, raises InputError where it cannot be used."""


def show_reader(label: str, key: str, kinds: Sequence[str], text: str, read: Read) -> None:
    """Draw the uploader; what was understood of its files stands in the notes.

    Args:
        label: What to upload.
        key: Name of the uploader.
        kinds: Suffixes of its files.
        text: Help.
        read: What is done with each file.
    """
    st.file_uploader(
        label,
        list(kinds),
        accept_multiple_files=True,
        key=_widget_key(key),
        on_change=_read_files,
        args=(key, read),
        help=text,
    )


def put_notes(notes: Sequence[tuple[bool, str]]) -> None:
    """Keep notes for the case list in the place of earlier ones: whether it is an error, and a sentence."""
    st.session_state[_NOTES] = navigation.visit(), notes


def show_notes() -> None:
    """Draw the notes until another page is opened."""
    visit, notes = st.session_state.get(_NOTES, (0, ()))
    for is_error, sentence in notes if visit == navigation.visit() else ():
        (st.error if is_error else st.caption)(plain_message(sentence))


def _widget_key(key: str) -> str:
    """A new one after each reading: the uploader is empty again, and the files are let go."""
    return f"{key}_{st.session_state.get(f'{key}_turn', 0)}"


def _read_files(key: str, read: Read) -> None:
    notes: list[tuple[bool, str]] = []
    files: list[UploadedFile] = st.session_state[_widget_key(key)]
    for file in files:
        try:
            notes += [(False, sentence) for sentence in read(file)]
        except InputError as error:
            notes.append((True, str(error)))
    uploads.let_go([file.file_id for file in files])
    put_notes(notes)
    st.session_state[f"{key}_turn"] = st.session_state.get(f"{key}_turn", 0) + 1
