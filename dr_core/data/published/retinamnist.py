"""RetinaMNIST, 28 to 224 pixels, of MedMNIST v2 (Yang et al. 2023, Scientific Data 10:41); CC BY 4.0."""

import zipfile
from pathlib import Path

import pandas as pd

from dr_core.data.intake.index import Intake, index_eyes, open_archive
from dr_core.errors import InputError

RETINAMNIST_EXPECTED: dict[str, tuple[int, ...]] = {
    "train": (486, 128, 206, 194, 66),
    "val": (54, 12, 28, 20, 6),
    "test": (174, 46, 92, 68, 20),
}
"""Eyes of each grade in each split. Source: the published file."""


def index_retinamnist(root: Path) -> Intake:
    """Index `retinamnist.npz`, or one of its larger versions such as `retinamnist_224.npz`.

    Args:
        root: Folder that holds exactly one such file.

    Returns:
        The index; no patients are published.

    Raises:
        InputError: If there is no such file, more than one, or it is damaged.
    """
    files = sorted(root.glob("retinamnist*.npz"))
    if len(files) != 1:
        raise InputError(f"{root} must hold one file retinamnist*.npz, not {len(files)}; name a folder with one.")
    parts = []
    try:
        with open_archive(files[0]) as archive:
            for split in RETINAMNIST_EXPECTED:
                grades = archive[f"{split}_labels"].ravel()
                rows = range(len(grades))
                parts.append(
                    pd.DataFrame(
                        {
                            "eye": [f"{split}_{row}" for row in rows],
                            "path": [f"{files[0].name}::{split}_images::{row}" for row in rows],
                            "grade": grades,
                            "split": split,
                        }
                    )
                )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{files[0]} is damaged ({error}); download it again.") from error
    return index_eyes(pd.concat(parts, ignore_index=True), "RetinaMNIST")
