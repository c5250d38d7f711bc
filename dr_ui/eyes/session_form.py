"""Saving a session and loading it again: the case list, the eye that is looked at, known grades and shared choices."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st
from streamlit import config
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.errors import InputError
from dr_core.study.digests import digest_checkpoints
from dr_core.study.folder import Study
from dr_ui.eyes import cache, case_list, case_sources, chosen, file_reader, truth, uploads
from dr_ui.eyes.case_list import ListedEye
from dr_ui.eyes.session_file import (
    SCORED,
    STUDY,
    UPLOAD,
    SavedSession,
    SessionEye,
    StudyIdentity,
    read_session,
    write_session,
)
from dr_ui.eyes.shared_choices import current_choices, take_choices
from dr_ui.parts.plain_text import plain
from dr_ui.shell import studies

_WAITING, _SHOWN = "awaited_uploads", 3


def offer_session_file(study: Study) -> None:
    """Draw the button that saves the session, and the uploader that loads one.

    Args:
        study: The open study.
    """
    files = uploads.kept_files()
    size, most = sum(file.size for file in files), int(config.get_option("server.maxUploadSize")) * 2**20
    included = st.checkbox(
        f"With the photographs ({size / 2**20:.1f} MB)" if files else "With the photographs (none yet)",
        key="session_photographs",
        disabled=not files or size > most,
        help="Otherwise the file holds their names and digests, and you upload them again. "
        f"This server reads files of up to {most >> 20} MB.",
    )
    session = _describe_session(study)
    st.download_button(
        "Save the session",
        lambda: write_session(_with_photographs(session, files) if included else session),
        f"{study.name}-session.{'zip' if included else 'json'}",
        "application/zip" if included else "application/json",
        key="save_session",
        on_click="ignore",
        width="stretch",
    )
    file_reader.show_reader(
        "Load a session",
        "session_file",
        ["json", "zip"],
        "Its eyes are added to the list, and its choices replace yours. Nothing of it is kept on the server.",
        _load,
    )


def show_awaited() -> None:
    """Name the photographs of a loaded session that are to be uploaded again."""
    awaited: Mapping[str, str] = st.session_state.get(_WAITING, {})
    if not awaited:
        return
    here = {cache.digest(file.file_id, file): file.name for file in uploads.kept_files()}
    awaited = {digest: name for digest, name in awaited.items() if digest not in here}
    st.session_state[_WAITING] = awaited
    if awaited:
        others = [name for name in awaited.values() if name in here.values()]
        strange = f" Another photograph is here as {_list(others)}." if others else ""
        st.caption(plain(f"Of the loaded session, upload again: {_list(list(awaited.values()))}.{strange}"))


def _list(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _identify(study: Study) -> StudyIdentity:
    return StudyIdentity(
        name=study.name,
        title=study.info.title,
        created=study.info.created,
        checkpoints=digest_checkpoints(study),
    )


def _describe_session(study: Study) -> SavedSession:
    files = [
        SessionEye(origin=UPLOAD, name=file.name, digest=cache.digest(file.file_id, file))
        for file in uploads.kept_files()
    ]
    listed = [
        SessionEye(origin=SCORED if _is_scored(study, one) else STUDY, name=one.name, data=one.data)
        for one in case_list.listed_eyes(study)
    ]
    current, eyes = case_list.current_case(study), (*files, *listed)
    at = -1 if current is None else next((n for n, eye in enumerate(eyes) if _key(study, eye) == current.key), -1)
    table = truth.kept_table()
    if table is not None and len(table.content) > truth.MOST_BYTES:
        table = None  # it was refused
    return SavedSession(
        study=_identify(study),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        choices=current_choices(),
        eyes=eyes,
        looked_at=at,
        grades_name=table.name if table else "",
        grades=table.content.decode("latin-1") if table else "",  # any bytes, and the same ones when read again
    )


def _is_scored(study: Study, listed: ListedEye) -> bool:
    return listed.data not in [data.key for data in study.info.data]


def _key(study: Study, eye: SessionEye) -> str:
    """Key of an eye in the case list."""
    return eye.digest or cache.study_key(study, eye.data, eye.name)


def _with_photographs(session: SavedSession, files: list[UploadedFile]) -> SavedSession:
    digests = [eye.digest for eye in session.eyes if eye.origin == UPLOAD]
    return replace(session, photographs=dict(zip(digests, (file.getvalue() for file in files), strict=True)))


def _load(file: UploadedFile) -> list[str]:
    """Take a session over, or raise InputError and leave everything as it is."""
    session = read_session(file.getvalue(), file.name)
    study = _open_study(session, file.name)
    notes, listed = _find_listed(study, session)
    present = {cache.digest(one.file_id, one) for one in uploads.kept_files()}
    saved = {eye.digest: eye.name for eye in session.eyes if eye.origin == UPLOAD and eye.digest not in present}
    uploads.add([(name, session.photographs[key]) for key, name in saved.items() if key in session.photographs])
    st.session_state[_WAITING] = {key: name for key, name in saved.items() if key not in session.photographs}
    case_list.add_listed(study, listed)
    if session.grades_name:
        truth.keep_table(truth.GradeTable(session.grades_name, session.grades.encode("latin-1")))
    take_choices(study, session.choices)
    if session.looked_at >= 0:
        chosen.look_at_key(_key(study, session.eyes[session.looked_at]))
    return [f"Session of {session.written} with {len(session.eyes)} eyes.", *notes]


def _open_study(session: SavedSession, title: str) -> Study:
    """The study of a session, which is opened where the app has it.

    Raises:
        InputError: If the app has not.
    """
    known = [path.name for path in studies.available_studies()]
    study = studies.open_named(session.study.name) if session.study.name in known else studies.open_chosen()
    if (study.info.title, study.info.created) != (session.study.title, session.study.created):
        raise InputError(
            f"{title} is a session of the study {session.study.title} ({session.study.name}), made "
            f"{session.study.created[:10]}, which is not here; the open study is {study.info.title}. Nothing was "
            "changed."
        )
    if len(known) > 1:
        st.session_state["study"] = study.name
    return study


def _find_listed(study: Study, session: SavedSession) -> tuple[list[str], list[ListedEye]]:
    """Sentences on what cannot be restored, and the eyes of the study that can."""
    found: list[ListedEye] = []
    gone: list[str] = []
    names = {eye.data: [one.name for one in session.eyes if one.data == eye.data] for eye in session.eyes}
    for data in dict.fromkeys(eye.data for eye in session.eyes if eye.origin == STUDY):
        try:
            known = {one.name: one for one in case_sources.find_test_eyes(study, data)}
        except InputError:
            known = {}
        found += [known[name] for name in names[data] if name in known]
        gone += [name for name in names[data] if name not in known]
    scored = dict.fromkeys(eye.data for eye in session.eyes if eye.origin == SCORED)
    here = {one.data for one in case_list.listed_eyes(study)}
    notes = [
        f"Load the table of scores {name} again: a session file only names it." for name in scored if name not in here
    ]
    if gone:
        notes.append(f"The study no longer has {len(gone)} of the eyes: {_list(gone)}.")
    if _identify(study).checkpoints != dict(session.study.checkpoints):
        notes.append("The models differ from those of the session: some checkpoints have changed since.")
    return notes, found
