"""The study folder: the one contract between the command line and the app."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dr_core.errors import InputError, Remedy
from dr_core.files import read_regular, replacing, write_json
from dr_core.models.header import HEADER_DEFECTS, CheckpointInfo, software_versions
from dr_core.models.setups import Setup, declare_setups, parse_setup
from dr_core.parquet import DEFECTS, read_parquet
from dr_core.study.head_checks import check_head, explain_missing_head
from dr_core.study.tables import (
    RESULT_COLUMNS,
    TABLES,
    fill_run_columns,
    keep_declared,
    keep_supported,
    read_provenance,
    shape_rows,
    write_rows,
)

if TYPE_CHECKING:
    from dr_core.models.checkpoint import LoadedModel

CONFIGURATION = "configuration"
"""Key of a study's settings under which the TOML file of a whole study stands."""

SCHEMA = 2
"""Version of the folder's layout; a reader refuses a newer one. Schema 1 had set-ups of the paper's preset, by name."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set on which a study was trained or measured.

    Attributes:
        key: Short name used in the tables.
        title: Name for people.
        role: `"pretraining"`, `"training"`, `"validation"`, `"test"` or `"calibration"`.
        images: Number of images.
        real: Whether the images are photographs; phantoms and textures are not.
        description: One or two sentences: where they come from, how they were chosen, what to keep in mind.
        fingerprint: Digest of images and labels, empty where none was taken.
        label: A few words for a table's margin; the title where it is empty.
    """

    key: str
    title: str
    role: str
    images: int
    real: bool
    description: str
    fingerprint: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """The head of a study, `study.json`.

    Attributes:
        title: Name for people.
        summary: What the study is, one or two sentences.
        protocol: `"paper"` or `"fine"`: how images and masks are brought to model size.
        seed: Seed of everything.
        setups: The set-ups that it compares, in the order of every page and table.
        data: The data sets.
        settings: Further settings, plain values.
        versions: Versions of the software that wrote it.
        created: When, ISO 8601, UTC.
        made_by: What began it: `"study"` (a whole study from its configuration), `"finetune"` (single trainings),
            another word for others; empty where an earlier version, or a lab's own script, wrote it.
        checkpoints: Set-up -> SHA-256 of the checkpoint that a training run of this study made.
        schema: Version of the layout.
    """

    title: str
    summary: str
    protocol: str
    seed: int
    setups: tuple[Setup, ...]
    data: tuple[DataSet, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=software_versions)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    made_by: str = ""
    checkpoints: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def rests_on_drawings(self) -> bool:
        """Whether any of the images that the models were trained on were drawn."""
        return any(not data.real for data in self.data if data.role in ("pretraining", "training"))


