"""The index of a data set: one tidy row an eye, whatever layout the set was published in."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.fundus import read_fundus
from dr_core.data.intake.table import ROW, BadRows, clean, is_missing, parse_grade
from dr_core.errors import InputError
from dr_core.files import open_regular

INDEX_COLUMNS: dict[str, str] = {
    "eye": "name of the eye, unlike any other in the set",
    "path": "photograph, relative to the root, with forward slashes; `file.npz::array::row` inside an archive",
    "grade": "ICDR grade 0..4; -1 where none is published",
    "patient": "name of the patient; the eye's own where none is published",
    "side": "right, left, or empty where none is published",
    "split": "part of the set as published, such as train",
}
"""Columns of every index. Sets with lesion masks have `mask_<lesion>` on top: paths, empty where there is no lesion."""

UNGRADED = -1
"""Grade of an eye for which none is published."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """A data set as it was understood.

    Attributes:
        title: Name of the set.
        index: Its index, with the columns of `INDEX_COLUMNS`.
        without_patient: Eyes whose patient is not named, each counted as its own; None where the set names no patients.
        notes: Sentences on what was understood beyond the plain.
    """

    title: str
    index: pd.DataFrame
    without_patient: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was understood, one sentence."""
        eyes = f"{len(self.index)} eyes"
        if self.without_patient is None:
            return f"{eyes}; no patients are named, so each eye counts as its own."
        named = self.index["patient"].nunique() - self.without_patient
        alone = f", {self.without_patient} without a patient: counted as its own" if self.without_patient else ""
        return f"{eyes}, {named} patients{alone}."


def index_eyes(
    frame: pd.DataFrame,
    title: str,
    notes: tuple[str, ...] = (),
    *,
    bad: BadRows | None = None,
    kept: Mapping[str, pd.Series] | None = None,
) -> Intake:
    """Check the rows of a reader and bring them to the columns of an index.

    Args:
        frame: Rows with at least the columns `eye`, `path` and `grade`, and `row` where they have a number.
        title: Name of the data set, for messages.
        notes: What the reader understood so far.
        bad: Rows that the reader could not take; a row whose photograph it did not find out has an empty path.
        kept: Further columns that the index keeps, by name, as text.

    Returns:
        The index, in the same order, and what was understood.

    Raises:
        InputError: If a grade is none of 0..4, an eye or a photograph comes twice, or a path leads out of the root. All
            such rows are listed. If a kept column has the name of one that every index has.
    """
    grades = [parse_grade(value) for value in frame["grade"]]
    eyes = frame["eye"].map(lambda value: clean(str(value)))
    bad = BadRows(title) if bad is None else bad
    rows = frame[ROW].tolist() if ROW in frame else [0] * len(frame)
    _check_grades(frame["grade"].tolist(), grades, eyes.tolist(), rows, bad)
    _check_twins(eyes.tolist(), frame["path"].astype(str).tolist(), grades, rows, bad)
    for path, row in zip(frame["path"].astype(str), rows, strict=True):
        if reason := _find_fault(path):
            bad.add(row, reason)
    bad.check("correct the label file or leave these rows out")
    patients, without, more = _name_patients(frame, eyes, title)
    result = frame.assign(
        eye=eyes,
        path=frame["path"].astype(str),
        grade=np.array(grades, np.int64),
        patient=patients,
        side=frame["side"].astype(str) if "side" in frame else "",
        split=frame["split"].astype(str) if "split" in frame else "all",
    )
    masks = [column for column in map(str, frame.columns) if column.startswith("mask_")]
    for column in masks:
        result[column] = result[column].fillna("")
    if taken := sorted(set(kept or {}) & {*INDEX_COLUMNS, *masks}):
        raise InputError(f"The column {taken[0]!r} is in every index; leave it out of those that are kept.")
    further = {name: values.astype(str).to_numpy() for name, values in (kept or {}).items()}
    index = result[[*INDEX_COLUMNS, *masks]].assign(**further).reset_index(drop=True)
    return Intake(title=title, index=index, without_patient=without, notes=(*notes, *more))


