"""Work shared out over processes or machines: each writes its part, the last one puts the parts together."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from dr_core.devices import find_job
from dr_core.errors import InputError
from dr_core.files import replacing

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of `count` parts of the work, numbered from 1."""

    number: int = 1
    count: int = 1

    def take(self, items: Sequence[Item]) -> list[Item]:
        """The items of this part: every `count`-th."""
        return list(items[self.number - 1 :: self.count])


def parse_shard(text: str | None) -> Shard:
    """Read `"2/8"`; without it the rank that torchrun or `srun` gives, otherwise the whole work.

    Raises:
        InputError: If it is not of this form, or out of range.
    """
    if text is None:
        rank, size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
        if rank and size:
            return Shard(number=int(rank) + 1, count=int(size))
        job = find_job()
        return Shard(number=job.rank + 1, count=job.world)
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"A shard must be written as 2/8, the second of eight, not {text!r}.")
    return Shard(number=int(match[1]), count=int(match[2]))


def parts_folder(study: Path, command: str, *facts: object) -> Path:
    """Where the parts of one piece of work lie: elsewhere for other settings, models or eyes, wherever the study lies.

    Args:
        study: The study's folder.
        command: Name of the command.
        facts: Whatever the rows depend on; each is taken by its `repr`.
    """
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
    return study / "results" / "parts" / f"{command}-{digest}"


def write_part(folder: Path, name: str, frame: pd.DataFrame, shard: Shard) -> None:
    """Write a table of this part."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(_part_path(folder, name, shard)) as temporary:
        frame.to_parquet(temporary, index=False)


def read_part(folder: Path, name: str, shard: Shard) -> pd.DataFrame | None:
    """What this part has written, or None."""
    path = _part_path(folder, name, shard)
    return pd.read_parquet(path) if path.is_file() else None


def join_parts(folder: Path, names: Sequence[str], shard: Shard) -> list[pd.DataFrame] | None:
    """Put all parts of some tables together, or None while one is missing."""
    shards = [Shard(number=number, count=shard.count) for number in range(1, shard.count + 1)]
    if not all(_part_path(folder, name, part).is_file() for name in names for part in shards):
        return None
    return [
        pd.concat([pd.read_parquet(_part_path(folder, name, part)) for part in shards], ignore_index=True)
        for name in names
    ]


def _part_path(folder: Path, name: str, shard: Shard) -> Path:
    return folder / f"{name}-{shard.number}-of-{shard.count}.parquet"
