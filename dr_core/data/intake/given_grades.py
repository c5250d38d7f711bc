"""Grades that somebody gives for photographs by name: a small table beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from dr_core.data.intake.table import ROW, BadRows, clean, parse_grade, read_label_table
from dr_core.errors import InputError

NAME_COLUMNS = ("eye", "image", "name", "file", "filename", "photograph", "path", "id_code", "image_id")
GRADE_COLUMNS = ("grade", "level", "diagnosis", "dr_grade", "adjudicated_dr_grade", "retinopathy grade", "icdr")


@dataclass(frozen=True, kw_only=True)
class GivenGrades:
    """Grades that belong to photographs.

    Attributes:
        grades: Name of the photograph -> grade 0..4.
        notes: What was understood and what was left out, a sentence each.
    """

    grades: dict[str, int]
    notes: tuple[str, ...]


def read_given_grades(source: bytes, names: Sequence[str], title: str = "The table") -> GivenGrades:
    """Read a table of grades and find the photograph of each row.

    A row's name is the photograph's, with or without its folder; without its ending where one photograph alone has that
    stem.

    Args:
        source: The table: CSV with commas, semicolons or tabs.
        names: Names of the photographs.
        title: What to call the table in messages.

    Returns:
        The grades, and sentences on rows without a photograph and photographs without a row.

    Raises:
        InputError: If the columns cannot be told, a grade is none of 0..4, a name fits several photographs, or a
            photograph has two rows. All such rows are listed.
    """
    table = read_label_table(source, [], title)
    columns = [str(column) for column in table.frame.columns if column != ROW]
    name_column = _find_column(title, columns, NAME_COLUMNS, "the photograph's name")
    grade_column = _find_column(title, columns, GRADE_COLUMNS, "the grade")
    bad, grades, strangers = BadRows(title), dict[str, int](), list[str]()
    for name, text, row in table.frame[[name_column, grade_column, ROW]].itertuples(index=False):
        matches, grade = _match(str(name), names), parse_grade(text)
        if grade is None or grade < 0:
            bad.add(row, f"the grade {text!r} is none of 0 to 4")
        elif len(matches) > 1:
            bad.add(row, f"{name} can be {' or '.join(matches)}")
        elif not matches:
            strangers.append(str(name))
        elif matches[0] in grades:
            bad.add(row, f"{matches[0]} has a second row")
        else:
            grades[matches[0]] = grade
    bad.check("mend the table or leave these rows out")
    return GivenGrades(grades=grades, notes=(*table.notes, *_describe(grades, names, strangers)))


def _find_column(title: str, columns: Sequence[str], known: Sequence[str], meaning: str) -> str:
    found = [column for column in columns if column.strip().lower() in known]
    if len(found) == 1:
        return found[0]
    state = f"has {' and '.join(found)}" if found else "has none of them"
    raise InputError(
        f"{title} needs one column for {meaning}: {', '.join(known)}; it {state} (its columns: {', '.join(columns)})."
    )


def _match(name: str, names: Sequence[str]) -> list[str]:
    last = PurePosixPath(clean(name).replace("\\", "/")).name
    exact = [one for one in names if clean(one) == last]
    return exact[:1] or [one for one in names if clean(one).rpartition(".")[0] == last]


def _describe(grades: dict[str, int], names: Sequence[str], strangers: Sequence[str]) -> list[str]:
    notes = [f"{len(grades)} of {len(names)} photographs have a grade."]
    if strangers:
        shown = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        notes.append(f"{len(strangers)} rows name no photograph of this list: {shown}.")
    return notes
