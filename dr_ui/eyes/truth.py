"""Grades, patients and sides that the user knows for the photographs of this session, from a table of their own."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dr_core.data.intake.fellow_eyes import PatientEye, find_fellows, find_patient_eye
from dr_core.data.intake.given_grades import GivenGrades, read_given_grades
from dr_core.errors import InputError
from dr_ui.eyes.cache import Eye
from dr_ui.parts.plain_text import plain

_FILE, _READ = "given_grades_file", "given_grades"


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
            help="The list then shows how the models perform on these eyes, and Compare shows both eyes of a patient. "
            "The table stays in memory.",
        )
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
    mine = [one for one in eyes if _source(one) == _source(eye)]
    stated = (given.patients, given.sides) if given and eye.file is not None else (None, None)
    owners = [find_patient_eye(one.name, *stated) for one in mine]
    at = next((number for number, one in enumerate(mine) if (one.key, one.name) == (eye.key, eye.name)), None)
    fellows = [] if at is None else find_fellows(at, owners)
    return [(mine[number], owner) for number in fellows if (owner := owners[number]) is not None]


def _source(eye: Eye) -> str:
    """Where an eye comes from: the key of the study's data set, or empty for uploads."""
    return eye.link.partition("/")[0]


def _read_if_right(eyes: Sequence[Eye]) -> GivenGrades | None:
    try:
        return _read(eyes)
    except InputError:
        return None  # the uploader says why


def _known_grade(eye: Eye, given: Mapping[str, int]) -> int:
    if eye.picture is not None:
        return eye.picture.grade
    return given.get(eye.name, -1) if eye.file is not None else -1


def _read(eyes: Sequence[Eye]) -> GivenGrades | None:
    """What the table says of these eyes, read once while both stay: page and list ask in turn."""
    file = st.session_state.get(_FILE)
    if file is None:
        st.session_state.pop(_READ, None)
        return None
    names = [eye.name for eye in eyes if eye.file is not None]
    asked = (file.file_id, names)
    known: tuple[object, GivenGrades] | None = st.session_state.get(_READ)
    if known is None or known[0] != asked:
        known = asked, read_given_grades(file.getvalue(), names, file.name)
        st.session_state[_READ] = known
    return known[1]