@dataclass(frozen=True)
class Study:
    """An open study.

    Attributes:
        path: Its folder.
        info: What `study.json` says.
    """

    path: Path
    info: StudyInfo

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def setups(self) -> dict[str, Setup]:
        """Name -> set-up, in the order of every page and table."""
        return {setup.name: setup for setup in self.info.setups}

    def data(self, key: str) -> DataSet:
        """The data set of this key."""
        return next(data for data in self.info.data if data.key == key)

    def checkpoint_path(self, setup: str) -> Path:
        """Where the checkpoint of a set-up lies."""
        return self._inside("checkpoints", f"{setup}.safetensors")

    def has_checkpoint(self, setup: str) -> bool:
        """Whether the set-up has been trained."""
        return self.checkpoint_path(setup).is_file()

    def read_checkpoint_info(self, setup: str) -> CheckpointInfo:
        """Header of a set-up's checkpoint whose weights fit it; raises as `load_model` does."""
        from dr_core.models.checkpoint import read_info  # needs PyTorch, for which Home's first text does not wait

        return read_info(self.checkpoint_path(setup))

    def load_model(self, setup: str) -> "LoadedModel":
        """Model of a set-up; raises as `dr_core.models.checkpoint.load_model` does."""
        from dr_core.models.checkpoint import load_model

        return load_model(self.checkpoint_path(setup), setup=setup)

    def load_valid_models(self, device: str = "cpu") -> tuple[dict[str, "LoadedModel"], dict[str, str]]:
        """Models of the set-ups that have been trained, each for itself.

        Args:
            device: Where they are put.

        Returns:
            Set-up -> model, and set-up -> why there is no answer of it; a checkpoint that is broken, or of another
            set-up, is in the second, and the others answer.
        """
        models: dict[str, LoadedModel] = {}
        refused: dict[str, str] = {}
        for setup in self.setups:
            try:
                if self.has_checkpoint(setup):
                    models[setup] = self.load_model(setup)
                    models[setup].model.to(device)
            except InputError as error:
                refused[setup] = str(error)
        return models, refused

    def load_models(self, device: str = "cpu") -> dict[str, "LoadedModel"]:
        """Models of the set-ups that have been trained, by name, on `device`; raises as `load_model`."""
        models = {setup: self.load_model(setup) for setup in self.setups if self.has_checkpoint(setup)}
        for model in models.values():
            model.model.to(device)
        return models

    def has_results(self, table: str) -> bool:
        """Whether the table has been computed."""
        return self._table_path(table).is_file()

    def read_results(self, table: str) -> pd.DataFrame:
        """Read a result table.

        Args:
            table: A key of `RESULT_COLUMNS`.

        Returns:
            The table, with the columns that `RESULT_COLUMNS` describes. One of schema 1 is of the study's own seed and
            all labels, and its rows say so.

        Raises:
            InputError: If the table is missing, damaged or lacks a column.
        """
        return self.read_columns(table, list(RESULT_COLUMNS[table]))

    def read_columns(self, table: str, columns: Sequence[str]) -> pd.DataFrame:
        """Read some columns of a result table; raises as `read_results`."""
        path = self._table_path(table)
        if not path.is_file():
            raise InputError(f"The study {self.name} has no table of {table} yet.")
        derived = {"percent", "initialization"} & set(RESULT_COLUMNS[table])  # schema 1 says by these what a row is of
        frame = self._read_file(table, [*columns, *derived.difference(columns)])
        frame = fill_run_columns(frame, table, self.info.seed)
        missing = [column for column in columns if column not in frame]
        if missing:
            raise InputError(f"The table {path.name} of the study {self.name} lacks the column {missing[0]!r}.")
        frame = frame[list(columns)]
        if not {"data", "reading"} <= set(columns) or not self.has_results("predictions"):
            return frame
        return keep_supported(frame, self._read_file("predictions", ["data", "grade"]))

    def _read_file(self, table: str, columns: Sequence[str]) -> pd.DataFrame:
        path = self._table_path(table)
        try:
            return read_parquet(path, columns)
        except DEFECTS as error:
            raise InputError(
                f"The table {path.name} of the study {self.name} is damaged ({error}); compute it again."
            ) from error

    def read_declared_results(self, table: str) -> pd.DataFrame:
        """Rows of the set-ups that the study declares, of all their training runs; raises as `read_results` does."""
        return keep_declared(self.read_results(table), self.setups)

    def read_checkpoint_results(self, table: str) -> pd.DataFrame:
        """Rows of the models in `checkpoints/`: of the declared set-ups, the study's own seed, trained on all labels.

        A table that compares training runs is given with all of them. Raises as `read_results` does.
        """
        rows, known = self.read_declared_results(table), TABLES[table]
        return self.select_checkpoint_rows(rows) if known.of_runs and not known.across_runs else rows

    def select_checkpoint_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those rows with the columns `seed` and `fraction` that the models in `checkpoints/` have."""
        return rows[(rows["seed"] == self.info.seed) & (rows["fraction"] == 100)].reset_index(drop=True)

    def write_results(self, table: str, frame: pd.DataFrame, computed: Mapping[str, str] | None = None) -> None:
        """Write a result table, whole or not at all, with exactly the columns that its schema names.

        Rows that do not say which training run they are of are taken as those of the study's own seed and all labels.

        Args:
            table: A key of `RESULT_COLUMNS`.
            frame: The rows.
            computed: What computed them, as `describe_environment` gives it; kept in the file's metadata.
        """
        path = self._table_path(table)
        path.parent.mkdir(exist_ok=True)
        frame = fill_run_columns(frame, table, self.info.seed)
        with replacing(path) as temporary:
            write_rows(temporary, shape_rows(frame, table), computed or {})

    def read_provenance(self, table: str) -> dict[str, str]:
        """What computed a table, as far as its file says so."""
        return read_provenance(self._table_path(table))

    def _table_path(self, table: str) -> Path:
        return self._inside("results", f"{table}.parquet")

    def _inside(self, *names: str) -> Path:
        """A file of the study; a link or a name that leads out of its folder is refused."""
        path = self.path.joinpath(*names)
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise InputError(f"{path} leads out of the study's folder; put the file itself there.")
        return path


_MAX_HEAD_BYTES = 2**20
"""Bytes of `study.json` that are read at most."""


def write_study_info(path: Path, info: StudyInfo) -> Study:
    """Write the head of a study, last of all, and give the open study."""
    path.mkdir(parents=True, exist_ok=True)
    lists = {name: [vars(one) for one in getattr(info, name)] for name in ("setups", "data")}
    write_json(path / "study.json", vars(info) | lists)
    return Study(path, info)


def add_data(path: Path, *data: DataSet, replacing: bool = False) -> None:
    """Describe data sets in the head of a study.

    Args:
        path: The study's folder.
        data: The data sets; of one that is known by its key only what is missing is filled in.
        replacing: Whether number and digest of the images are these from now on.
    """
    study = open_study(path)
    known = {one.key: one for one in study.info.data}
    for one in data:
        old = known.setdefault(one.key, one)
        if replacing or not old.fingerprint:
            known[one.key] = replace(old, images=one.images, fingerprint=one.fingerprint)
    if tuple(known.values()) != study.info.data:
        write_study_info(path, replace(study.info, data=tuple(known.values())))


def open_study(path: str | Path) -> Study:
    """Open a study folder.

    Args:
        path: The folder.

    Returns:
        The study; its checkpoints and tables are read when they are asked for.

    Raises:
        InputError: If the folder is missing, empty, half written, of a newer schema, or not a study.
    """
    path = Path(path)
    head = path / "study.json"
    if not path.is_dir():
        raise InputError(f"There is no study folder {path}.", Remedy("make study", {"out": str(path)}))
    if not head.is_file():
        raise InputError(*explain_missing_head(path))
    if not head.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{head} leads out of the study's folder; put the file itself there.")
    content = read_regular(head, _MAX_HEAD_BYTES)
    try:
        return Study(path, _parse_info(path, json.loads(content)))
    except (OSError, *HEADER_DEFECTS) as error:
        raise InputError(f"{head} is damaged ({error}); write the study again.") from error


def _parse_info(path: Path, values: dict[str, Any]) -> StudyInfo:
    schema = int(values["schema"])
    if schema > SCHEMA:
        raise InputError(
            f"The study {path.name} was written by a newer DR Lens (schema {schema}, this one reads {SCHEMA}); "
            "update DR Lens to open it."
        )
    values["data"] = tuple(DataSet(**data) for data in values["data"])
    values["setups"] = declare_setups(parse_setup(one) for one in values["setups"]) if values["setups"] else ()
    values["schema"] = SCHEMA
    info = StudyInfo(**values)
    check_head(info)
    return info


def list_studies(folder: str | Path) -> list[Path]:
    """Folders inside `folder` that hold a `study.json`, by name.

    Raises:
        InputError: If `folder` is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder of studies {folder}.")
    return sorted(path.parent for path in folder.glob("*/study.json"))
