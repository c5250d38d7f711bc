"""Eyes at model size, ready for training: a memory-mapped uint8 array and a table that says what each row is."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.errors import InputError
from dr_core.files import replacing


@dataclass(frozen=True)
class Store:
    """Images of one size with their labels.

    Attributes:
        images: Uint8 (N, 3, S, S) RGB, usually memory-mapped.
        index: One row an image, in the same order. Eyes have the columns `eye`, `patient`, `side` and `grade`;
            textures have `label`.
    """

    images: np.ndarray
    index: pd.DataFrame

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: np.ndarray) -> "Store":
        """The same store with only some rows, the images copied into memory."""
        return Store(self.images[rows], self.index.iloc[rows].reset_index(drop=True))

    def fingerprint(self) -> str:
        """SHA-256 over the images and the table, 16 hexadecimal digits."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(self.index.to_csv(index=False).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class FillReport:
    """How far a store is filled: `done` of `total` images."""

    done: int
    total: int


Drawer = Callable[[int], tuple[list[np.ndarray], list[dict[str, object]]]]
"""A function of a job's number that gives its images, uint8 (3, S, S), and their rows of the table."""


def open_store(folder: Path) -> Store:
    """Open a store that `fill_store` completed.

    Raises:
        InputError: If there is none.
    """
    if not (folder / "index.parquet").is_file():
        raise InputError(f"There is no prepared data in {folder}.")
    return Store(np.load(folder / "images.npy", mmap_mode="r"), pd.read_parquet(folder / "index.parquet"))


def fill_store(folder: Path, draw: Drawer, jobs: Sequence[int], *, workers: int) -> Iterator[FillReport]:
    """Fill a store with drawn images, in parallel; a complete one is left as it is.

    The table is written last, so that a store with a table is whole.

    Args:
        folder: Where the store lies.
        draw: Draws the images of one job; must be picklable.
        jobs: The jobs, in the order of the store.
        workers: Number of processes.

    Yields:
        A report after each job.
    """
    if (folder / "index.parquet").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    images: list[np.ndarray] = []
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done, (drawn, described) in enumerate(pool.map(draw, jobs, chunksize=4), start=1):
            images.extend(drawn)
            rows.extend(described)
            yield FillReport(done, len(jobs))
    with replacing(folder / "images.npy") as temporary:
        np.save(temporary, np.stack(images))
    with replacing(folder / "index.parquet") as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)
