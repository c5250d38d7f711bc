"""Any photographs on a disk: found in files and folders, and brought to model size in worker processes."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dr_core.data.fundus import KINDS, FieldOfView, assess_quality, find_field_of_view, open_fundus
from dr_core.data.fundus.field_of_view import square_of
from dr_core.data.intake.image_folder import PHOTOGRAPH_SUFFIXES
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.files import open_regular
from dr_core.processes import start_workers

Rectangle = tuple[float, float, float, float]
"""Left, top, width and height, as shares of the photograph's width and height."""

HEATMAPS = ".heatmaps"
"""End of the name of a folder that holds no photographs but what was written about some."""

_OTHER_PICTURES = {".gif", ".pdf"}
"""Formats that are not read: listed with the reason, rather than left out without a word."""

_OTHER_FILES = {".csv", ".json", ".txt", ".md", ".xml", ".xlsx", ".zip", ".npz", ".db", ".ini", ".parquet"}
"""Not opened to see whether they are DICOM files of another name."""


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """A file that may hold a photograph.

    Attributes:
        name: Its path from the folder that was given, with forward slashes; of a file that was given, its name.
        path: Where it lies.
        size: In bytes; -1 where it cannot be asked for.
        modified: When it was changed last, in nanoseconds.
    """

    name: str
    path: Path
    size: int
    modified: int


@dataclass(frozen=True, kw_only=True)
class PhotographView:
    """A photograph as models see it.

    Attributes:
        views: For each way of seeing, uint8 (S, S, 3) RGB.
        parts: For each way, which part of the photograph that is; it may reach beyond.
        field_found: Whether a round field of view was found.
        sharpness: 0..1, high where edges are fine.
        luminance: Median luminance, 0..255.
        warnings: What is wrong with it, in sentences.
        level: How far it is from what models know: name of a level of `dr_core.data.fundus.checks`.
    """

    views: tuple[np.ndarray, ...]
    parts: tuple[Rectangle, ...]
    field_found: bool
    sharpness: float
    luminance: float
    warnings: tuple[str, ...]
    level: str = "within"


def find_photographs(given: Sequence[Path]) -> list[Photograph]:
    """List what lies in folders, and files.

    In folders and the folders below, files with the suffix of a picture or of a DICOM file count, those of other names
    that are DICOM files, and pipes and devices, which are listed and never opened. Hidden files and folders, and those
    of heatmaps, are passed over; links to folders are not followed. A file that is given by its own name counts in any
    case.

    Args:
        given: Files and folders.

    Returns:
        Each file once, sorted by name.

    Raises:
        InputError: If one does not exist, a folder cannot be read, there is no photograph, or two have the same name.
    """
    found: dict[str, Photograph] = {}
    for source in given:
        if not source.exists():
            raise InputError(f"There is no file or folder {source}; check the spelling of the path.")
        files = _walk(source) if source.is_dir() else [source]
        for file in files:
            photograph = _describe(file, source if source.is_dir() else file.parent)
            before = found.setdefault(photograph.name, photograph)
            if not _is_same(before.path, file):
                raise InputError(
                    f"Two photographs would be called {photograph.name}; give the folder around both, or score them "
                    "into tables of their own."
                )
    if not found:
        raise InputError(f"There is no photograph in {', '.join(map(str, given))}; {KINDS} files are read.")
    return [found[name] for name in sorted(found)]


def _is_same(one: Path, other: Path) -> bool:
    return one == other or one.absolute().resolve() == other.absolute().resolve()


def _walk(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise InputError(f"The folder {error.filename} cannot be read ({error.strerror}); check its permissions.")

    for source, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(HEATMAPS)]
        for name in files:
            path = Path(source, name)
            if not name.startswith(".") and name != "DICOMDIR" and _may_be_photograph(path):
                yield path


def _may_be_photograph(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in PHOTOGRAPH_SUFFIXES or suffix in _OTHER_PICTURES or _is_special(path):
        return True
    if suffix in _OTHER_FILES:
        return False
    try:  # cameras and archives name DICOM files by numbers
        with open_regular(path) as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _is_special(path: Path) -> bool:
    """Whether it is a pipe, a device or a socket: it is never opened, and listed with the reason."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nowhere
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _describe(path: Path, root: Path) -> Photograph:
    name = path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
    try:
        status = path.stat()
    except OSError:  # a link to nowhere; reading it gives the reason
        return Photograph(name=name, path=path, size=-1, modified=0)
    return Photograph(name=name, path=path, size=status.st_size, modified=status.st_mtime_ns)


def view_photographs(
    batches: Iterable[Sequence[Photograph]], preprocessings: Sequence[Preprocessing], processes: int
) -> Iterator[list[PhotographView | str]]:
    """View photographs batch after batch in other processes, a few batches ahead, so that memory stays flat.

    Args:
        batches: Photographs.
        preprocessings: How they are seen; size and crop count alone.
        processes: Processes that decode.

    Yields:
        For each photograph of a batch its view, or the reason why there is none.

    Raises:
        InputError: If the system ended one of the processes.
    """
    with start_workers(processes) as pool:
        under_way: list[Future[list[PhotographView | str]]] = []
        try:
            for batch in batches:
                under_way.append(pool.submit(_view_all, batch, preprocessings))
                if len(under_way) > 2 * processes:
                    yield under_way.pop(0).result()
            while under_way:
                yield under_way.pop(0).result()
        except BrokenProcessPool as error:
            raise InputError(
                "A process that decodes photographs was ended by the system, usually for lack of memory; use one "
                "process. The same command resumes where it stopped."
            ) from error


def _view_all(batch: Sequence[Photograph], preprocessings: Sequence[Preprocessing]) -> list[PhotographView | str]:
    return [view_photograph(photograph, preprocessings) for photograph in batch]


def view_photograph(photograph: Photograph, preprocessings: Sequence[Preprocessing]) -> PhotographView | str:
    """View one photograph as the app shows it to the models, decoded at its full size.

    `data prepare` decodes large JPEGs at a reduced size, which is faster, but answers then differ from the app's by
    .03 in the median (20 IDRiD eyes, the demo's models).

    Args:
        photograph: The photograph.
        preprocessings: How it is seen.

    Returns:
        The view, or why it cannot be read: a sentence that tells no more of the path than the photograph's name.
    """
    try:
        file = open_fundus(photograph.path)
    except InputError as error:
        return str(error).replace(str(photograph.path), photograph.name)
    image = file.image
    field = find_field_of_view(image)
    quality = assess_quality(image, field)
    return PhotographView(
        views=tuple(preprocessing.to_model_view(image, field) for preprocessing in preprocessings),
        parts=tuple(_part(preprocessing, image, field) for preprocessing in preprocessings),
        field_found=field.found,
        sharpness=quality.sharpness,
        luminance=quality.luminance,
        warnings=(*quality.warnings, *file.notes),
        level=quality.level.name,
    )


def _part(preprocessing: Preprocessing, image: np.ndarray, field: FieldOfView) -> Rectangle:
    if preprocessing.crop == "squash":
        return 0.0, 0.0, 1.0, 1.0
    height, width = image.shape[:2]
    left, top, side = square_of(field)
    return left / width, top / height, side / width, side / height
