"""The case list: the eyes of a session, uploads and eyes that a study was measured on, the same on every page."""

import streamlit as st

from dr_core.data.intake.lesion_mask import split_names
from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_ui.eyes import cache, chosen, uploads
from dr_ui.eyes.cache import Eye
from dr_ui.shell import navigation, result_tables

LINKED = "eye"
"""Name in a link of an eye that the study was measured on: its data set and its name, with a slash between."""

MOST_STUDY_EYES = 12
"""Eyes of a study in the list: as many pictures are kept ready; the one that was opened first leaves for a new one."""

_STUDY_EYES, _OPENED = "study_eyes", "opened_link"


def list_cases(study: Study) -> list[Eye]:
    """The eyes of the session: photographs that were uploaded, then eyes of this study that were opened.

    Raises:
        InputError: If the study no longer has one of them; it leaves the list.
    """
    files = uploads.kept_files()
    named = split_names([file.name for file in files])
    photographs = [file for file, (_, part) in zip(files, named, strict=True) if part is None]
    return [cache.uploaded_eye(file) for file in photographs] + [
        _open_or_remove(study, link) for link in list(_study_eyes(study))
    ]


def _open_or_remove(study: Study, link: str) -> Eye:
    try:
        return open_study_eye(study, link)
    except InputError:
        _study_eyes(study).remove(link)  # it is said once, and the other eyes stay
        raise


def open_study_eye(study: Study, link: str) -> Eye:
    """The eye that a link names; raises as `cache.study_eye` does."""
    data, _, name = link.partition("/")
    return cache.study_eye(study, data, name, result_tables.load_table(study, "eyes"))


def take_link(study: Study) -> None:
    """Put the eye of a link that was just followed into the list, and look at it.

    Raises:
        InputError: If the study has no such eye.
    """
    link = st.query_params.get(LINKED, "")
    followed = (navigation.visit(), link)
    if "/" not in link or st.session_state.get(_OPENED) == followed:
        return
    st.session_state[_OPENED] = followed
    try:
        eye = open_study_eye(study, link)
    except InputError:
        del st.query_params[LINKED]  # the page would be lost until the address is typed anew
        raise
    eyes = _study_eyes(study)
    if link not in eyes:
        eyes.append(link)
        del eyes[:-MOST_STUDY_EYES]
    chosen.select_eye(eye)


def current_case(study: Study) -> Eye | None:
    """The eye of the list that is looked at; None where the list is empty."""
    eyes = list_cases(study)
    return eyes[chosen.chosen_row(eyes)] if eyes else None


def show_in_link(eye: Eye) -> None:
    """Let the address name the eye that is looked at, where it may: never an upload."""
    if eye.link and st.query_params.get(LINKED) != eye.link:
        st.query_params[LINKED] = eye.link
        st.session_state[_OPENED] = (navigation.visit(), eye.link)
    elif not eye.link and LINKED in st.query_params:
        del st.query_params[LINKED]


def remove_case(study: Study, eye: Eye) -> None:
    """Take an eye out of the list; an upload's bytes go with it."""
    if eye.file is not None:
        uploads.remove(eye.file.file_id)
    elif eye.link in _study_eyes(study):
        _study_eyes(study).remove(eye.link)
    if st.query_params.get(LINKED) == eye.link:
        del st.query_params[LINKED]


def remove_study_eyes(study: Study) -> None:
    """Take all eyes of the study out of the list."""
    _study_eyes(study).clear()
    if LINKED in st.query_params:
        del st.query_params[LINKED]


def _study_eyes(study: Study) -> list[str]:
    """Links of the study's eyes in the list, in the order of opening."""
    by_study: dict[str, list[str]] = st.session_state.setdefault(_STUDY_EYES, {})
    return by_study.setdefault(str(study.path), [])
