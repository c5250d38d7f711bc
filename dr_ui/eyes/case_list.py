"""The case list: the eyes of a session, uploads and eyes that tables hold, the same on every page."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from dr_core.data.intake.lesion_mask import split_names
from dr_core.errors import InputError
from dr_core.experiments.recorded import RecordedEye
from dr_core.study.folder import Study
from dr_ui.eyes import cache, chosen, uploads
from dr_ui.eyes.cache import Eye
from dr_ui.shell import navigation, result_tables

LINKED = "eye"
"""Name in a link of an eye that the study was measured on: its data set and its name, with a slash between."""

MOST_LISTED = 500
"""Eyes in the list beside the uploads; the one that came first leaves for a new one."""

_LISTED, _OPENED = "listed_eyes", "opened_link"


@dataclass(frozen=True, kw_only=True)
class ListedEye:
    """An eye of the list that was not uploaded.

    Attributes:
        data: Key of the study's data set, or name of the table of scores.
        name: Name of the eye.
        recorded: What a table holds of it; None of an eye that a link opened.
        absent: Why its picture cannot be had, a sentence; empty where the study can open it.
    """

    data: str
    name: str
    recorded: RecordedEye | None = None
    absent: str = ""

    def key(self, study: Study) -> str:
        """Its key in the list."""
        return cache.study_key(study, self.data, self.name)


def list_cases(study: Study) -> list[Eye]:
    """The eyes of the session: photographs that were uploaded, then eyes of this study and of tables of scores."""
    files = uploads.kept_files()
    named = split_names([file.name for file in files])
    photographs = [file for file, (_, part) in zip(files, named, strict=True) if part is None]
    names = {file.name for file in photographs}
    listed = _listed_eyes(study)
    eyes = result_tables.load_table(study, "eyes") if listed else None
    return [cache.uploaded_eye(file) for file in photographs] + [
        _make_eye(study, key, one, eyes)
        for key, one in listed.items()
        if not (one.absent and PurePosixPath(one.name).name in names)  # the photograph itself is there
    ]


def _make_eye(study: Study, key: str, listed: ListedEye, eyes: pd.DataFrame | None) -> Eye:
    if listed.absent:
        return Eye(listed.name, key, recorded=listed.recorded, absent=listed.absent)
    return replace(cache.study_eye(study, listed.data, listed.name, eyes), recorded=listed.recorded)


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
    data, _, name = link.partition("/")
    try:
        chosen.select_eye(add_study_eye(study, data, name))
    except InputError:
        del st.query_params[LINKED]  # the page would be lost until the address is typed anew
        raise


def add_study_eye(study: Study, data: str, name: str) -> Eye:
    """Put an eye that the study was measured on into the list.

    Raises:
        InputError: If the study has no such eye, or its picture cannot be had.
    """
    listed = ListedEye(data=data, name=name)
    eye = _make_eye(study, listed.key(study), listed, result_tables.load_table(study, "eyes"))
    eye.open()
    if eye.key not in _listed_eyes(study):
        add_listed(study, [listed])
    return eye


def add_listed(study: Study, eyes: Iterable[ListedEye]) -> None:
    """Put eyes at the end of the list; what it held of them before is replaced."""
    listed = _listed_eyes(study)
    listed |= {one.key(study): one for one in eyes}
    for key in list(listed)[:-MOST_LISTED]:
        del listed[key]


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
    _listed_eyes(study).pop(eye.key, None)
    if eye.link and st.query_params.get(LINKED) == eye.link:
        del st.query_params[LINKED]


def remove_listed(study: Study) -> None:
    """Take all eyes that were not uploaded out of the list."""
    _listed_eyes(study).clear()
    if LINKED in st.query_params:
        del st.query_params[LINKED]


def listed_eyes(study: Study) -> list[ListedEye]:
    """The eyes of the list that were not uploaded."""
    return list(_listed_eyes(study).values())


def _listed_eyes(study: Study) -> dict[str, ListedEye]:
    """Key -> eye that was not uploaded, in the order in which they came."""
    by_study: dict[str, dict[str, ListedEye]] = st.session_state.setdefault(_LISTED, {})
    return by_study.setdefault(str(study.path), {})
