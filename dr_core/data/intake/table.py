"""Tables that somebody else wrote: read as text, with a note of everything that had to be inferred.

Spreadsheets write commas, semicolons or tabs, UTF-8, UTF-16 or Latin-1, numbers as 1 or 1.0 or 1,0, and cells that are
empty in five spellings. Each is understood here, once, for every table; where two readings are possible, none is taken.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dr_core.errors import InputError
from dr_core.files import read_regular

MAX_TABLE_BYTES, MAX_CELLS, MAX_COLUMNS = 64 * 2**20, 10_000_000, 500
"""Bytes, cells and columns of a table; each cell becomes a Python object. EyePACS has 600 KB and 106,000 cells."""

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "?", "unknown"})
"""Cells, in small letters, that say that a value is not known. In a column of names only an empty cell does."""

ROW = "row"
"""Column of the number that a spreadsheet shows beside a row; the head line is 1."""

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table as it was understood.

    Attributes:
        name: Its name, for messages.
        frame: The columns that were asked for, as stripped text in Unicode's composed form, and `ROW`.
        notes: Sentences on what was understood beyond the plain.
    """

    name: str
    frame: pd.DataFrame
    notes: tuple[str, ...]


@dataclass
class BadRows:
    """Rows that cannot be taken, all of them, so that a table is mended once."""

    name: str
    reasons: list[str] = field(default_factory=list)

    def add(self, row: object, reason: str) -> None:
        """Note a row, by its number in the file where it has one."""
        self.reasons.append(f"row {row}: {reason}" if row else reason)

    def check(self, remedy: str) -> None:
        """Raise an InputError that lists the rows, if there are any."""
        if not self.reasons:
            return
        shown = "; ".join(self.reasons[:_SHOWN])
        more = f"; and {len(self.reasons) - _SHOWN} more" if len(self.reasons) > _SHOWN else ""
        count = len(self.reasons)
        raise InputError(f"{self.name}: {shown}{more} ({count} such row{'s' if count > 1 else ''}); {remedy}.")


def read_label_table(
    source: Path | bytes, columns: Sequence[str], name: str = "", *, bad: BadRows | None = None
) -> LabelTable:
    """Read a table.

    Args:
        source: The file, or its bytes.
        columns: Columns that must be there; an empty list gives all.
        name: What to call it in messages; its path where this is empty.
        bad: Takes rows that cannot be taken, for whoever looks for further mistakes; None raises for them.

    Returns:
        The table; empty rows are left out.

    Raises:
        InputError: If it is missing, too large, no table, lacks a column or has it twice, or has rows of other lengths.
    """
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"There is no label file {source}; put it there or name another root.")
    name = name or ("The table" if isinstance(source, bytes) else str(source))
    data = source if isinstance(source, bytes) else read_regular(source, MAX_TABLE_BYTES, name)
    notes: list[str] = []
    text = _decode(name, data, notes)
    head, rows = _split(name, text, columns, notes)
    places = _find_columns(name, head, columns, notes)
    uneven, ragged, values = BadRows(name) if bad is None else bad, 0, []
    for number, cells in rows:
        extra = [cell for cell in cells[len(head) :] if cell]
        ragged += len(cells) > len(head)
        if extra:
            uneven.add(
                number,
                f"it has {len(cells)} cells, the header {len(head)} (put a comma within a cell in quotation marks)",
            )
        elif any(cells):
            padded = cells + [""] * (len(head) - len(cells))
            values.append([*(padded[column] for column in places.values()), number])
    if bad is None:
        uneven.check("correct them or save the table with semicolons")
    if ragged:
        notes.append(f"{ragged} rows of {_short(name)} end in empty cells that the header does not have.")
    return LabelTable(name=name, frame=pd.DataFrame(values, columns=[*places, ROW]), notes=tuple(notes))


def is_missing(value: object) -> bool:
    """Whether a cell says that its value is not known."""
    return str(value).strip().lower() in MISSING


def clean(text: str) -> str:
    """Strip spaces and invisible characters at the ends, and compose accents: two spellings of a name are one."""
    composed = unicodedata.normalize("NFC", text).replace("\N{NO-BREAK SPACE}", " ")
    return composed.strip("\ufeff\u200b\u200c\u200d\u2060\u00ad \t\r\n\f\v")


_GRADE = re.compile(r"(-1|[0-4])([.,]0*)?")


def parse_grade(text: object) -> int | None:
    """Read a grade, also as a spreadsheet writes it (`3.0`, `3,0`): 0..4, or -1 for none; None where it is neither."""
    match = _GRADE.fullmatch(str(text).strip())
    return int(match[1]) if match else None


# --- bytes to text ------------------------------------------------------------------------------------------------


