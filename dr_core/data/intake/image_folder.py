"""Photographs of a folder, found by the names that a label file gives them."""

import os
from pathlib import Path

from dr_core.data.intake.table import clean
from dr_core.errors import InputError

PHOTOGRAPH_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".dcm", ".dicom", ".heic", ".heif", ".avif", ".webp", ".bmp"}
    | {".jp2", ".j2k"}
)
"""Suffixes of files that may be photographs."""


class ImageFolder:
    """The files of a folder, found by name whatever the case of its letters, its suffix or the spelling of accents.

    Args:
        root: Root of the data set.
        folder: The folder below it, with forward slashes, `"."` for the root itself; it need not exist.
    """

    def __init__(self, root: Path, folder: str = ".") -> None:
        self._folder = root / folder
        self._prefix = "" if folder == "." else f"{folder}/"
        names = []
        if self._folder.is_dir():
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file())
        self._exact = set(names)
        self._files: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in names:
            self._files.setdefault(_key(name), []).append(name)
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
            if suffix.lower() in PHOTOGRAPH_SUFFIXES:
                self._stems.setdefault(_key(stem), []).append(name)

    def holds(self, name: str) -> bool:
        """Whether `find` would find a file."""
        return self._search(name, "") is not None

    def find(self, name: str, suffix: str = "") -> str:
        """Find the file of a name.

        Args:
            name: Name in the label file, with or without suffix.
            suffix: What the published file's name has behind it, such as `.jpeg`.

        Returns:
            Its path from the root, with forward slashes; of a missing file the path that it should have.

        Raises:
            InputError: If several files may be meant.
        """
        found = self._search(name, suffix)
        return f"{self._prefix}{found or name + suffix}"

    def _search(self, name: str, suffix: str) -> str | None:
        if name + suffix in self._exact:
            return name + suffix
        candidates = self._files.get(_key(name + suffix)) or self._stems.get(_key(name)) or self._of_other_suffix(name)
        if candidates and len(candidates) > 1:
            raise InputError(
                f"{name!r} may be {' or '.join(map(repr, candidates[:4]))} in {self._folder}; write the whole file "
                "name into the table, or move what is no photograph."
            )
        return candidates[0] if candidates else None

    def _of_other_suffix(self, name: str) -> list[str] | None:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        return self._stems.get(_key(stem)) if suffix.lower() in PHOTOGRAPH_SUFFIXES else None


def _key(name: str) -> str:
    return clean(name).casefold()
