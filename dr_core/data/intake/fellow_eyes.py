"""Which photographs are of one patient, and of which side: from their names, or from what a table says of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from dr_core.data.intake.table import clean

RIGHT, LEFT = "right", "left"

_WORDS = {"right": RIGHT, "od": RIGHT, "r": RIGHT, "left": LEFT, "os": LEFT, "l": LEFT}
_SEPARATOR = re.compile(r"[ _.\-]+")
_LETTER_AFTER_DIGIT = re.compile(r"(.*\d)([RL])")


@dataclass(frozen=True, kw_only=True)
class PatientEye:
    """Whose eye a photograph shows.

    Attributes:
        patient: Name of the patient.
        side: "right", "left", or empty where it is not known.
    """

    patient: str
    side: str


def parse_side(text: str) -> str | None:
    """Read a side as tables write it (right, R, OD, left, L, OS); None where it is neither."""
    return _WORDS.get(text.strip().lower())


def read_name(name: str) -> PatientEye | None:
    """Read patient and side from a file's name, such as `12_left.jpg`, `12 OD.png`, `12-R.png` or `Image_12L.jpg`.

    A side is a whole word between separators (of the letters R and L the first or last one), or a capital R or L right
    after a digit at the end. All the rest is the patient's name, so that another date or another field of the retina is
    another patient: a pair that is not sure is none.

    Args:
        name: Name of the file, with or without folder and ending.

    Returns:
        None where the name has no side, several sides, or nothing but a side.
    """
    last = PurePosixPath(clean(name).replace("\\", "/")).name
    stem = last.rpartition(".")[0] or last
    letter = _LETTER_AFTER_DIGIT.fullmatch(stem)
    if letter:
        return PatientEye(patient=letter[1].casefold(), side=_WORDS[letter[2].lower()])
    words = [word for word in _SEPARATOR.split(stem.casefold()) if word]
    ends = (0, len(words) - 1)
    found = [at for at, word in enumerate(words) if word in _WORDS and (len(word) > 1 or at in ends)]
    if len(found) != 1 or len(words) == 1:
        return None
    side = _WORDS[words.pop(found[0])]
    return PatientEye(patient=" ".join(words), side=side)


def find_patient_eye(
    name: str, patients: Mapping[str, str] | None = None, sides: Mapping[str, str] | None = None
) -> PatientEye | None:
    """Whose eye a photograph shows: what a table says comes before what the name says.

    Args:
        name: Name of the photograph.
        patients: Name of a photograph -> patient, from a table.
        sides: Name of a photograph -> side, from a table.
    """
    patients, sides, named = patients or {}, sides or {}, read_name(name)
    if name in patients:
        return PatientEye(patient=patients[name], side=sides.get(name, named.side if named else ""))
    return PatientEye(patient=named.patient, side=sides.get(name, named.side)) if named else None


def find_fellows(at: int, owners: Sequence[PatientEye | None]) -> list[int]:
    """Photographs of the patient whom a photograph shows, right eyes first; empty where it has no other one.

    Args:
        at: Number of the photograph in `owners`.
        owners: Whose eye each photograph shows; None where that is not known.

    Returns:
        Their numbers, its own among them.
    """
    mine = owners[at]
    if mine is None:
        return []
    sides = {number: one.side for number, one in enumerate(owners) if one is not None and one.patient == mine.patient}
    order = (RIGHT, LEFT, "")
    return sorted(sides, key=lambda number: order.index(sides[number])) if len(sides) > 1 else []
