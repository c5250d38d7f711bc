"""Who trains and who validates: splits and training fractions by patient, both eyes together.

Each patient gets a place between 0 and 1 from the seed, spread evenly within each grade of the worse eye. Validation
takes the places below its share; a training fraction takes those below its percentage. So both are stratified, and the
10 % lie inside the 20 %, by construction.
"""

from typing import Literal

import numpy as np
import pandas as pd

from dr_core.errors import InputError
from dr_core.seeds import numpy_generator

SplitBy = Literal["patient", "image"]

VALIDATION_SHARE = 0.15
"""Source: paper, section 3.1: about 15 % of EyePACS train."""

FELLOW_EYES_LEAK = (
    "Split by image, as the paper did: fellow eyes of one patient may lie on both sides, so validation looks better "
    "than it is."
)
"""What is said wherever images are split."""


def split_validation(
    index: pd.DataFrame, seed: int, *, share: float = VALIDATION_SHARE, by: SplitBy = "patient"
) -> tuple[np.ndarray, np.ndarray]:
    """Split eyes into training and validation, stratified by the worse eye's grade.

    Args:
        index: Rows with `patient` and `grade`.
        seed: The seed; the same gives the same split, in whatever order the rows are.
        share: Share of the patients that validate, above 0 and below 1.
        by: `"patient"`; `"image"` treats each eye as a patient of its own, as the paper did.

    Returns:
        Row numbers of training and of validation, int (T,) and (V,), ascending.

    Raises:
        InputError: If `share` is out of range, or one side would be empty.
    """
    if not 0 < share < 1:
        raise InputError(f"`share` must be above 0 and below 1, not {share}.")
    validates = _places(index, seed, "validation", by) < share
    if validates.all() or not validates.any():
        raise InputError(f"{len(index)} eyes are too few to validate on {share:.0%} of the patients; add eyes.")
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def take_fraction(index: pd.DataFrame, percent: float, seed: int, *, by: SplitBy = "patient") -> np.ndarray:
    """Choose the eyes of a training fraction; smaller fractions of the same seed lie inside larger ones.

    Args:
        index: Training rows with `patient` and `grade`.
        percent: Share of the patients in percent, above 0 up to 100.
        seed: The seed.
        by: As in `split_validation`.

    Returns:
        Row numbers, int (N,), ascending.

    Raises:
        InputError: If `percent` is out of range or leaves no eye.
    """
    if not 0 < percent <= 100:
        raise InputError(f"`percent` must be above 0 and at most 100, not {percent}.")
    rows = np.flatnonzero(_places(index, seed, "fraction", by) < percent / 100)
    if not len(rows):
        raise InputError(f"{percent} % of {len(index)} eyes is no patient; choose a larger fraction.")
    return rows


def _places(index: pd.DataFrame, seed: int, purpose: str, by: SplitBy) -> np.ndarray:
    """Place of each row's patient between 0 and 1, float (N,), spread evenly within each grade of the worse eye."""
    if by not in ("patient", "image"):
        raise InputError(f"`by` must be patient or image, not {by!r}.")
    names = index["patient"] if by == "patient" else index["eye"]
    patients, rows = np.unique(names.to_numpy(str), return_inverse=True)
    worst = np.full(len(patients), -1)
    np.maximum.at(worst, rows, index["grade"].to_numpy())
    places = np.empty(len(patients))
    for grade in np.unique(worst):
        members = np.flatnonzero(worst == grade)
        shuffled = numpy_generator(seed, purpose, int(grade)).permutation(members)
        places[shuffled] = (np.arange(len(members)) + 0.5) / len(members)
    return places[rows]
