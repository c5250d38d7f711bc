"""Any folder of photographs with a table of grades, and APTOS 2019, which is one."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dr_core.data.intake.index import ImageFolder, index_eyes, read_labels
from dr_core.errors import InputError

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
    """

    csv: str = "labels.csv"
    image_column: str = "image"
    grade_column: str = "grade"
    patient_column: str | None = None
    side_column: str | None = None
    split_column: str | None = None
    images: str = "."


APTOS = FolderLayout(csv="train.csv", image_column="id_code", grade_column="diagnosis", images="train_images")

_SIDES = {"r": "right", "od": "right", "right": "right", "l": "left", "os": "left", "left": "left"}


def index_folder(root: Path, layout: FolderLayout) -> pd.DataFrame:
    """Index a folder of photographs with a table.

    Args:
        root: The folder.
        layout: Its table and columns.

    Returns:
        The index.

    Raises:
        InputError: If the table or a column is missing, or the rows are not as `index_eyes` wants them.
    """
    optional = {"patient": layout.patient_column, "side": layout.side_column, "split": layout.split_column}
    columns = {"image": layout.image_column, "grade": layout.grade_column} | {
        name: column for name, column in optional.items() if column
    }
    labels = read_labels(root / layout.csv, list(columns.values()))
    labels = labels.rename(columns={column: name for name, column in columns.items()})
    if "side" in labels:
        labels["side"] = labels["side"].str.lower().map(_SIDES).fillna("")
    paths = _find_all(root, layout.images, labels["image"])
    return index_eyes(labels.assign(eye=labels["image"], path=paths), str(root))


def index_aptos(root: Path) -> pd.DataFrame:
    """Index APTOS 2019: `train.csv` and `train_images/`; no patients are published."""
    return index_folder(root, APTOS)


def _find_all(root: Path, base: str, names: pd.Series) -> list[str]:
    """Paths of images from the root; their names may hold a folder and may lack the suffix."""
    folders: dict[str, ImageFolder] = {}
    paths = []
    for name in names:
        if pd.isna(name) or not name:
            raise InputError(f"A row of the table in {root} has no image name; fill it in or leave the row out.")
        folder, _, file = str(name).rpartition("/")
        place = "/".join(part for part in (base, folder) if part not in ("", ".")) or "."
        if place not in folders:
            folders[place] = ImageFolder(root, place)
        paths.append(folders[place].find(file))
    return paths
