"""Messidor-2 with the adjudicated grades of Krause et al. 2018, Ophthalmology 125(8):1264-1272."""

from pathlib import Path

import pandas as pd

from dr_core.data.intake.image_folder import ImageFolder
from dr_core.data.intake.index import Intake, index_eyes
from dr_core.data.intake.table import ROW, read_label_table
from dr_core.errors import InputError

MESSIDOR2_EXPECTED: dict[str, tuple[int, ...]] = {"all": (1017, 270, 347, 75, 35)}
"""Gradable eyes of each grade, 1,744 of 1,748. Source: the published label file."""

_SPELLINGS = (("image_id", "adjudicated_dr_grade"), ("id_code", "diagnosis"))
_IMAGE_FOLDERS = ("IMAGES", "images", "messidor-2/images", "messidor-2/preprocess", "preprocess", ".")


def index_messidor2(root: Path) -> Intake:
    """Index the gradable eyes of Messidor-2: `messidor_data.csv` and a folder of images.

    Both spellings of the columns are read. Names of files differ from the label file in the case of `.JPG`.

    Args:
        root: Folder that holds the label file; the images lie in it or in `IMAGES/` or `images/`.

    Returns:
        The index. No patients are published with the grades, so each eye counts as its own.

    Raises:
        InputError: If the label file is missing or has other columns.
    """
    file = root / "messidor_data.csv"
    table = read_label_table(file, [])
    labels = table.frame
    spelling = next((pair for pair in _SPELLINGS if {*pair, "adjudicated_gradable"} <= {*labels}), None)
    if spelling is None:
        head = ", ".join(str(column) for column in labels if column != ROW)
        raise InputError(f"{file} has the columns {head}; expected image_id and adjudicated_dr_grade.")
    name, grade = spelling
    labels = labels[pd.to_numeric(labels["adjudicated_gradable"], errors="coerce") == 1]
    images = _find_images(root, labels[name].iloc[0] if len(labels) else "")
    return index_eyes(
        pd.DataFrame(
            {
                "eye": labels[name].str.rpartition(".")[0],
                "path": [images.find(file_name) for file_name in labels[name]],
                "grade": labels[grade],
                ROW: labels[ROW],
            }
        ),
        "Messidor-2",
        table.notes,
    )


def _find_images(root: Path, name: str) -> ImageFolder:
    """The folder in which a named image lies, or the first usual one that exists."""
    folders = [ImageFolder(root, folder) for folder in _IMAGE_FOLDERS if (root / folder).is_dir()]
    return next((folder for folder in folders if folder.holds(name)), folders[0])
