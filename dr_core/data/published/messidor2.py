"""Messidor-2 with the adjudicated grades of Krause et al. 2018, Ophthalmology 125(8):1264-1272."""

from pathlib import Path

import pandas as pd

from dr_core.data.intake.index import ImageFolder, index_eyes, read_labels
from dr_core.errors import InputError

MESSIDOR2_EXPECTED: dict[str, tuple[int, ...]] = {"all": (1017, 270, 347, 75, 35)}
"""Gradable eyes of each grade, 1,744 of 1,748. Source: the published label file."""

_SPELLINGS = (("image_id", "adjudicated_dr_grade"), ("id_code", "diagnosis"))
_IMAGE_FOLDERS = ("IMAGES", "images", "messidor-2/images", "messidor-2/preprocess", "preprocess", ".")


def index_messidor2(root: Path) -> pd.DataFrame:
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
    head = read_labels(file, []).columns if not file.is_file() else pd.read_csv(file, nrows=0).columns
    for name, grade in _SPELLINGS:
        if name in head and grade in head:
            labels = read_labels(file, [name, grade, "adjudicated_gradable"])
            break
    else:
        raise InputError(f"{file} has the columns {', '.join(head)}; expected image_id and adjudicated_dr_grade.")
    labels = labels[pd.to_numeric(labels["adjudicated_gradable"], errors="coerce") == 1]
    images = _find_images(root, labels[name].iloc[0] if len(labels) else "")
    return index_eyes(
        pd.DataFrame(
            {
                "eye": labels[name].str.rpartition(".")[0],
                "path": [images.find(file_name) for file_name in labels[name]],
                "grade": labels[grade],
            }
        ),
        "Messidor-2",
    )


def _find_images(root: Path, name: str) -> ImageFolder:
    """The folder in which a named image lies, or the first usual one that exists."""
    folders = [ImageFolder(root, folder) for folder in _IMAGE_FOLDERS if (root / folder).is_dir()]
    return next((folder for folder in folders if folder.holds(name)), folders[0])
