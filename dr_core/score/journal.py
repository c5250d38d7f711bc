"""Journals of a scoring: what has been asked about which photographs, a line each, written as the answers come."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr_core.data.photographs import Photograph

Row = dict[str, Any]
"""A row of the table, by column."""


@dataclass(frozen=True)
class RowsPosition:
    """Where the rows of a photograph stand, and whether it could be read."""

    journal: Path
    offset: int
    readable: bool

    def read(self) -> list[Row]:
        """The rows."""
        with self.journal.open("rb") as file:
            file.seek(self.offset)
            result: list[Row] = json.loads(file.readline())["rows"]
            return result


@dataclass(frozen=True)
class Journals:
    """What all parts have written: every name, and where the rows of photographs stand that are as they were."""

    names: set[str]
    places: dict[str, RowsPosition]

    def has_answers(self, photograph: Photograph) -> bool:
        """Whether it has been read and asked about."""
        return photograph.name in self.places and self.places[photograph.name].readable


def read_journals(parts: Path, photographs: Sequence[Photograph]) -> Journals:
    """Read all journals; another process may be writing to one.

    A line counts while the photograph has the size and the time of change that it had; one with answers before one
    with an error, and a later one before an earlier one.
    """
    stamps = {one.name: (one.size, one.modified) for one in photographs}
    names: set[str] = set()
    places: dict[str, RowsPosition] = {}
    for journal in sorted(parts.glob("*.jsonl")):
        for offset, values in _read_lines(journal):
            name, readable = values["path"], not values["rows"][0]["error"]
            names.add(name)
            is_better = readable or name not in places or not places[name].readable
            if stamps.get(name) == (values["size"], values["modified"]) and is_better:
                places[name] = RowsPosition(journal, offset, readable)
    return Journals(names, places)


def _read_lines(journal: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Whole lines and where they begin."""
    offset = 0
    with journal.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield offset, json.loads(line)
            offset += len(line)


def journal_line(photograph: Photograph, rows: list[Row]) -> bytes:
    """The line that tells of a photograph and its rows."""
    about = {"path": photograph.name, "size": photograph.size, "modified": photograph.modified}
    return json.dumps(about | {"rows": rows}).encode() + b"\n"


def cut_half_line(journal: Path) -> None:
    """Cut off what a killed process wrote of a line."""
    if not journal.is_file():
        return
    text = journal.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with journal.open("r+b") as file:
            file.truncate(whole)
