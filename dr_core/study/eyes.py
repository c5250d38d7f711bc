"""Single eyes of a study's data sets: what is known of each, and its picture where it can be had.

A photograph lies in the store that the study was measured on, whose folder the table `eyes` names. A phantom of the
demo needs no store: its name and the study's seed draw it again, pixel by pixel.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dr_core.data.fundus import assess_quality, find_field_of_view
from dr_core.data.grades import GRADES
from dr_core.data.phantom import Phantom
from dr_core.data.store import IMAGES, Store, open_store, read_header
from dr_core.errors import InputError, Remedy
from dr_core.study.digests import digest_store
from dr_core.study.drawn_data import DRAWN_DATA, DRAWN_PIXELS, redraw_eye
from dr_core.study.folder import Study

UNGRADED = -1
"""Grade of an eye of which none is known."""

_DRAWN_NAME = re.compile(r"phantom-(\d+)-(right|left)")
_MEASURES = ("sharpness", "luminance", "warnings")


_PREPARE = Remedy("prepare data")


@dataclass(frozen=True, kw_only=True)
class GradedStore:
    """The graded eyes of a store.

    Attributes:
        store: Those eyes.
        left_out: Number of eyes without a grade, which are in no training and no table.
    """

    store: Store
    left_out: int

    @property
    def note(self) -> str:
        """What a reader must know, a sentence; empty where no eye was left out."""
        eyes = "eye has" if self.left_out == 1 else "eyes have"
        return f"{self.left_out} {eyes} no grade and were left out." if self.left_out else ""


def open_graded(data: Path) -> GradedStore:
    """Open prepared eyes, and leave out and count those that have no grade.

    The one rule for training and measuring alike: an eye without a grade (-1 or nothing) is left out and counted; any
    other number that is no grade is a mistake in the table.

    Args:
        data: Folder of the store.

    Raises:
        InputError: If it is no store, lacks a column, has no graded eye, or a grade is another number.
    """
    store = open_store(data)
    missing = [column for column in ("eye", "patient", "grade") if column not in store.index]
    if missing:
        raise InputError(f"The table of {data} lacks the column {missing[0]!r}; prepare graded eyes.", _PREPARE)
    grades = store.index["grade"].fillna(UNGRADED)
    graded = grades.between(0, len(GRADES) - 1).to_numpy()
    strange = grades[~graded & (grades != UNGRADED).to_numpy()]
    if len(strange) or not graded.any():
        what = f"not {strange.iloc[0]:g}" if len(strange) else f"and none of its {len(store)} eyes has one"
        raise InputError(f"The grades of {data} must be 0 to {len(GRADES) - 1}, {what}; prepare graded eyes.", _PREPARE)
    rows = np.flatnonzero(graded)
    return GradedStore(store=store if len(rows) == len(store) else store.select(rows), left_out=len(store) - len(rows))


@dataclass(frozen=True)
class EyePicture:
    """The picture of one eye.

    Attributes:
        image: Uint8 (H, W, 3) RGB.
        grade: True grade 0..4, or -1.
        prepared: Whether it has model size already, cropped or squashed as it was prepared.
        masks: Lesion -> bool (H, W), where the lesions are known.
    """

    image: np.ndarray
    grade: int
    prepared: bool
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)


def list_eyes(key: str, store: Store, folder: Path | None = None, *, assess: bool = False) -> pd.DataFrame:
    """Describe the eyes of a store.

    Args:
        key: Name of the data set in the tables.
        store: The store.
        folder: Where it lies, so that its eyes can be opened later; None where they can be drawn again.
        assess: Whether their quality is measured on the stored pictures where the store does not have it.

    Returns:
        A table with the columns of `RESULT_COLUMNS["eyes"]`, in the order of the store.
    """
    index = store.index
    measured = all(column in index for column in _MEASURES)
    if not measured and assess:
        index = index.assign(**_assess(store.read(np.arange(len(store)))))
    elif not measured:
        index = index.assign(sharpness=np.nan, luminance=np.nan, warnings=None)
    side = index["side"].astype(str) if "side" in index else ""
    return pd.DataFrame({"data": key, "eye": index["eye"].astype(str)}).assign(
        side=side,
        **{name: index[name] for name in _MEASURES},
        store="" if folder is None else str(folder.resolve()),
        row=np.arange(len(index)) if store.rows is None else store.rows,
    )


def _assess(images: np.ndarray) -> dict[str, list[Any]]:
    found = []
    for image in images:
        view = np.ascontiguousarray(image.transpose(1, 2, 0))
        found.append(assess_quality(view, find_field_of_view(view)))
    return {
        "sharpness": [round(one.sharpness, 4) for one in found],
        "luminance": [one.luminance for one in found],
        "warnings": [" ".join(one.warnings) for one in found],
    }


def can_open(study: Study, data: str, eyes: pd.DataFrame | None = None) -> bool:
    """Whether the pictures of a data set can be had.

    Args:
        study: The study.
        data: Key of the data set.
        eyes: The study's table of eyes; None where it has none.
    """
    return _is_drawn(study, data) or _find_store(study, data, eyes) is not None


def open_picture(
    study: Study, data: str, name: str, eyes: pd.DataFrame | None = None, *, pixels: int = DRAWN_PIXELS
) -> EyePicture:
    """Open the picture of an eye.

    Args:
        study: The study.
        data: Key of the data set.
        name: Name of the eye in the study's tables.
        eyes: The study's table of eyes; None where it has none.
        pixels: Side at which a phantom is drawn; the models were asked about `DRAWN_PIXELS`.

    Raises:
        InputError: If the study has no such eye, or its picture is not on this machine.
    """
    if _is_drawn(study, data):
        phantom = _redraw(study, data, name, pixels)
        return EyePicture(phantom.image, phantom.grade, prepared=False, masks=phantom.masks)
    folder = _find_store(study, data, eyes)
    if eyes is None or folder is None:
        raise InputError(
            f"The pictures of {data!r} are not on this machine, or are others by now; measuring the study on prepared "
            "eyes remembers where they lie.",
            Remedy("evaluate", {"study": str(study.path)}),
        )
    rows = eyes[(eyes["data"] == data) & (eyes["eye"] == name)]
    store = open_store(folder)
    row = int(rows["row"].iloc[0]) if len(rows) else -1
    if not 0 <= row < len(store) or str(store.index["eye"].iloc[row]) != name:
        raise InputError(f"There is no eye {name!r} in the prepared data {folder}; evaluate the study on them again.")
    grade = int(store.index["grade"].iloc[row]) if "grade" in store.index else UNGRADED
    return EyePicture(np.ascontiguousarray(store.images[row].transpose(1, 2, 0)), grade, prepared=True)


def _find_store(study: Study, data: str, eyes: pd.DataFrame | None) -> Path | None:
    """Folder of the prepared eyes; None where it is not there, or does not hold what the study was measured on.

    A study that came from elsewhere can name any folder of this machine. One is opened only where the study knows the
    digest of its content, so that nobody is shown what whoever wrote the study did not have.
    """
    if eyes is None:
        return None
    named = eyes.loc[eyes["data"] == data, "store"]
    known = next((one.fingerprint for one in study.info.data if one.key == data), "")
    if not len(named) or not named.iloc[0] or not known:
        return None
    folder = Path(str(named.iloc[0]))
    try:
        if not read_header(folder) and (folder / IMAGES).stat().st_size > _MAX_DIGESTED:
            return None
        return folder if digest_store(folder) == known else None
    except (InputError, OSError, ValueError):  # no store, or a name that no file can have
        return None


_MAX_DIGESTED = 2**30
"""Bytes of pictures of a store without a header whose digest is computed; a second or so."""


def _is_drawn(study: Study, data: str) -> bool:
    """Whether these are phantoms of the demo, which names and seed draw again."""
    keys = [drawn.key for drawn in DRAWN_DATA.values() if drawn.role != "pretraining"]
    return data in keys and any(known.key == data and not known.real for known in study.info.data)


def _redraw(study: Study, data: str, name: str, pixels: int) -> Phantom:
    match = _DRAWN_NAME.fullmatch(name)
    if match is None:
        raise InputError(f"There is no phantom {name!r} in {data!r}; open another eye of the list.")
    return redraw_eye(study.info.seed, int(match[1]), match[2], pixels)
