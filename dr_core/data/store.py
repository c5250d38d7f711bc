"""Eyes at model size, ready for training: a memory-mapped uint8 array and a table that says what each row is."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from dr_core.errors import InputError, Remedy
from dr_core.files import open_regular, read_regular, replacing
from dr_core.parquet import DEFECTS, read_parquet
from dr_core.processes import start_workers

IMAGES, INDEX, HEADER = "images.npy", "index.parquet", "store.json"
"""Files of a store: the array, the table, which is written last, and what a prepared one says of itself."""


@dataclass(frozen=True)
class Store:
    """Images of one size with their labels.

    Attributes:
        images: Uint8 (N, 3, S, S) RGB, usually memory-mapped.
        index: One row an image, in the same order. Eyes have the columns `eye`, `patient`, `side` and `grade`;
            textures have `label`.
        rows: Rows of `images` to which those of the table belong, int (N,); None where `images` holds no others.
    """

    images: np.ndarray
    index: pd.DataFrame
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.index)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Images of some rows, uint8 (n, 3, S, S), copied into memory."""
        chosen: np.ndarray = self.images[rows if self.rows is None else self.rows[rows]]
        return chosen

    def take(self, rows: np.ndarray) -> "Store":
        """The same store with only some rows, the images copied into memory."""
        return Store(self.read(rows), self.index.iloc[rows].reset_index(drop=True))

    def select(self, rows: np.ndarray) -> "Store":
        """The same store with only some rows, whose images stay where they are until they are read."""
        kept = rows if self.rows is None else self.rows[rows]
        return Store(self.images, self.index.iloc[rows].reset_index(drop=True), kept)

    def fingerprint(self) -> str:
        """SHA-256 over the images and the table, 16 hexadecimal digits."""
        images = self.images if self.rows is None else self.images[self.rows]
        digest = hashlib.sha256(np.ascontiguousarray(images).data)
        digest.update(self.index.to_csv(index=False).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class FillReport:
    """How far a store is filled: `done` of `total` images."""

    done: int
    total: int


Drawn = tuple[list[np.ndarray], list[dict[str, object]]]
Drawer = Callable[[int], Drawn]
"""A function of a job's number that gives its images, uint8 (3, S, S), and their rows of the table."""


def open_store(folder: Path) -> Store:
    """Open a store that is whole.

    Args:
        folder: Where `fill_store` or `prepare_store` wrote it.

    Returns:
        The store, memory-mapped: a batch costs the reading of its own rows.

    Raises:
        InputError: If there is none, it is not finished, or it is damaged.
    """
    if not (folder / INDEX).is_file():
        begun = "holds no prepared data"
        if (folder / HEADER).is_file():
            begun = "is not finished yet; preparing it again resumes"
        raise InputError(f"{folder} {begun}.", Remedy("prepare data", {"out": str(folder)}))
    try:
        open_regular(folder / IMAGES).close()  # numpy would wait for a pipe
        store = Store(np.load(folder / IMAGES, mmap_mode="r"), read_parquet(folder / INDEX))
    except DEFECTS as error:
        raise InputError(
            f"The prepared data in {folder} are damaged ({error}); remove them and prepare again."
        ) from error
    if store.images.dtype != np.uint8 or store.images.ndim != 4 or store.images.shape[1] != 3:
        raise InputError(f"{folder / IMAGES} holds no pictures of 8 bits and three colors; prepare the data again.")
    if len(store.images) != len(store.index):
        raise InputError(f"{folder} holds {len(store.images)} images and {len(store.index)} rows; prepare it again.")
    return store


def read_header(folder: Path) -> dict[str, Any]:
    """What a prepared store says of itself: title, size, crop, counts, fingerprint; empty for a drawn one."""
    path = folder / HEADER
    if not path.is_file():
        return {}
    try:
        values = json.loads(read_regular(path, _MAX_HEADER_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged; prepare the data again.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is damaged; prepare the data again.")
    return values


_MAX_HEADER_BYTES = 2**20


def fingerprint_store(folder: Path) -> str:
    """Digest of a store's images and table; a prepared one has it written down."""
    return read_header(folder).get("fingerprint") or open_store(folder).fingerprint()


class NpyAppender:
    """Writes an array file row by row, so that a killed process leaves every finished row.

    Use as a context; when it ends without an error the file is a whole `.npy`.

    Args:
        path: The file.
        shape: Shape of one row, uint8.
        rows: Rows that an earlier process finished; what lies behind them is cut off.

    Raises:
        InputError: If the file holds fewer rows.
        OSError: If the disk is full; the rows before stay.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], rows: int) -> None:
        self.path, self.shape, self.rows = path, shape, rows

    def __enter__(self) -> "NpyAppender":
        self._file = self.path.open("r+b" if self.rows else "w+b", buffering=0)
        self._write_header()
        end = self._file.tell() + self.rows * int(np.prod(self.shape))
        if self._file.seek(0, os.SEEK_END) < end:
            self._file.close()
            raise InputError(
                f"{self.path} is shorter than its journal says; remove {self.path.parent} and start again."
            )
        self._file.truncate(end)
        self._file.seek(end)
        return self

    def append(self, row: np.ndarray) -> None:
        """Write one row, uint8 of the given shape; it is with the operating system when this returns."""
        data = np.ascontiguousarray(row, np.uint8).tobytes()
        if self._file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.rows += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_header()
            os.fsync(self._file.fileno())
        self._file.close()

    def _write_header(self) -> None:
        """Numpy leaves room in its header for the first axis to grow, so it can be written again in place."""
        self._file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


_FEW = 32
"""Jobs that are drawn sooner than processes start."""


def fill_store(folder: Path, draw: Drawer, jobs: Sequence[int], *, workers: int) -> Iterator[FillReport]:
    """Fill a store with drawn images, in parallel; a complete one is left as it is.

    The table is written last, so that a store with a table is whole.

    Args:
        folder: Where the store lies.
        draw: Draws the images of one job; must be picklable.
        jobs: The jobs, in the order of the store.
        workers: Number of processes; few jobs are done in this one.

    Yields:
        A report after each job.
    """
    if (folder / INDEX).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    images: list[np.ndarray] = []
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        results: Iterator[Drawn] = map(draw, jobs)
        if len(jobs) > _FEW or workers < 1:
            results = stack.enter_context(start_workers(workers)).map(draw, jobs, chunksize=4)
        for done, (drawn, described) in enumerate(results, start=1):
            images.extend(drawn)
            rows.extend(described)
            yield FillReport(done, len(jobs))
    with replacing(folder / IMAGES) as temporary:
        np.save(temporary, np.stack(images))
    with replacing(folder / INDEX) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)
