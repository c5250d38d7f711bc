"""What a cell was made from, by content: a cell is done if what it would be made from now is what it was made from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr_core.data.store import INDEX
from dr_core.errors import InputError
from dr_core.files import write_json
from dr_core.pipeline.cells import Cell
from dr_core.pipeline.measures import is_measured
from dr_core.pipeline.requests import DrawRequest, MeasureRequest, ReportRequest, plain_values
from dr_core.study.digests import DIGITS, digest_of, digest_photographs, digest_store, is_store
from dr_core.study.runs import BEST
from dr_core.training.jobs.finetune import FinetuneRequest


@dataclass(frozen=True, kw_only=True)
class Record:
    """How a cell was done.

    Attributes:
        key: Digest of its request and of the content of all that it was made from.
        output: Digest of what it made.
        stamp: Size and time of change of the file that stands for what it made; while these are the same, the file is
            not read again.
        inputs: What it was made from -> digest.
        seconds: How long it took.
    """

    key: str
    output: str
    stamp: str
    inputs: dict[str, str]
    seconds: float


def find_key(cell: Cell, out: Path, outputs: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The digest of what a cell would be made from now, and its parts.

    Args:
        cell: The cell.
        out: The study's folder.
        outputs: Name of each cell that it needs -> digest of what that one made.

    Returns:
        The key of `Record`, and name -> digest of each input.
    """
    inputs = {f"cell {name}": outputs[name] for name in cell.needs}
    inputs |= {_name(path, out): digest_content(path) for path in _external(cell, out)}
    text = json.dumps([plain_values(cell.request, out), inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS], inputs


def find_output(cell: Cell, key: str) -> tuple[str, str]:
    """The digest of what a cell has made, and the stamp of the file that stands for it; empty where it is gone."""
    path = _representative(cell)
    if path is None:
        return key, ""
    if not path.is_file():
        return "", ""
    folder = made_folder(cell)
    digest = digest_content(folder) if isinstance(cell.request, DrawRequest) and folder else digest_of(path)
    return digest, write_stamp(path)


def is_unchanged(cell: Cell, record: Record) -> bool:
    """Whether what a cell made is still what it made."""
    if isinstance(cell.request, MeasureRequest):
        return is_measured(cell.request)
    path = _representative(cell)
    if path is None:
        return True
    if not path.is_file():
        return False
    return write_stamp(path) == record.stamp or find_output(cell, record.key)[0] == record.output


def made_folder(cell: Cell) -> Path | None:
    """The folder that a cell alone writes; None for cells that write tables of the study."""
    request = cell.request
    if isinstance(request, FinetuneRequest):
        return request.run
    return None if isinstance(request, MeasureRequest | ReportRequest) else request.out


def _representative(cell: Cell) -> Path | None:
    """The file that stands for what a cell made."""
    folder, request = made_folder(cell), cell.request
    if isinstance(request, ReportRequest):
        return request.study / "report.html"
    if folder is None:
        return None
    if isinstance(request, DrawRequest):
        if request.content == "segmented":
            photographs = folder / "A. Segmentation" / "1. Original Images" / "a. Training Set"
            return photographs / f"IDRiD_{request.count:02d}.jpg"
        return folder / INDEX
    return folder / (BEST if isinstance(request, FinetuneRequest) else "last.ckpt")


def _external(cell: Cell, out: Path) -> list[Path]:
    """What a cell reads that no cell of the study made."""
    request = cell.request
    if isinstance(request, DrawRequest | ReportRequest):
        return []
    paths = [request.data]
    if isinstance(request, FinetuneRequest):
        paths += [path for path in (request.validation, request.start.path) if path is not None]
    return [path for path in paths if not path.is_relative_to(out)]


def _name(path: Path, out: Path) -> str:
    return str(path.relative_to(out)) if path.is_relative_to(out) else str(path)


def digest_content(path: Path) -> str:
    """Digest of a store, a file, the run folder of a pretraining, or a folder of photographs.

    Raises:
        InputError: If there is no such file or folder.
    """
    if path.is_file():
        return digest_of(path)
    if not path.is_dir():
        raise InputError(f"There is no {path}; correct its path in the configuration.")
    if is_store(path):
        return digest_store(path)
    if (path / "last.ckpt").is_file():
        return digest_of(path / "last.ckpt")
    return digest_photographs(path)


def write_stamp(path: Path) -> str:
    """Size and time of change of a file."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def read_record(folder: Path, name: str) -> Record | None:
    """How a cell was done; None where it was not, or an earlier version did it.

    Args:
        folder: The study's folder of records.
        name: Name of the cell.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["record"]
        return Record(**values)
    except (ValueError, KeyError, TypeError):
        return None  # cut off, or of an earlier version: it is done again


def write_record(folder: Path, cell: Cell, out: Path, record: Record) -> None:
    """Write down how a cell was done, and what it was asked for."""
    about = {"name": cell.name, "kind": cell.kind, "needs": cell.needs, "asked": plain_values(cell.request, out)}
    write_json(folder / f"{cell.name}.json", about | {"record": vars(record)})
