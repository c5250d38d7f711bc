"""Any folder of photographs with a table of grades, and APTOS 2019, which is one."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dr_core.data.intake.image_folder import ImageFolder
from dr_core.data.intake.index import Intake, index_eyes
from dr_core.data.intake.table import ROW, BadRows, clean, is_missing, parse_grade, read_label_table
from dr_core.errors import InputError
from dr_core.files import digest_file

APTOS_EXPECTED: dict[str, tuple[int, ...]] = {"all": (1805, 370, 999, 193, 295)}
"""Eyes of each grade in APTOS 2019's `train.csv`, 3,662. Source: the published label file."""


@dataclass(frozen=True, kw_only=True)
class FolderLayout:
    """Where a folder's table is and what its columns mean.

    Attributes:
        csv: The table, relative to the root.
        image_column: Names of the photographs, with or without suffix, relative to the root or to `images`.
        grade_column: Grades 0..4.
        patient_column: Names of the patients, or None; the eyes of one patient then count as strangers.
        side_column: Sides of the eyes, or None.
        split_column: Parts of the set, or None.
        images: Folder of the photographs, relative to the root.
        keep_columns: Further columns that are kept in the index, such as the camera, by which eyes can be grouped.
    """

    csv: str = "labels.csv"
    image_column: str = "image"
    grade_column: str = "grade"
    patient_column: str | None = None
    side_column: str | None = None
    split_column: str | None = None
    images: str = "."
    keep_columns: tuple[str, ...] = ()


APTOS = FolderLayout(csv="train.csv", image_column="id_code", grade_column="diagnosis", images="train_images")

_SIDES = {"r": "right", "od": "right", "right": "right", "l": "left", "os": "left", "left": "left"}


def index_folder(root: Path, layout: FolderLayout, *, compare: bool = True) -> Intake:
    """Index a folder of photographs with a table.

    Args:
        root: The folder.
        layout: Its table and columns.
        compare: Whether files of one size are compared, to find one photograph under two names.

    Returns:
        The index.

    Raises:
        InputError: If the table or a column is missing, or the rows are not as `index_eyes` wants them.
    """
    optional = {"patient": layout.patient_column, "side": layout.side_column, "split": layout.split_column}
    columns = {"image": layout.image_column, "grade": layout.grade_column} | {
        name: column for name, column in optional.items() if column
    }
    bad = BadRows(str(root / layout.csv))
    table = read_label_table(root / layout.csv, list(dict.fromkeys([*columns.values(), *layout.keep_columns])), bad=bad)
    labels = pd.DataFrame({name: table.frame[column] for name, column in columns.items()} | {ROW: table.frame[ROW]})
    notes = list(table.notes)
    if "side" in labels:
        known = labels["side"].str.lower().map(_SIDES).fillna("")
        if odd := sorted(set(labels["side"][(known == "") & (labels["side"] != "")])):
            notes.append(f"The sides {', '.join(odd[:3])} are neither right nor left and count as not known.")
        labels["side"] = known
    paths = _find_all(root, layout.images, labels, bad)
    eyes = labels.assign(eye=labels["image"], path=paths)
    if compare:
        notes += compare_files(root, eyes, bad)
    kept = {name: table.frame[name] for name in layout.keep_columns}
    return index_eyes(eyes, str(root), tuple(notes), bad=bad, kept=kept)


def index_aptos(root: Path) -> Intake:
    """Index APTOS 2019: `train.csv` and `train_images/`; no patients are published."""
    return index_folder(root, APTOS, compare=False)


def _find_all(root: Path, base: str, labels: pd.DataFrame, bad: BadRows) -> list[str]:
    """Paths of images from the root, empty for a row that is bad.

    Their names may hold a folder, that of the images too, and may lack the suffix.
    """
    folders: dict[str, ImageFolder] = {}
    paths = []
    for name, row in zip(labels["image"], labels[ROW], strict=True):
        if not name or "::" in name:
            bad.add(row, f"{name!r} is no name of a photograph" if name else "has no image name")
            paths.append("")
            continue
        folder, _, file = name.rpartition("/")
        parts = [part for part in folder.split("/") if part not in ("", ".")] if ".." not in name else [folder]
        wanted = ["/".join([*([] if base == "." else [base]), *parts]) or ".", "/".join(parts) or "."]
        if folder.startswith("/"):
            wanted = [folder]
        try:
            paths.append(_find_one(root, list(dict.fromkeys(wanted)), file, folders))
        except InputError as error:
            bad.add(row, str(error).rstrip("."))
            paths.append("")
    return paths


def _find_one(root: Path, wanted: list[str], file: str, folders: dict[str, ImageFolder]) -> str:
    """Path of a file in the first of two folders, or in the second where only that holds it."""
    for subfolder in wanted:
        if subfolder not in folders:
            folders[subfolder] = ImageFolder(root, "." if ".." in subfolder or subfolder.startswith("/") else subfolder)
    holding = [subfolder for subfolder in wanted if not subfolder.startswith("/") and ".." not in subfolder]
    found = [subfolder for subfolder in holding if folders[subfolder].holds(file)]
    if len(found) > 1 and wanted[0] != found[0]:
        raise InputError(f"{file!r} lies in {found[0]} and in {found[1]}; write its folder before its name.")
    if not holding:
        return f"{wanted[0]}/{file}"
    return folders[(found or holding)[0]].find(file)


def compare_files(root: Path, rows: pd.DataFrame, bad: BadRows) -> tuple[str, ...]:
    """Find photographs that lie in a folder under two names.

    Only files of the same size are read.

    Args:
        root: The folder.
        rows: Rows of the table, with the columns `path`, `grade`, `ROW` and perhaps `patient`, as they are written.
        bad: Takes photographs that have two grades or two patients.

    Returns:
        A note where there are any with one grade and one patient.
    """
    twice = []
    for places in _group_alike([root / path if path else None for path in rows["path"]]):
        group = rows.iloc[places]
        names = " = ".join(group["path"])
        differences = [
            f"{what}s {' and '.join(values)}"
            for what, values in (("grade", _grades(group)), ("patient", _patients(group)))
            if len(values) > 1
        ]
        if differences:
            bad.add(group[ROW].iloc[-1], f"{names} are one photograph, with the {', and the '.join(differences)}")
        else:
            twice.append(names)
    if not twice:
        return ()
    shown = "; ".join(twice[:3])
    return (f"{len(twice)} photographs lie there under two names, and count twice: {shown}.",)


def _grades(rows: pd.DataFrame) -> list[str]:
    """Different grades of rows; one that cannot be read is another mistake."""
    found = (parse_grade(grade) for grade in rows["grade"])
    return [str(grade) for grade in dict.fromkeys(found) if grade is not None]


def _patients(rows: pd.DataFrame) -> list[str]:
    """Different patients of rows that name one."""
    named: Iterable[object] = rows.get("patient", [])
    return list(dict.fromkeys(clean(str(name)) for name in named if not is_missing(name)))


def _group_alike(files: list[Path | None]) -> list[list[int]]:
    """Numbers of different files with the same content, group by group."""
    first = {file: number for number, file in reversed(list(enumerate(files))) if file is not None and file.is_file()}
    sizes: dict[int, list[Path]] = {}
    for file in reversed(first):
        sizes.setdefault(file.stat().st_size, []).append(file)
    same: dict[str, list[int]] = {}
    for group in sizes.values():
        for file in group if len(group) > 1 else ():
            same.setdefault(digest_file(file), []).append(first[file])
    return [numbers for numbers in same.values() if len(numbers) > 1]
