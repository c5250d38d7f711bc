"""Prepare a data set once: decode, crop, resize into a store, in parallel, resumable after kill -9 at any moment.

Images are appended to one file in the order of the index; after each, a line goes to a journal. A killed run is taken
up behind the journal's last whole line. The table is written last, so a folder with a table is whole.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dr_core.data.fundus import assess_quality, find_field_of_view
from dr_core.data.intake.index import read_eye
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import HEADER, IMAGES, INDEX, NpyAppender, Store
from dr_core.errors import InputError
from dr_core.files import csv_of, held, replacing, write_json
from dr_core.processes import start_workers

REJECTED = "rejected.csv"
_JOURNAL, _PART = "journal.jsonl", "images.part"
_CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """How photographs are brought to model size.

    Attributes:
        size: Side of the stored images in pixels.
        crop: `"field_of_view"` (protocol `fine`) or `"squash"` (protocol `paper`).
    """

    size: int = 224
    crop: str = "field_of_view"


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """How far it is: `done` of `total` photographs, `rejected` of them for a reason that `rejected.csv` gives."""

    done: int
    total: int
    rejected: int


def prepare_store(
    title: str, root: Path, index: pd.DataFrame, folder: Path, config: PrepareConfig, *, processes: int = 2
) -> Iterator[PrepareReport]:
    """Prepare a store, or go on where a run was stopped; a finished one is left as it is.

    The store's table holds the index of the accepted eyes and what was measured of each: whether a field of view was
    found, sharpness and luminance as `assess_quality` gives them, and its warnings.

    Args:
        title: Name of the data set.
        root: Where the photographs lie.
        index: The data set's index.
        folder: Where the store is written.
        config: How.
        processes: Processes that decode.

    Yields:
        Reports.

    Raises:
        InputError: If another process prepares this folder, if it holds other data, or if no photograph is readable.
        OSError: If the disk is full; the same command goes on from there.
    """
    header = {"title": title, "photographs": len(index), **asdict(config), "index": _digest_index(index)}
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / ".lock", f"prepares {folder}"):
        if _is_done(folder, header):
            return
        write_json(folder / HEADER, header)
        journal = _read_journal(folder)
        if (folder / IMAGES).is_file():  # killed between the last image and the table
            (folder / IMAGES).replace(folder / _PART)
        rejected = sum(bool(line["reason"]) for line in journal)
        shape = (3, config.size, config.size)
        with (
            NpyAppender(folder / _PART, shape, len(journal) - rejected) as out,
            (folder / _JOURNAL).open("a", encoding="utf-8") as log,
        ):
            for view, line in _view_all(root, index["path"].iloc[len(journal) :], config, processes):
                if view is None:
                    rejected += 1
                else:
                    out.append(view)
                log.write(json.dumps(line) + "\n")
                log.flush()
                journal.append(line)
                yield PrepareReport(done=len(journal), total=len(index), rejected=rejected)
        _finish(folder, index, journal, header)


def _view_all(
    root: Path, paths: pd.Series, config: PrepareConfig, processes: int
) -> Iterator[tuple[np.ndarray | None, dict[str, Any]]]:
    """View every photograph, in order; only a few are under way at a time, so that memory stays flat."""
    view = partial(prepare_view, root, Preprocessing(size=config.size, crop=config.crop))  # type: ignore[arg-type]
    remaining = iter(paths)
    with start_workers(processes) as pool:
        under_way = [pool.submit(_view_many, view, chunk) for chunk in _chunks(remaining, 3 * processes)]
        while under_way:
            yield from under_way.pop(0).result()
            under_way += [pool.submit(_view_many, view, chunk) for chunk in _chunks(remaining, 1)]


def _chunks(paths: Iterator[str], count: int) -> Iterator[list[str]]:
    for _ in range(count):
        chunk = list(islice(paths, _CHUNK))
        if chunk:
            yield chunk


def _view_many(view: partial[Any], paths: list[str]) -> list[tuple[np.ndarray | None, dict[str, Any]]]:
    return [view(path) for path in paths]


def prepare_view(root: Path, preprocessing: Preprocessing, path: str) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Bring one photograph to model size.

    Args:
        root: Folder of the photograph.
        preprocessing: Size and crop.
        path: The photograph, from there.

    Returns:
        Uint8 (3, S, S) RGB, None where it cannot be read; and its line of the journal.
    """
    try:
        image = _read_for(root, path, preprocessing)
    except InputError as error:
        return None, {"path": path, "reason": str(error)}
    field = find_field_of_view(image)
    quality = assess_quality(image, field)
    line = {
        "path": path,
        "reason": "",
        "field_found": field.found,
        "sharpness": round(quality.sharpness, 4),
        "luminance": quality.luminance,
        "warnings": " ".join(quality.warnings),
    }
    return preprocessing.to_model_view(image, field).transpose(2, 0, 1), line


