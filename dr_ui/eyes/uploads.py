"""The files that a user has uploaded: they belong to the session, and stay on every page until they are removed.

Streamlit's manager of uploads holds their bytes, which the upload shares count (`dr_ui/shell/uploads.py`), and forgets
a session with its tab or login; the session remembers the files, which share those bytes until they are removed.
"""

import uuid
from collections.abc import Sequence

import streamlit as st
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from dr_core.errors import InputError
from dr_ui.parts.plain_text import plain
from dr_ui.shell import navigation
from dr_ui.shell.uploads import may_hold

_KEPT, _HELD, _IN_WIDGET, _REMOVED = "kept_uploads", "held_uploads", "uploads_in_widget", "removed_uploads"


def keep(files: list[UploadedFile]) -> list[UploadedFile]:
    """Keep what the uploader of this page holds, beside what was uploaded on others, and offer to remove the latter.

    An uploader is empty again when its page is opened anew. So a file that it no longer holds was removed by the user
    only where it held it earlier in the same visit.

    Args:
        files: What the uploader of this page holds.

    Returns:
        All files of the session, in the order of their uploads.
    """
    removed: set[str] = st.session_state.setdefault(_REMOVED, set())
    kept: list[str] = st.session_state.get(_KEPT, [])
    held = {file.file_id: file for file in files if file.file_id not in removed}
    visit, before = st.session_state.get(_IN_WIDGET, (navigation.visit(), frozenset()))
    gone = removed | (before - held.keys() if visit == navigation.visit() else set())
    brought = _find([file_id for file_id in kept if file_id not in held and file_id not in gone])
    found = brought | held
    order = [file_id for file_id in dict.fromkeys([*kept, *held]) if file_id in found]
    st.session_state[_KEPT] = order
    st.session_state[_HELD] = found
    st.session_state[_IN_WIDGET] = (navigation.visit(), frozenset(held))
    if brought:
        name = next(iter(brought.values())).name if len(brought) == 1 else f"{len(brought)} files"
        st.button(
            f"Remove {plain(name)}",
            key="remove_uploads",
            help="Uploaded on an earlier visit.",
            on_click=_remove,
            args=(list(brought),),
        )
    return [found[file_id] for file_id in order]


def kept_files() -> list[UploadedFile]:
    """All files of the session, in the order of their uploads, as the last uploader left them."""
    order: list[str] = st.session_state.get(_KEPT, [])
    found = _find(order)
    return [found[file_id] for file_id in order if file_id in found]


def add(files: Sequence[tuple[str, bytes]]) -> None:
    """Keep files that came inside of another upload, as if they had been uploaded.

    Args:
        files: Name and bytes of each.

    Raises:
        InputError: If they would take more than the session's share.
    """
    context = get_script_run_ctx()
    if context is None or not isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        raise InputError("This server does not hold uploads in memory; upload the photographs themselves.")
    if not may_hold(context.session_id, sum(len(content) for _, content in files), len(files)):
        raise InputError("The photographs of the file are too many beside those that are open; remove some.")
    for name, content in files:
        record = UploadedFileRec(uuid.uuid4().hex, name, "application/octet-stream", content)
        context.uploaded_file_mgr.add_file(context.session_id, record)
        st.session_state.setdefault(_HELD, {})[record.file_id] = UploadedFile(record, FileURLs(file_id=record.file_id))
        st.session_state.setdefault(_KEPT, []).append(record.file_id)


def remove(file_id: str) -> None:
    """Let a file go, also where the uploader of the open page still holds it."""
    st.session_state[_KEPT] = [one for one in st.session_state.get(_KEPT, []) if one != file_id]
    _remove([file_id])


def let_go(file_ids: Sequence[str]) -> None:
    """Free the bytes of files that were read and are not kept."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file_id in file_ids:
            context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def _find(file_ids: list[str]) -> dict[str, UploadedFile]:
    """Files of this session: as the last uploader gave them, which shares their bytes with the server, or its own."""
    held: dict[str, UploadedFile] = st.session_state.get(_HELD, {})
    known = {file_id: held[file_id] for file_id in file_ids if file_id in held}
    return known | _fetch([file_id for file_id in file_ids if file_id not in known])


def _fetch(file_ids: list[str]) -> dict[str, UploadedFile]:
    """Files of this session that the server still holds, by their names in Streamlit."""
    context = get_script_run_ctx()
    if context is None:
        return {}
    records = context.uploaded_file_mgr.get_files(context.session_id, file_ids)
    return {one.file_id: UploadedFile(one, FileURLs(file_id=one.file_id)) for one in records}


def _remove(file_ids: list[str]) -> None:
    for file_id in file_ids:
        st.session_state.get(_HELD, {}).pop(file_id, None)
        st.session_state.setdefault(_REMOVED, set()).add(file_id)
    let_go(file_ids)
