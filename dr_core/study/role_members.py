"""Eyes in a role of a study: who they are, from a store, a folder of photographs with masks, or a pretraining."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from dr_core.data.contract import read_preparation
from dr_core.data.duplicates import digest_pictures, hash_pictures
from dr_core.data.idrid import load_segmentation
from dr_core.data.prepare import view_eye
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import open_store, read_header
from dr_core.errors import InputError
from dr_core.files import replacing
from dr_core.models.checkpoint import read_info
from dr_core.parquet import read_parquet
from dr_core.study.digests import digest_photographs, digest_store, is_store
from dr_core.study.drawn_data import DRAWN_MARK
from dr_core.study.run_history import CONFIG, read_object

Role = Literal["pretraining", "training", "validation", "test", "calibration"]

FOLDER = "roles"
"""Folder of a study with one table for each store and role: `eye`, `patient`, `picture`, `hash0` to `hash3`."""

EYES = "eyes.parquet"
"""The same table in the run folder of a pretraining, which belongs to no study until a finetuning starts from it."""

MASKED = "photographs with lesion masks"
"""Title of eyes that lie in no store; their names mean nothing beside those of a data set."""

HASHES = [f"hash{number}" for number in range(4)]
EYE_COLUMNS = ["eye", "patient", "picture", "title", *HASHES]
VIEW_COLUMNS = ["size", "crop"]
"""How the pictures were brought to size, in tables since they record it."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """The eyes of one store in one role.

    Attributes:
        role: The role.
        title: Data set that the store was prepared from; empty for drawn eyes.
        fingerprint: Digest of the store.
        eyes: Rows with `eye`, `patient`, `picture` (digest of the stored pixels), the perceptual hash, and `size` and
            `crop` at which the picture was taken.
    """

    role: Role
    title: str
    fingerprint: str
    eyes: pd.DataFrame

    def shared_patients(self, other: "Member") -> list[str] | None:
        """Patients of both, by name; None where the names are of different data sets and mean nothing together."""
        if not self.title or self.title != other.title:
            return None
        return sorted(set(self.eyes["patient"]) & set(other.eyes["patient"]))

    def shared_pictures(self, other: "Member") -> list[str]:
        """Eyes of this store whose stored pixels are those of an eye of the other, too."""
        return self.eyes.loc[self.eyes["picture"].isin(set(other.eyes["picture"])), "eye"].tolist()


def find_views(study: Path, folders: Sequence[Path] = ()) -> tuple[Preprocessing, ...]:
    """Sizes and crops at which a study knows eyes.

    As its models take them, as the stores hold them that have a role in it already, and as those that come to it do.
    """
    found = set()
    for table in (*(study / FOLDER).glob("*.parquet"), *(folder / EYES for folder in folders)):
        if table.is_file():
            found |= _recorded_views(table)
    for path in study.glob("checkpoints/*.safetensors"):
        with suppress(InputError):  # a broken one is refused where it is asked
            found.add(_bare(read_info(path).preprocessing))
    for folder in (one for one in folders if is_store(one)):
        prepared = read_preparation(folder, open_store(folder))
        found.add(Preprocessing(size=prepared["size"], crop=prepared["crop"]))
    return tuple(sorted(found, key=lambda view: (view.size, view.crop)))


def _recorded_views(table: Path) -> set[Preprocessing]:
    """Sizes and crops that a table of eyes records; none where it is of before, or damaged, which its reader says."""
    with suppress(OSError, ValueError, KeyError, pa.lib.ArrowException, InputError):
        rows = read_parquet(table)
        if set(VIEW_COLUMNS) <= set(rows):
            distinct = rows[VIEW_COLUMNS].drop_duplicates().itertuples(index=False, name=None)
            return {Preprocessing(size=int(size), crop=crop) for size, crop in distinct}
    return set()


def _bare(preprocessing: Preprocessing) -> Preprocessing:
    return Preprocessing(size=preprocessing.size, crop=preprocessing.crop)


def read_member(study: Path, role: Role, data: Path, views: Sequence[Preprocessing] = ()) -> Member:
    """The eyes of a folder in a role; pictures that any role of the study knows already are not read again.

    Args:
        study: Folder of the study.
        role: The role.
        data: Folder of a store, the run folder of a pretraining, or photographs with lesion masks.
        views: Sizes and crops at which photographs with masks are looked at, to be compared with stores.

    Raises:
        InputError: If nothing of the kind is there.
    """
    if (data / EYES).is_file():
        return _read_pretraining(role, data)
    masked = not is_store(data) and data.is_dir()
    fingerprint = digest_photographs(data) if masked else digest_store(data)
    title = _title_masked(data) if masked else str(read_header(data).get("title", ""))
    known = next(iter((study / FOLDER).glob(f"*-{fingerprint}.parquet")), None)
    if known is not None and not (masked and set(views) - _recorded_views(known)):
        eyes = read_parquet(known)
    else:
        eyes = _look_at_photographs(data, views) if masked else describe_store(data)
    return Member(role=role, title=title, fingerprint=fingerprint, eyes=eyes)


def _title_masked(folder: Path) -> str:
    return "" if (folder / DRAWN_MARK).is_file() else MASKED


def describe_store(data: Path) -> pd.DataFrame:
    """Who the eyes of a store are: a row each with the columns of `EYE_COLUMNS`."""
    store = open_store(data)
    index = store.index
    eyes = index["eye"].astype(str) if "eye" in index else pd.Series(np.arange(len(index)).astype(str))
    table = _describe_pictures(eyes.to_numpy(), store.images, str(read_header(data).get("title", "")))
    prepared = read_preparation(data, store)
    patients = (index["patient"].astype(str) if "patient" in index else eyes).to_numpy()
    return table.assign(patient=patients, size=prepared["size"], crop=prepared["crop"])


def _describe_pictures(eyes: np.ndarray, images: np.ndarray, title: str) -> pd.DataFrame:
    hashes = hash_pictures(images)
    columns = {"eye": eyes, "patient": eyes, "picture": digest_pictures(images), "title": title}
    return pd.DataFrame(columns | {name: hashes[:, number] for number, name in enumerate(HASHES)})


def _look_at_photographs(folder: Path, views: Sequence[Preprocessing]) -> pd.DataFrame:
    """Each eye with masks as every store of the study would hold it: a row for each eye and view."""
    eyes = load_segmentation(folder)
    names, title, tables = np.array([eye.name for eye in eyes], dtype=object), _title_masked(folder), []
    for view in views:
        images = [view_eye(folder, eye.image_path.relative_to(folder).as_posix(), view) for eye in eyes]
        shape = (len(eyes), 3, view.size, view.size)
        table = _describe_pictures(names, np.array(images, np.uint8).reshape(shape), title)
        tables.append(table.assign(size=view.size, crop=view.crop))
    if not tables:  # a study without a model, which cannot measure them
        return pd.DataFrame(columns=[*EYE_COLUMNS, *VIEW_COLUMNS])
    return pd.concat(tables, ignore_index=True)


def keep_pretraining_eyes(run: Path, data: Path) -> None:
    """Write into the run folder of a pretraining who its eyes are, so that a study that starts from it knows."""
    if not (run / EYES).is_file():
        with replacing(run / EYES) as temporary:
            describe_store(data).to_parquet(temporary, index=False)


def _read_pretraining(role: Role, run: Path) -> Member:
    try:
        eyes = read_parquet(run / EYES, EYE_COLUMNS)[EYE_COLUMNS]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{run / EYES} is damaged ({type(error).__name__}); remove it and pretrain again.") from error
    title = str(eyes["title"].iloc[0]) if len(eyes) else ""
    return Member(role=role, title=title, fingerprint=str(read_object(run / CONFIG).get("data", "")), eyes=eyes)