def _read_for(root: Path, path: str, preprocessing: Preprocessing) -> np.ndarray:
    """Read a photograph; a JPEG by its own DCT scaling at a size that still leaves a factor of two to average over."""
    return read_eye(root, path, longest_side=2 * preprocessing.size)


def view_eye(root: Path, path: str, preprocessing: Preprocessing) -> np.ndarray:
    """Bring one photograph to the pixels that a store of this preprocessing holds of it.

    Args:
        root: Folder of the photograph.
        path: The photograph, from there.
        preprocessing: Size and crop.

    Returns:
        Uint8 (3, S, S) RGB.

    Raises:
        InputError: If it cannot be read.
    """
    image = _read_for(root, path, preprocessing)
    return preprocessing.to_model_view(image, find_field_of_view(image)).transpose(2, 0, 1)


def _finish(folder: Path, index: pd.DataFrame, journal: list[dict[str, Any]], header: dict[str, Any]) -> None:
    lines = pd.DataFrame(journal)
    bad = lines["reason"] != ""
    with replacing(folder / REJECTED) as temporary:
        temporary.write_text(csv_of(lines.loc[bad, ["path", "reason"]]), encoding="utf-8")
    if bad.all():
        raise InputError(f"None of the {len(index)} photographs could be read; {folder / REJECTED} gives the reasons.")
    measured = lines.loc[~bad].drop(columns=["path", "reason"]).reset_index(drop=True)
    table = pd.concat([index.loc[~bad.to_numpy()].reset_index(drop=True), measured], axis=1)
    (folder / _PART).replace(folder / IMAGES)
    fingerprint = Store(np.load(folder / IMAGES, mmap_mode="r"), table).fingerprint()
    write_json(folder / HEADER, header | {"images": len(table), "fingerprint": fingerprint})
    with replacing(folder / INDEX) as temporary:
        table.to_parquet(temporary, index=False)
    (folder / _JOURNAL).unlink()


def _is_done(folder: Path, header: dict[str, Any]) -> bool:
    """Whether the folder holds this store already, which takes the title's new words; another one is refused."""
    if not (folder / HEADER).is_file():
        return False
    stored = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    different = [name for name, value in header.items() if name != "title" and stored.get(name) != value]
    if different:
        raise InputError(
            f"{folder} holds {stored.get('title')} prepared differently ({', '.join(different)} differs); choose "
            "another folder or remove it."
        )
    done = (folder / INDEX).is_file()
    if done and stored.get("title") != header["title"]:
        write_json(folder / HEADER, stored | {"title": header["title"]})
    return done


def _read_journal(folder: Path) -> list[dict[str, Any]]:
    """Whole lines of the journal; what a killed process wrote of another is cut off."""
    path = folder / _JOURNAL
    if not path.is_file():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _digest_index(index: pd.DataFrame) -> str:
    return f"{int(pd.util.hash_pandas_object(index, index=False).sum()) & (2**64 - 1):016x}"
