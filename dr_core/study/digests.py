"""What files are by content: digests of checkpoints, stores and folders of photographs, taken once while they stay."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dr_core.data.store import HEADER, INDEX, fingerprint_store
from dr_core.files import digest_file

if TYPE_CHECKING:
    from dr_core.study.folder import Study

DIGITS = 16
"""Hexadecimal digits of a digest, of SHA-256's 64."""

_PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
"""Ends of the files of which a folder of photographs consists."""

Stamp = tuple[int, int, int, int]
"""Size, time of change, time of change of its entry, and number of a file: a clock that is set back leaves traces."""


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is written anew, without reading it."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content, 16 hexadecimal digits; read once while its stamp stays."""
    return _digest(path, stamp_of(path))


def digest_checkpoints(study: "Study") -> dict[str, str]:
    """Set-up -> digest of its checkpoint, as `digest_of`, for those that have one."""
    return {setup: digest_of(study.checkpoint_path(setup)) for setup in study.setups if study.has_checkpoint(setup)}


@lru_cache(maxsize=1024)
def _digest(path: Path, stamp: Stamp) -> str:
    del stamp
    return digest_file(path)[:DIGITS]


def digest_store(folder: Path) -> str:
    """Fingerprint of a store, as `fingerprint_store` gives it; taken once while its table stays."""
    index = folder / INDEX
    return _fingerprint(folder, stamp_of(index) if index.is_file() else None)


@lru_cache(maxsize=256)
def _fingerprint(folder: Path, stamp: Stamp | None) -> str:
    del stamp
    return fingerprint_store(folder)


def digest_photographs(folder: Path) -> str:
    """Digest of the names and contents of all photographs and masks in a folder and below it."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _PHOTOGRAPHS)
    text = "\n".join(f"{file.relative_to(folder).as_posix()} {digest_of(file)}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def is_store(folder: Path) -> bool:
    """Whether a folder holds a store, perhaps one that is not finished."""
    return (folder / INDEX).is_file() or (folder / HEADER).is_file()
