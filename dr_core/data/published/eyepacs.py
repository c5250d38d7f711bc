"""EyePACS as published for Kaggle's Diabetic Retinopathy Detection (2015)."""

from pathlib import Path

import pandas as pd

from dr_core.data.intake.image_folder import ImageFolder
from dr_core.data.intake.index import Intake, index_eyes
from dr_core.data.intake.table import ROW, read_label_table
from dr_core.errors import InputError

EYEPACS_EXPECTED: dict[str, tuple[int, ...]] = {
    "train": (25810, 2443, 5292, 873, 708),
    "public": (8130, 720, 1579, 237, 240),
    "private": (31403, 3042, 6282, 977, 966),
}
"""Eyes of each grade in each split. Source: the published label files; the paper says 35,216 where they hold 35,126."""


def index_eyepacs(root: Path) -> Intake:
    """Index EyePACS: `trainLabels.csv` with `train/`, and `retinopathy_solution.csv` with `test/`.

    Args:
        root: Folder that holds them. One of the two parts may be absent.

    Returns:
        The index; splits are `train`, `public` and `private` (both of Kaggle's test set).

    Raises:
        InputError: If neither label file is there, or one is damaged.
    """
    train, test = root / "trainLabels.csv", root / "retinopathy_solution.csv"
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    if train.is_file():
        table = read_label_table(train, ["image", "level"])
        notes += table.notes
        parts.append(_index_part(table.frame, root, "train").assign(split="train"))
    if test.is_file():
        table = read_label_table(test, ["image", "level", "Usage"])
        notes += table.notes
        splits = table.frame["Usage"].str.lower().to_numpy()
        parts.append(_index_part(table.frame, root, "test").assign(split=splits))
    if not parts:
        raise InputError(f"{root} holds neither trainLabels.csv nor retinopathy_solution.csv; see docs/data.md.")
    return index_eyes(pd.concat(parts, ignore_index=True), "EyePACS", tuple(notes))


def _index_part(labels: pd.DataFrame, root: Path, folder: str) -> pd.DataFrame:
    images = ImageFolder(root, folder)
    names = labels["image"].str.rpartition("_")
    return pd.DataFrame(
        {
            "eye": labels["image"],
            "path": [images.find(name, ".jpeg") for name in labels["image"]],
            "grade": labels["level"],
            "patient": names[0],
            "side": names[2],
            ROW: labels[ROW],
        }
    )
