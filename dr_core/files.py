"""Files: written so that a killed process leaves the last good state, and known by their digest."""

import errno
import fcntl
import glob
import hashlib
import json
import os
import platform
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name, then put it in the place of `path` in one step.

    Args:
        path: The file to create or replace; its folder must exist.

    Yields:
        The temporary path to write to, in the same folder and with the same suffix. If the block raises, it is removed
        and `path` stays as it was.
    """
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.stem}.{platform.node()}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` whose process on this machine was killed."""
    start, end = f".{path.stem}.{platform.node()}.", f".tmp{path.suffix}"
    for leftover in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp{path.suffix}"):
        process = leftover.name.removeprefix(start).removesuffix(end)
        if process.isdecimal() and not _is_running(int(process)):
            leftover.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time work on a file that several read, change and write back.

    Args:
        path: The file; a lock lies beside it. Where the file system knows no locks, nobody waits.
    """
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def held(lock: Path, work: str) -> Iterator[None]:
    """Let one process alone do some work; the system lets go of the lock when it ends, however it ends.

    Args:
        lock: The lock file; its folder must exist.
        work: What the process does, such as "prepares DIR".

    Raises:
        InputError: If another process does it at this moment.
    """
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"Process {file.read().strip() or '?'} {work} at this moment; wait for it, or write elsewhere."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def read_regular(path: Path, limit: int, name: str = "") -> bytes:
    """Read a file that somebody else may have put there.

    A pipe or a device is never opened for reading: it may never end, or never begin.

    Args:
        path: The file.
        limit: Bytes that are read at most.
        name: What to call it in messages; its path where this is empty.

    Returns:
        Its content.

    Raises:
        InputError: If it is missing, no regular file, too large, or may not be read.
    """
    name = name or f"`{path}`"
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise InputError(f"{name} must have at most {_in_words(limit)}; make it smaller.")
            content = file.read(limit + 1)
    except (FileNotFoundError, ValueError):  # ValueError: a null character in the path
        raise InputError(f"{name} does not exist; check the spelling of the path.") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}); check the path and its permissions.") from error
    if len(content) > limit:
        raise InputError(f"{name} must have at most {_in_words(limit)}; make it smaller.")
    return content


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; raises OSError where it is a pipe, a device, a socket or a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would wait
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def _in_words(size: int) -> str:
    return f"{size >> 20} MB" if size >= 2**20 else f"{size >> 10} KB"


def digest_file(path: Path) -> str:
    """SHA-256 of a regular file's content, in hexadecimal; raises OSError for a pipe or a device, which never ends."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def defuse_cell(value: Any) -> Any:  # noqa: ANN401 - whatever a table can hold
    """Keep a spreadsheet from taking a text for a formula: an apostrophe before a text that begins like one.

    Numbers, and texts that are numbers, stay as they are.
    """
    if not isinstance(value, str) or not value.lstrip(" ").startswith(_FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def fuse_cell(text: str) -> str:
    """The text before `defuse_cell`."""
    return text[1:] if text[:1] == "'" and defuse_cell(text[1:]) == text else text


def defuse_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """`defuse_cell` for each value, and each name, of a row."""
    return {defuse_cell(name): defuse_cell(value) for name, value in row.items()}


def csv_of(table: "pd.DataFrame", *, index: bool = False) -> str:
    """A table as CSV whose texts are no formulas; column names neither."""
    safe = table.map(defuse_cell).rename(columns=defuse_cell)
    return (safe.rename(index=defuse_cell) if index else safe).to_csv(index=index, lineterminator="\n")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write a value as indented JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
