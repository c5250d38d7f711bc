"""Grades, patients and sides that somebody gives for photographs by name: a small table beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from dr_core.data.intake.fellow_eyes import parse_side
from dr_core.data.intake.table import ROW, BadRows, clean, is_missing, parse_grade, read_label_table
from dr_core.errors import InputError

NAME_COLUMNS = ("eye", "image", "name", "file", "filename", "photograph", "path", "id_code", "image_id")
GRADE_COLUMNS = ("grade", "level", "diagnosis", "dr_grade", "adjudicated_dr_grade", "retinopathy grade", "icdr")
PATIENT_COLUMNS = ("patient", "patient_id", "subject", "subject_id")
SIDE_COLUMNS = ("side", "laterality")


@dataclass(frozen=True, kw_only=True)
class GivenGrades:
    """Grades that belong to photographs, and whose eyes they show.

    Attributes:
        grades: Name of the photograph -> grade 0..4; empty where the table has no grades.
        patients: Name of the photograph -> patient, where the table has one.
        sides: Name of the photograph -> "right" or "left", where the table has one.
        notes: What was understood and what was left out, a sentence each.
    """

    grades: dict[str, int]
    patients: dict[str, str]
    sides: dict[str, str]
    notes: tuple[str, ...]


def read_given_grades(source: bytes, names: Sequence[str], title: str = "The table") -> GivenGrades:
    """Read a table of grades, patients and sides, and find the photograph of each row.

    A row's name is the photograph's, with or without its folder; without its ending where one photograph alone has that
    stem. The columns `patient` and `side` may be missing; with one of patients, that of the grades may be, too.

    Args:
        source: The table: CSV with commas, semicolons or tabs.
        names: Names of the photographs.
        title: What to call the table in messages.

    Returns:
        What the table gives, and sentences on rows without a photograph and photographs without a row.

    Raises:
        InputError: If the columns cannot be told, a grade is none of 0..4, a side neither right nor left, a name fits
            several photographs, or a photograph has two rows. All such rows are listed.
    """
    table = read_label_table(source, [], title)
    found = _find_columns(title, [str(column) for column in table.frame.columns if column != ROW])
    bad, rows, strangers = BadRows(title), dict[str, Mapping[str, str]](), list[str]()
    for record in table.frame.to_dict("records"):
        given = {meaning: str(record[column]) for meaning, column in found.items()}
        matches, reason = _match(given["name"], names), _find_fault(given)
        if reason:
            bad.add(record[ROW], reason)
        elif len(matches) > 1:
            bad.add(record[ROW], f"{given['name']} can be {' or '.join(matches)}")
        elif not matches:
            strangers.append(given["name"])
        elif matches[0] in rows:
            bad.add(record[ROW], f"{matches[0]} has a second row")
        else:
            rows[matches[0]] = given
    bad.check("correct the table or leave these rows out")
    known = {meaning: _take(rows, meaning) for meaning in ("grade", "patient", "side")}
    return GivenGrades(
        grades={name: int(parse_grade(text) or 0) for name, text in known["grade"].items()},
        patients=known["patient"],
        sides={name: parse_side(text) or "" for name, text in known["side"].items()},
        notes=(*table.notes, *_describe(found, known, names, strangers)),
    )


def _find_columns(title: str, columns: Sequence[str]) -> dict[str, str]:
    """What a column means -> its name."""
    optional = {"patient": PATIENT_COLUMNS, "side": SIDE_COLUMNS}
    has = {meaning: any(one.strip().lower() in known for one in columns) for meaning, known in optional.items()}
    found = {"name": _find_column(title, columns, NAME_COLUMNS, "the photograph's name")}
    if not has["patient"] or any(one.strip().lower() in GRADE_COLUMNS for one in columns):
        found["grade"] = _find_column(title, columns, GRADE_COLUMNS, "the grade")
    return found | {
        meaning: _find_column(title, columns, known, f"the {meaning}")
        for meaning, known in optional.items()
        if has[meaning]
    }


def _find_fault(given: Mapping[str, str]) -> str:
    """What is wrong with the cells of a row, in words; empty where nothing is."""
    grade = parse_grade(given.get("grade", 0))
    if grade is None or grade < 0:
        return f"the grade {given['grade']!r} is none of 0 to 4"
    side = given.get("side", "")
    return "" if is_missing(side) or parse_side(side) else f"the side {side!r} is neither right nor left"


def _take(rows: Mapping[str, Mapping[str, str]], meaning: str) -> dict[str, str]:
    """Name of the photograph -> its cell, where the table has one."""
    return {
        name: clean(given[meaning])
        for name, given in rows.items()
        if meaning in given and not is_missing(given[meaning])
    }


def _find_column(title: str, columns: Sequence[str], known: Sequence[str], meaning: str) -> str:
    found = [column for column in columns if column.strip().lower() in known]
    if len(found) == 1:
        return found[0]
    state = f"has {' and '.join(found)}" if found else "has none of them"
    raise InputError(
        f"{title} needs one column for {meaning}: {', '.join(known)}; it {state} (its columns: {', '.join(columns)})."
    )


def _match(name: str, names: Sequence[str]) -> list[str]:
    path = clean(name).replace("\\", "/")
    last = PurePosixPath(path).name
    whole = [one for one in names if clean(one) == path]  # names of a table of scores have folders
    exact = [one for one in names if clean(one) == last]
    return whole[:1] or exact[:1] or [one for one in names if clean(one).rpartition(".")[0] == last]


def _describe(
    found: Mapping[str, str], known: Mapping[str, Mapping[str, str]], names: Sequence[str], strangers: Sequence[str]
) -> list[str]:
    notes = [
        f"{len(known[meaning])} of {len(names)} photographs have a {meaning}."
        for meaning in ("grade", "patient", "side")
        if meaning in found
    ]
    if strangers:
        shown = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        notes.append(f"{len(strangers)} rows name no photograph of this list: {shown}.")
    return notes
