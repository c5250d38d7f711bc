"""The index of a data set: one tidy row an eye, whatever layout the set was published in."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.fundus import read_fundus
from dr_core.data.grades import GRADES
from dr_core.errors import InputError

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


def index_eyes(frame: pd.DataFrame, title: str) -> pd.DataFrame:
    """Check the rows of a reader and bring them to the columns of an index.

    Args:
        frame: Rows with at least the columns `eye`, `path` and `grade`.
        title: Name of the data set, for messages.

    Returns:
        The index, in the same order.

    Raises:
        InputError: If a grade is none of 0..4, an eye comes twice, or a path is a Windows path.
    """
    result = frame.assign(
        eye=frame["eye"].astype(str),
        path=frame["path"].astype(str),
        grade=_parse_grades(frame, title),
        patient=(frame["patient"] if "patient" in frame else frame["eye"]).astype(str),
        side=frame["side"].astype(str) if "side" in frame else "",
        split=frame["split"].astype(str) if "split" in frame else "all",
    )
    twice = result["eye"][result["eye"].duplicated()]
    if len(twice):
        raise InputError(f"{title}: the eye {twice.iloc[0]} has more than one row ({len(twice)} such rows); keep one.")
    _check_paths(result["path"], title)
    masks = [column for column in map(str, frame.columns) if column.startswith("mask_")]
    for column in masks:
        result[column] = result[column].fillna("")
    return result[[*INDEX_COLUMNS, *masks]].reset_index(drop=True)


def _parse_grades(frame: pd.DataFrame, title: str) -> np.ndarray:
    grades = pd.to_numeric(frame["grade"], errors="coerce").to_numpy(float)
    wrong = ~np.isin(grades, [UNGRADED, *range(len(GRADES))])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = frame["grade"].iloc[row]
        said = "none" if pd.isna(value) else repr(value)
        raise InputError(
            f"{title}: the grade of {frame['eye'].iloc[row]} must be a number from 0 to 4, not {said} "
            f"({wrong.sum()} such rows); mend the label file or leave these rows out."
        )
    return grades.astype(np.int64)


def _check_paths(paths: pd.Series, title: str) -> None:
    windows = paths[paths.str.contains("\\", regex=False) | paths.str.match(r"[A-Za-z]:")]
    if len(windows):
        raise InputError(
            f"{title}: {windows.iloc[0]!r} is a Windows path; write it relative to the root with forward slashes, "
            "such as train/1_left.jpeg."
        )
    outside = paths[paths.str.match(r"/|(.*/)?\.\.(/|$)")]
    if len(outside):
        raise InputError(f"{title}: {outside.iloc[0]!r} lies outside the root; name paths relative to it.")


def read_labels(file: Path, columns: list[str]) -> pd.DataFrame:
    """Read a label file.

    Args:
        file: A CSV file with a head line.
        columns: Columns that must be there.

    Returns:
        These columns; names as text, empty rows left out.

    Raises:
        InputError: If the file is missing, is no CSV, or lacks a column.
    """
    if not file.is_file():
        raise InputError(f"There is no label file {file}; put it there or name another root.")
    try:
        frame = pd.read_csv(file, dtype=str, skipinitialspace=True, encoding="utf-8-sig").rename(columns=str.strip)
    except (ValueError, UnicodeError, pd.errors.ParserError) as error:
        raise InputError(f"{file} is no table of comma-separated values ({error}); download it again.") from error
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(f"{file} has no column {missing[0]!r}; its columns are {', '.join(map(repr, frame))}.")
    return frame[columns].dropna(how="all").apply(lambda column: column.str.strip())


class ImageFolder:
    """The files of a folder, found by name whatever the case of its letters or its suffix.

    Args:
        root: Root of the data set.
        folder: The folder below it, with forward slashes, `"."` for the root itself; it need not exist.
    """

    def __init__(self, root: Path, folder: str = ".") -> None:
        place = root / folder
        names = sorted(entry.name for entry in place.iterdir()) if place.is_dir() else []
        self._prefix = "" if folder == "." else f"{folder}/"
        self._exact = set(names)
        self._files = {name.lower(): name for name in names}
        self._stems = {name.lower().rpartition(".")[0]: name for name in names}

    def holds(self, name: str) -> bool:
        """Whether `find` would find a file."""
        return self._search(name) is not None

    def find(self, name: str, suffix: str = "") -> str:
        """Find the file of a name.

        Args:
            name: Name in the label file, with or without suffix.
            suffix: What the published file's name has behind it, such as `.jpeg`.

        Returns:
            Its path from the root, with forward slashes; of a missing file the path that it should have.
        """
        found = self._search(f"{name}{suffix}", stem=name.lower() if suffix else None)
        return f"{self._prefix}{found or name + suffix}"

    def _search(self, name: str, stem: str | None = None) -> str | None:
        if name in self._exact:
            return name
        stem = stem or (name.lower().rpartition(".")[0] or name.lower())
        return self._files.get(name.lower()) or self._stems.get(stem)


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
    """An array of an archive, kept, since its rows are read one after another; numpy unpickles nothing."""
    with np.load(file) as archive:
        return archive[array]
