"""What of a study an archive holds, and what an archive may hold."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from dr_core.errors import InputError
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.files import open_regular
from dr_core.models.checkpoint import read_info
from dr_core.study.folder import Study, open_study
from dr_core.study.role_members import FOLDER
from dr_core.study.run_history import CONFIG, METRICS
from dr_core.study.runs import BEST, LEFT_OUT, list_training_runs
from dr_core.study.tables import TABLES

MANIFEST, CARD = "manifest.json", "model_card.md"
"""Members of every archive: the list of all others with their digests, and the model card."""

FORMAT, SCHEMA = "dr-lens study", 1
"""What a manifest says that it is of; a reader refuses a newer schema."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}"

_MEMBER = re.compile(
    rf"study\.json|{re.escape(CARD)}|checkpoints/{_NAME}\.safetensors|results/{_NAME}\.(?:parquet|csv|tex)|"
    rf"{FOLDER}/{_NAME}\.parquet|runs/{_NAME}/(?:{re.escape(CONFIG)}|{re.escape(METRICS)}|{re.escape(LEFT_OUT)}|{re.escape(BEST)})"
)


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """A file of a study in an archive.

    Attributes:
        name: Its path inside the study, with `/`.
        size: Bytes.
        sha256: Digest of its content, 64 hexadecimal digits.
    """

    name: str
    size: int
    sha256: str

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "PackedFile":
        """A line of a stranger's manifest; raises ValueError, KeyError or TypeError where it is none."""
        name, size, sha256 = values["name"], values["size"], values["sha256"]
        if not isinstance(size, int) or size < 0 or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError(f"the line of {name!r}")
        return PackedFile(name=str(name), size=size, sha256=sha256)


def is_member(name: str) -> bool:
    """Whether a file of this path may lie in an archive; none that leads out of the study, and none of another kind."""
    return _MEMBER.fullmatch(name) is not None


def list_members(study: Study) -> tuple[str, ...]:
    """Paths of a study's files that an archive holds, inside the study, in the order of the archive.

    Raises:
        InputError: If one is a link that leads out of the study, or no regular file, or bears a name that an archive
            cannot hold.
    """
    return tuple(path.relative_to(study.path).as_posix() for path in _find_files(study))


def _find_files(study: Study) -> Iterator[Path]:
    root = study.path
    weights = {run.path for run in list_training_runs(study, without_weights=True)}
    tables = {root / "results" / f"{name}.parquet" for name in list_tables(study)}
    patterns = ("results/*.csv", "results/*.tex", f"{FOLDER}/*-*.parquet", f"runs/*/{CONFIG}", f"runs/*/{METRICS}")
    others = {path for pattern in patterns for path in root.glob(pattern) if not path.name.startswith(".")}
    for path in (root / "study.json", *sorted(weights | tables | others)):
        name = path.relative_to(root).as_posix()
        if not path.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{path} leads out of the study's folder; put the file itself there.")
        if not is_member(name):
            raise InputError(
                f"{path} has a name that not every system can hold; use letters, digits, '.', '-' and '_'."
            )
        yield path


def list_tables(study: Study) -> tuple[str, ...]:
    """Names of the result tables that a study has, those of every experiment among them."""
    known = dict.fromkeys([*TABLES, *(name for one in EXPERIMENTS.values() for name in one.tables)])
    return tuple(name for name in known if study.has_results(name))


def check_contents(folder: Path, names: Iterable[str]) -> None:
    """Make sure that the files of a study are what their names say; weights and rows are not read.

    Args:
        folder: The study's folder.
        names: Paths of its files inside it.

    Raises:
        InputError: If its head, a checkpoint or a table is damaged, or is something else.
    """
    open_study(folder)
    for path in (folder / name for name in names):
        if path.suffix == ".safetensors":
            read_info(path)
        elif path.suffix == ".parquet":
            _check_table(path)


def _check_table(path: Path) -> None:
    try:
        with open_regular(path) as file:
            pa.parquet.read_schema(file)
    except (OSError, ValueError, pa.lib.ArrowException) as error:
        raise InputError(f"{path.name} is no table, or is damaged ({type(error).__name__}).") from error
