"""A study becomes one archive: the same study, the same bytes."""

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from dr_core.errors import InputError
from dr_core.files import digest_file, open_regular, replacing
from dr_core.publish.sharing.card import write_card
from dr_core.publish.sharing.members import CARD, FORMAT, MANIFEST, SCHEMA, PackedFile, check_contents, list_members
from dr_core.study.folder import Study
from dr_core.study.runs import BEST, LEFT_OUT, list_training_runs
from dr_core.study.tables import write_rows

CHUNK = 2**20
"""Bytes that are held at a time."""


@dataclass(frozen=True, kw_only=True)
class PackReport:
    """What was packed.

    Attributes:
        archive: The archive.
        files: Its members beside the manifest.
    """

    archive: Path
    files: tuple[PackedFile, ...]


EYES = "eyes"
"""The table that names the folders in which the pictures lie."""

Weights = Literal["all", "shown"]
"""Whose weights an archive holds: of every training run, or of those that the app shows."""


def pack_study(study: Study, out: Path, weights: Weights = "all", *, folders: bool = True) -> PackReport:
    """Write a study as one archive: its head, weights, tables, roles, what its trainings were and measured, a card.

    Members are stored as they are, without compression: weights and tables shrink little, and nothing in such an
    archive is larger than it looks. Names, order, times and permissions do not depend on the machine.

    Args:
        study: The study.
        out: The archive, `.zip`; one that was written here before is replaced.
        weights: `"shown"` leaves out the weights of further seeds and fractions and notes their digests.
        folders: Whether the table of eyes keeps the folders in which their pictures lie on this machine.

    Returns:
        What was packed.

    Raises:
        InputError: If a file of the study is damaged or changes meanwhile, or `out` is somebody else's file.
    """
    _check_out(out)
    left_out = {} if weights == "all" else _note_left_out(study)
    instead = left_out if folders else left_out | _forget_folders(study)
    names = [name for name in list_members(study) if name.replace(BEST, LEFT_OUT) not in instead]
    check_contents(study.path, names)
    made = {CARD: write_card(study, len(left_out)).encode()} | instead
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        files = tuple(_add_all(archive, study.path, names, made))
        manifest = {"format": FORMAT, "schema": SCHEMA, "files": [asdict(one) for one in files]}
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        _add(archive, MANIFEST, BytesIO(text.encode()), len(text.encode()))
    return PackReport(archive=out, files=files)


def _note_left_out(study: Study) -> dict[str, bytes]:
    """The member that takes the place of the weights of each training run that the app does not show."""
    runs = [run for run in list_training_runs(study) if run.path.name == BEST]
    notes = {run.path.with_name(LEFT_OUT): {"sha256": digest_file(run.path)} for run in runs}
    return {path.relative_to(study.path).as_posix(): f"{json.dumps(note)}\n".encode() for path, note in notes.items()}


def _forget_folders(study: Study) -> dict[str, bytes]:
    """The table of eyes without folders; none where the study has no such table."""
    if not study.has_results(EYES):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "eyes.parquet"
        write_rows(path, study.read_results(EYES).assign(store=""), study.read_provenance(EYES))
        return {f"results/{EYES}.parquet": path.read_bytes()}


def _add_all(
    archive: zipfile.ZipFile, folder: Path, names: Iterable[str], made: Mapping[str, bytes]
) -> Iterator[PackedFile]:
    for name, content in made.items():
        yield _add(archive, name, BytesIO(content), len(content))
    for name in names:
        with open_regular(folder / name) as source:
            yield _add(archive, name, source, os.fstat(source.fileno()).st_size)


def _add(archive: zipfile.ZipFile, name: str, source: BinaryIO, size: int) -> PackedFile:
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system, member.external_attr, member.file_size = 3, 0o100644 << 16, size
    digest, count = hashlib.sha256(), 0
    with archive.open(member, "w") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            digest.update(chunk)
            count += len(chunk)
    if count != size:
        raise InputError(f"{name} changed while it was packed; wait until nothing writes to the study. {_KEPT}")
    return PackedFile(name=name, size=size, sha256=digest.hexdigest())


_KEPT = "Nothing was written."


def _check_out(out: Path) -> None:
    """Refuse a name that is no archive's, and to replace a file that was not written here."""
    if out.suffix.lower() != ".zip":
        raise InputError(f"The archive must end in .zip, not {out.name!r}.")
    if not out.exists() and not out.is_symlink():
        return
    try:
        with open_regular(out) as file, zipfile.ZipFile(file) as archive:
            own = archive.namelist()[-1:] == [MANIFEST]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        own = False
    if not own:
        raise InputError(f"{out} was not written by DR Lens; move it, or choose another file. {_KEPT}")
