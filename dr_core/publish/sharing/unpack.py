"""An archive becomes a study again; nothing of it stays unless all of it is what its manifest says."""

import hashlib
import json
import os
import platform
import shutil
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dr_core.errors import InputError
from dr_core.files import open_regular
from dr_core.models.checkpoint import HEADER_DEFECTS
from dr_core.publish.sharing.members import FORMAT, MANIFEST, SCHEMA, PackedFile, check_contents, is_member
from dr_core.publish.sharing.pack import CHUNK
from dr_core.study.folder import Study, open_study
from dr_core.study.ownership import check_vacant

MAX_BYTES = 2**36
"""Bytes of an archive's members together: 64 GB, some hundred trainings of a ResNet-50 for each of eight set-ups."""

_MAX_MANIFEST_BYTES = _MAX_DIRECTORY_BYTES = 2**23
"""Bytes of the manifest, and of the list of members at an archive's end; a member takes 200."""

_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, *HEADER_DEFECTS)
"""What `zipfile` and `json` raise where somebody tampered with an archive."""


def unpack_study(archive: Path, out: Path) -> Study:
    """Bring the study of an archive into a folder of its own.

    Every member is written to a folder beside, compared with the manifest, and looked into; only then the folder gets
    its name, in one step.

    Args:
        archive: A file that `pack_study` wrote.
        out: The study's folder, which must not exist, or be empty.

    Returns:
        The open study.

    Raises:
        InputError: If `out` is taken; or the archive is not one of a study, holds anything but regular files of a
            study, is not what its manifest says, or too large. Nothing is written then.
    """
    check_vacant(out)
    with _opened(archive) as file:
        try:
            _check_end(file)
            with zipfile.ZipFile(file) as members:
                files = _read_manifest(members)
                _check_members(members.infolist(), files, os.fstat(file.fileno()).st_size)
                _bring(members, files, out)
        except InputError as error:
            raise InputError(f"{archive} cannot be opened: {error} Nothing was written.") from error
        except _BROKEN as error:
            raise InputError(
                f"{archive} is not an archive of a study, or is damaged ({type(error).__name__}); get it again. "
                "Nothing was written."
            ) from error
    return open_study(out)


@contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        file = open_regular(archive)
    except FileNotFoundError:
        raise InputError(f"`{archive}` does not exist; check the spelling of the path.") from None
    except OSError as error:
        raise InputError(f"`{archive}` cannot be read ({error.strerror}); check what it is.") from error
    with file:
        yield file


_END, _END_64, _LOCATOR_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), 20
"""Records at an archive's end, of which the list's size is read before the list."""


def _check_end(file: BinaryIO) -> None:
    """Refuse a list of members that takes gigabytes to parse, and anything behind it."""
    size = file.seek(0, os.SEEK_END)
    if size < _END.size:
        raise zipfile.BadZipFile
    file.seek(size - _END.size)
    signature, *_, listed, _, comment = _END.unpack(file.read(_END.size))
    if signature != b"PK\5\6" or comment:
        raise zipfile.BadZipFile
    before = size - _END.size - _LOCATOR_64 - _END_64.size
    if before >= 0:
        file.seek(before)
        large = _END_64.unpack(file.read(_END_64.size))
        is_large = file.read(4) == b"PK\6\7"  # zipfile follows such a locator wherever it stands
        if is_large and large[0] != b"PK\6\6":
            raise zipfile.BadZipFile
        listed = max(listed, large[8]) if is_large else listed
    if listed > _MAX_DIRECTORY_BYTES:
        raise InputError(f"its list of members takes {listed} bytes, and may take {_MAX_DIRECTORY_BYTES}.")


def _read_manifest(members: zipfile.ZipFile) -> tuple[PackedFile, ...]:
    if MANIFEST not in members.namelist():
        raise InputError(f"it has no {MANIFEST}, so DR Lens did not write it.")
    about = members.getinfo(MANIFEST)
    if about.compress_type != zipfile.ZIP_STORED or about.file_size > _MAX_MANIFEST_BYTES:
        raise InputError(f"its {MANIFEST} is compressed, or larger than {_MAX_MANIFEST_BYTES >> 20} MB.")
    values = json.loads(members.read(about))
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError("it is an archive of something else than a study.")
    if int(values["schema"]) > SCHEMA:
        raise InputError(f"a newer DR Lens wrote it (schema {values['schema']}, this one reads {SCHEMA}); update it.")
    return tuple(PackedFile.from_dict(one) for one in values["files"])


def _check_members(members: Sequence[zipfile.ZipInfo], files: Sequence[PackedFile], size: int) -> None:
    """Hold the list of members against the manifest, before any of them is read."""
    named = sorted(one.filename for one in members)
    if named != sorted([MANIFEST, *(one.name for one in files)]) or len(set(named)) != len(named):
        odd = sorted(set(named) ^ {MANIFEST, *(one.name for one in files)}) or ["one of them twice"]
        raise InputError(f"its members are not those of its {MANIFEST}: {odd[0]!r}.")
    for one in members:
        if one.filename != MANIFEST and not is_member(one.filename):
            raise InputError(f"a study has no file {one.filename!r}.")
        if one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 1:
            raise InputError(f"{one.filename} is compressed or encrypted, and DR Lens writes neither.")
        if one.create_system == 3 and one.external_attr >> 16 != 0o100644:
            raise InputError(f"{one.filename} is a link, or no regular file.")
    sizes = {one.filename: one.file_size for one in members}
    wrong = [one.name for one in files if sizes[one.name] != one.size]
    if wrong:
        raise InputError(f"{wrong[0]} has another size than its {MANIFEST} says.")
    total = sum(sizes.values())
    if total > size or total > MAX_BYTES:
        raise InputError(f"its members take {total} bytes, more than the archive has or than {MAX_BYTES >> 30} GB.")


def _bring(members: zipfile.ZipFile, files: Sequence[PackedFile], out: Path) -> None:
    """Write all files beside the folder that they get, check them, and give the folder its name."""
    home = next(folder for folder in out.absolute().parents if folder.is_dir())
    temporary = home / f".{out.name}.{platform.node()}.{os.getpid()}.tmp"
    try:
        temporary.mkdir()
        for one in files:
            _write(members, one, temporary / one.name)
        check_contents(temporary, [one.name for one in files])
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.rename(out)  # fails where somebody has put files there meanwhile
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(members: zipfile.ZipFile, one: PackedFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with members.open(one.name) as source, path.open("xb") as target:
            while chunk := source.read(CHUNK):
                target.write(chunk)
                digest.update(chunk)
    except (zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{one.name} is damaged; get the archive again.") from error
    if digest.hexdigest() != one.sha256:
        raise InputError(f"{one.name} is not what its {MANIFEST} says: its SHA-256 is {digest.hexdigest()}.")