def _decode(name: str, data: bytes, notes: list[str]) -> str:
    """Decode UTF-8 or UTF-16, with or without mark, or else Latin-1, which any bytes are."""
    if len(data) > MAX_TABLE_BYTES:
        raise InputError(f"{name} must have at most {MAX_TABLE_BYTES >> 20} MB; leave columns out.")
    if data[:4] == b"PK\x03\x04" or data[:4] == b"\xd0\xcf\x11\xe0":
        raise InputError(f"{name} is an Excel workbook; save the sheet as CSV.")
    encoding = _find_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is no table of text ({error.reason}); save it as CSV in UTF-8.") from None
    if "\0" in text:
        raise InputError(f"{name} is no table of text, but holds null characters; save it as CSV in UTF-8.")
    if encoding == "cp1252":
        notes.append(f"{_short(name)} is not in UTF-8; it was read as Latin-1 (Windows-1252).")
    elif encoding.startswith("utf-16"):
        notes.append(f"{_short(name)} was read as UTF-16.")
    return text


def _find_encoding(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    sample = data[:1000]
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le"
    if sample[::2].count(0) > len(sample) // 4:
        return "utf-16-be"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


# --- text to rows -------------------------------------------------------------------------------------------------

_Rows = list[tuple[int, list[str]]]


def _split(name: str, text: str, columns: Sequence[str], notes: list[str]) -> tuple[list[str], _Rows]:
    """Split into head and numbered rows, by the separator whose head line has the columns."""
    first, _, rest = text.partition("\n")
    stated = re.fullmatch(r"sep=(.)", first.strip())
    skipped = 1 if stated else 0
    text = rest if stated else text
    separator = stated[1] if stated and stated[1] in _SEPARATORS else _find_separator(name, text, columns)
    if text.count(separator) + text.count("\n") > MAX_CELLS:
        raise InputError(f"{name} must have at most {MAX_CELLS // 10**6} million cells; leave columns out.")
    rows = list(_parse(name, text, separator, skipped))
    if not rows:
        raise InputError(f"{name} is no table: it is empty; save it as CSV with a header line.")
    if separator != ",":
        notes.append(f"The columns of {_short(name)} are separated by {_SEPARATORS[separator]}.")
    head = rows[0][1]
    if len(head) > MAX_COLUMNS:
        raise InputError(f"{name} must have at most {MAX_COLUMNS} columns, not {len(head)}.")
    while len(head) > 1 and not head[-1]:
        head = head[:-1]
    return head, rows[1:]


def _parse(name: str, text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row that is not empty, cleaned, with its number in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    number = skipped
    try:
        for cells in reader:
            number += 1
            if cells:
                yield number, [clean(cell) for cell in cells]
    except csv.Error as error:
        raise InputError(f"{name} is no table: row {number + 1} cannot be split ({error}); save it as CSV.") from None


def _find_separator(name: str, text: str, columns: Sequence[str]) -> str:
    """The separator by which the head line has the wanted columns; of several the one that splits it the most."""
    heads: dict[str, list[str]] = {}
    for separator in _SEPARATORS:
        try:
            heads[separator] = next((cells for _, cells in _parse(name, text, separator, 0)), [])
        except InputError:  # quotation marks that end before another separator
            heads[separator] = []
    wanted = {clean(column).casefold() for column in columns}
    fitting = [one for one, head in heads.items() if wanted <= {cell.casefold() for cell in head}]
    return max(fitting or _SEPARATORS, key=lambda one: len(heads[one]))


def _find_columns(name: str, head: list[str], columns: Sequence[str], notes: list[str]) -> dict[str, int]:
    """Place of each column, by its exact name or else whatever the case of its letters."""
    if not columns:
        return {cell: column for column, cell in enumerate(head) if cell}
    return {column: _find_column(name, head, column, notes) for column in columns}


def _find_column(name: str, head: list[str], column: str, notes: list[str]) -> int:
    wanted = clean(column)
    places = [column for column, cell in enumerate(head) if cell == wanted]
    if not places:
        places = [column for column, cell in enumerate(head) if cell.casefold() == wanted.casefold()]
        if len(places) == 1:
            notes.append(f"The column {head[places[0]]!r} of {_short(name)} was read as {column!r}.")
    if not places:
        raise InputError(f"{name} has no column {column!r}; its columns are {', '.join(map(repr, head))[:1000]}.")
    if len(places) > 1:
        listed = " and ".join(str(column + 1) for column in places)
        raise InputError(f"{name} has {len(places)} columns {column!r}, the {listed}th; rename or remove all but one.")
    return places[0]


def _short(name: str) -> str:
    return Path(name).name
