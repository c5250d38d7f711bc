"""Check a data set on disk against what was published: counts, missing, extra, unreadable and duplicate images."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from dr_core.data.grades import GRADES
from dr_core.data.intake.image_folder import PHOTOGRAPH_SUFFIXES
from dr_core.data.intake.index import read_eye
from dr_core.data.published.sources import Source
from dr_core.errors import InputError
from dr_core.processes import start_workers

_CONTENT_SIDE = 256
"""JPEGs are decoded down to about this longest side to be compared; other formats at full size."""


@dataclass(frozen=True, kw_only=True)
class GradeCount:
    """Eyes of one grade in one split, found and expected (None where nobody can know)."""

    split: str
    grade: int
    found: int
    expected: int | None


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """What was found of a data set.

    Attributes:
        title: Name of the set.
        counts: Eyes in the label files by split and grade; grade -1 where none are published.
        absent_splits: Splits that a whole copy has and this one lacks altogether.
        missing: Photographs that the label files name and that are not there.
        extra: Photographs that no label file names.
        unreadable: Photograph -> reason.
        duplicates: Groups of photographs with the same content.
        contents_read: Whether the photographs were opened; if not, `unreadable` and `duplicates` say nothing.
        summary: What was understood of the label files, one sentence.
        notes: Further sentences on what was understood.
    """

    title: str
    counts: tuple[GradeCount, ...]
    absent_splits: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    duplicates: tuple[tuple[str, ...], ...] = ()
    contents_read: bool = True
    summary: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether every expected eye is there and readable. Extra, absent and duplicate ones do not spoil a set."""
        as_expected = all(count.expected in (None, count.found) for count in self.counts)
        return as_expected and not self.missing and not self.unreadable


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """How far a check is: `done` of `total` photographs; `result` in the last report."""

    done: int
    total: int
    result: DataCheck | None = None


def check_source(source: Source, root: Path, *, contents: bool = True, processes: int = 2) -> Iterator[CheckReport]:
    """Check a data set.

    Args:
        source: The set.
        root: Where it lies.
        contents: Whether each photograph is opened, to find unreadable and duplicate ones.
        processes: Processes that open photographs.

    Yields:
        Reports; the last one has the result.

    Raises:
        InputError: If the set cannot be indexed at all.
    """
    intake = source.take_in(root)
    index = intake.index
    files = list(dict.fromkeys(index["path"]))
    present = [path for path in files if (root / path.split("::")[0]).is_file()]
    digests: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for done, (path, digest, reason) in enumerate(_open_all(root, present if contents else [], processes), start=1):
        if reason:
            unreadable[path] = reason
        else:
            digests[path] = digest
        yield CheckReport(done=done, total=len(present))
    result = DataCheck(
        title=source.title,
        counts=_count(index, source),
        absent_splits=tuple(split for split in source.expected if split not in set(index["split"])),
        missing=tuple(sorted(set(files) - set(present))),
        extra=_find_extra(root, files) if source.lists_all else (),
        unreadable=unreadable,
        duplicates=_group(digests),
        contents_read=contents,
        summary=intake.summary,
        notes=intake.notes,
    )
    yield CheckReport(done=len(present), total=len(present), result=result)


def _count(index: pd.DataFrame, source: Source) -> tuple[GradeCount, ...]:
    found = index.groupby(["split", "grade"]).size().to_dict()
    counts = []
    for split in dict.fromkeys(index["split"]):
        expected = source.expected.get(split)
        ungraded = (split, -1) in found
        for grade in [-1] if ungraded else range(len(GRADES)):
            wanted = None if expected is None else expected[max(grade, 0)]
            counts.append(
                GradeCount(split=split, grade=grade, found=int(found.get((split, grade), 0)), expected=wanted)
            )
    return tuple(counts)


def _find_extra(root: Path, files: list[str]) -> tuple[str, ...]:
    folders = {path.rpartition("/")[0] for path in files}
    on_disk = {
        entry.relative_to(root).as_posix()
        for folder in folders
        if (root / folder).is_dir()
        for entry in (root / folder).iterdir()
        if entry.suffix.lower() in PHOTOGRAPH_SUFFIXES
    }
    return tuple(sorted(on_disk - set(files)))


def _open_all(root: Path, paths: list[str], processes: int) -> Iterator[tuple[str, str, str]]:
    if not paths:
        return
    with start_workers(processes) as pool:
        yield from pool.map(partial(_open, root), paths, chunksize=8)


def _open(root: Path, path: str) -> tuple[str, str, str]:
    """Decode a photograph: its path, a digest of its pixels, and the reason if it cannot be read."""
    try:
        image = read_eye(root, path, longest_side=_CONTENT_SIDE)
    except InputError as error:
        return path, "", str(error)
    return path, hashlib.sha256(image.tobytes() + str(image.shape).encode()).hexdigest(), ""


def _group(digests: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for path, digest in digests.items():
        groups.setdefault(digest, []).append(path)
    return tuple(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