def _check_grades(
    values: list[object], grades: list[int | None], eyes: list[str], rows: list[int], bad: BadRows
) -> None:
    for value, grade, eye, row in zip(values, grades, eyes, rows, strict=True):
        if grade is None:
            found = "none" if is_missing(value) else repr(value)
            bad.add(row, f"the grade of {eye} must be a number from 0 to 4, not {found}")


def _check_twins(eyes: list[str], paths: list[str], grades: list[int | None], rows: list[int], bad: BadRows) -> None:
    """Find eyes that come twice, and photographs that two names mean."""
    names: dict[str, int] = {}
    photographs: dict[str, int] = {}
    for number, (eye, path) in enumerate(zip(eyes, paths, strict=True)):
        if names.setdefault(eye, number) != number:
            bad.add(rows[number], f"the eye {eye} has more than one row; keep one")
        elif paths[number] and (first := photographs.setdefault(path, number)) != number:
            other = "" if grades[first] == grades[number] else f", with the grades {grades[first]} and {grades[number]}"
            bad.add(rows[number], f"{eyes[first]} and {eye} are one photograph, {path}{other}")


def _find_fault(path: str) -> str:
    if "\\" in path or path[1:2] == ":":
        return f"{path!r} is a Windows path; write it relative to the root with forward slashes"
    if path.startswith("/") or ".." in path.split("/"):
        return f"{path!r} lies outside the root; name paths relative to it"
    return ""


def _name_patients(frame: pd.DataFrame, eyes: pd.Series, title: str) -> tuple[list[str], int | None, tuple[str, ...]]:
    """Patients as text; an eye without one gets a name of its own, unlike any other's.

    Returns:
        Names, how many eyes have none (None where no patients are named at all), and notes.
    """
    if "patient" not in frame:
        return eyes.tolist(), None, ()
    named = ["" if is_missing(value) or pd.isna(value) else clean(str(value)) for value in frame["patient"]]
    known = set(named)
    own = [eye if eye not in known else f"eye {eye} of an unnamed patient" for eye in eyes]
    patients = [patient or alone for patient, alone in zip(named, own, strict=True)]
    return patients, named.count(""), _note_alike(known - {""}, title)


def _note_alike(patients: set[str], title: str) -> tuple[str, ...]:
    """Say where names of patients differ as spreadsheets make them differ: case, leading zeros, a trailing .0."""
    groups: dict[str, list[str]] = {}
    for name in sorted(patients):
        groups.setdefault(name.casefold().removesuffix(".0").lstrip("0"), []).append(name)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return ()
    shown = ", ".join(" and ".join(group) for group in alike[:3])
    return (f"{title}: the patients {shown} are counted as different; make their spelling one if they are not.",)


def read_eye(root: Path, path: str, longest_side: int | None = None) -> np.ndarray:
    """Read the photograph of an index row.

    Args:
        root: Root of the data set.
        path: The row's `path`.
        longest_side: As in `read_fundus`: a JPEG may be decoded smaller, down to this many pixels.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    if "::" not in path:
        return read_fundus(root / path, longest_side=longest_side)
    file, array, row = path.split("::")
    return np.ascontiguousarray(_read_array(root / file, array)[int(row)])


@lru_cache(maxsize=1)
def _read_array(file: Path, array: str) -> np.ndarray:
    """An array of an archive, kept, since its rows are read one after another."""
    with open_archive(file) as archive:
        result: np.ndarray = archive[array]
        return result


MAX_ARRAY_BYTES = 2**30
"""Of an array in an archive once it is unpacked; RetinaMNIST's largest at 224 px has 163 MB."""


@contextmanager
def open_archive(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Open an archive of arrays (.npz); numpy unpickles nothing.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: It is no regular file, damaged, or an array is too large.
    """
    with open_regular(path) as file:
        with zipfile.ZipFile(file) as packed:
            if any(one.file_size > MAX_ARRAY_BYTES for one in packed.infolist()):
                raise ValueError(f"an array has more than {MAX_ARRAY_BYTES >> 20} MB")
        file.seek(0)
        with np.load(file) as archive:
            yield archive
