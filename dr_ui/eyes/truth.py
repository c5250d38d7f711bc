"""Grades, patients and sides that the user knows for the photographs of this session, from a table of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dr_core.data.intake.fellow_eyes import PatientEye, find_fellows, find_patient_eye
from dr_core.data.intake.given_grades import GivenGrades, read_given_grades
from dr_core.errors import InputError
from dr_ui.eyes.cache import Eye
from dr_ui.parts.plain_text import plain

_FILE, _TABLE, _READ = "given_grades_file", "given_grades_table", "given_grades"

MOST_BYTES = 2**20
"""Of the table; 35,000 photographs of EyePACS take 600 KB."""


@dataclass(frozen=True)
class GradeTable:
    """A table of known grades; it stays on every page until it is removed.

    Attributes:
        name: Name of its file.
        content: Its bytes.
    """

    name: str
    content: bytes


def kept_table() -> GradeTable | None:
    """The table of known grades of this session; None without one."""
    table: GradeTable | None = st.session_state.get(_TABLE)
    return table


def keep_table(table: GradeTable | None) -> None:
    """Take a table of known grades in the place of another, or none."""
    st.session_state[_TABLE] = table


def _take_file() -> None:
    file = st.session_state[_FILE]
    keep_table(None if file is None else GradeTable(file.name, file.getvalue()[: MOST_BYTES + 1]))


def offer_grade_table(eyes: Sequence[Eye]) -> None:
    """Draw the uploader of the table, and what was understood of it.

    Args:
        eyes: The eyes of the case list.
    """
    with st.expander("Known grades (CSV)"):
        st.file_uploader(
            "A table with the columns image and grade, also patient and side",
            type=["csv", "tsv", "txt"],
            key=_FILE,
            on_change=_take_file,
            help="The list then shows how the models perform on these eyes, and Compare shows both eyes of a patient. "
            "The table stays in memory.",
        )
        table = kept_table()
        if table is not None and st.session_state.get(_FILE) is None:  # it was uploaded on an earlier page
            st.button(f"Remove {plain(table.name)}", key="remove_grades", on_click=keep_table, args=(None,))
        try:
            given = _read(eyes)
        except InputError as error:
            st.error(plain(str(error)))
            return
        for note in given.notes if given else ():
            st.caption(plain(note))


def known_grades(eyes: Sequence[Eye]) -> list[int]:
    """Grade of each eye as its drawing, its study or the user's table gives it, 0..4; -1 where it is not known.

    Args:
        eyes: The eyes of the case list.
    """
    given = _read_if_right(eyes)
    grades = given.grades if given else {}
    return [_known_grade(eye, grades) for eye in eyes]


def patient_eyes(eyes: Sequence[Eye], eye: Eye) -> list[tuple[Eye, PatientEye]]:
    """The photographs of the list that are of the same patient, right eyes first; empty where the eye has no fellow.

    Args:
        eyes: The eyes of the case list.
        eye: One of them.
    """
    given = _read_if_right(eyes)
    # the user's patient 7 is not a study's, and one photograph may be there under two names
    mine = [one for one in eyes if one.source == eye.source]
    stated = (given.patients, given.sides) if given and eye.file is not None else (None, None)
    owners = [find_patient_eye(one.name, *stated) for one in mine]
    at = next((number for number, one in enumerate(mine) if (one.key, one.name) == (eye.key, eye.name)), None)
    fellows = [] if at is None else find_fellows(at, owners)
    return [(mine[number], owner) for number in fellows if (owner := owners[number]) is not None]


def _read_if_right(eyes: Sequence[Eye]) -> GivenGrades | None:
    try:
        return _read(eyes)
    except InputError:
        return None  # the uploader says why


def _is_for_user(eye: Eye) -> bool:
    """Whether the user's table may tell its grade: of uploads and of photographs that a table of scores lists."""
    return eye.file is not None or bool(eye.absent and eye.recorded is not None and eye.recorded.grade < 0)


def _known_grade(eye: Eye, given: Mapping[str, int]) -> int:
    if _is_for_user(eye):
        return given.get(eye.name, -1)
    if eye.recorded is not None:
        return eye.recorded.grade
    try:
        return -1 if eye.picture is None else eye.picture.grade
    except InputError:
        return -1  # its picture is gone since it was opened; the page that shows it says so


def _read(eyes: Sequence[Eye]) -> GivenGrades | None:
    """What the table says of these eyes, read once while both stay: page and list ask in turn."""
    table = kept_table()
    if table is None:
        st.session_state.pop(_READ, None)
        return None
    if len(table.content) > MOST_BYTES:
        raise InputError(f"{table.name} must have at most {MOST_BYTES >> 20} MB; leave other photographs out.")
    asked = (table, [eye.name for eye in eyes if _is_for_user(eye)])
    known: tuple[object, GivenGrades] | None = st.session_state.get(_READ)
    if known is None or known[0] != asked:
        known = asked, read_given_grades(table.content, asked[1], table.name)
        st.session_state[_READ] = known
    return known[1]
