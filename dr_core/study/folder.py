"""The study folder: the one contract between the command line and the app."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from dr_core.errors import InputError
from dr_core.files import replacing, write_json
from dr_core.models.checkpoint import (
    HEADER_DEFECTS,
    CheckpointInfo,
    LoadedModel,
    check_types,
    load_model,
    read_info,
    software_versions,
)
from dr_core.models.setups import SETUPS

CONFIGURATION = "configuration"
"""Key of a study's settings under which the TOML file of a whole study stands."""

SCHEMA = 1
"""Version of the folder's layout; a reader refuses a newer one."""

RESULT_COLUMNS: dict[str, dict[str, str]] = {
    "predictions": {
        "data": "key of the data set, as in study.json",
        "eye": "name of the eye",
        "patient": "name of the patient; the eyes of one patient are resampled together",
        "setup": "set-up that answers",
        "grade": "true grade 0..4; -1 where only the presence of DR is known",
        "has_dr": "whether the eye has DR",
        "p0": "softmax of grade 0",
        "p1": "softmax of grade 1",
        "p2": "softmax of grade 2",
        "p3": "softmax of grade 3",
        "p4": "softmax of grade 4",
    },
    "eyes": {
        "data": "key of the data set, as in study.json",
        "eye": "name of the eye, as in predictions",
        "side": "right, left, or empty where it is not known",
        "sharpness": "0..1, high where edges are fine; NaN where it was not measured",
        "luminance": "median luminance, 0..255; NaN where it was not measured",
        "warnings": "what is wrong with the photograph, in words; empty for a good one, none where not measured",
        "store": "folder of the prepared eyes on the machine that measured them; empty where they can be drawn again",
        "row": "row of the eye in the store",
    },
    "performance": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up that answers",
        "measure": "what is measured, such as auc",
        "reading": "which eyes count as positive",
        "value": "the value on all eyes",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
        "positives": "number of positive eyes; -1 where a measure has none",
    },
    "comparisons": {
        "data": "key of the data set, as in study.json",
        "setup": "first set-up",
        "other": "second set-up",
        "reading": "which eyes count as positive",
        "difference": "AUC of the first minus that of the second",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "p": "DeLong's two-sided p-value of no difference, eyes taken as independent",
    },
    "spectrum": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose activations these are",
        "layer": "name of the convolution",
        "place": "place of the layer in the forward pass, from 0",
        "stage": "part of the network: stem, layer1 to layer4",
        "channels": "number of channels",
        "samples": "number of positions that the covariance rests on",
        "rank": "eigenvalues above rounding",
        "condition": "eq. 1: |99.9th percentile| / |90th percentile|, numpy's linear percentile; NaN for rank 0",
    },
    "eigenvalues": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose activations these are",
        "layer": "name of the convolution",
        "rank": "place of the eigenvalue, from 0, falling",
        "eigenvalue": "eigenvalue of the covariance of the channels",
    },
    "image_spectra": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose first convolution this is",
        "eye": "name of the eye",
        "rank": "place of the eigenvalue, from 0, falling",
        "eigenvalue": "eigenvalue of the covariance of the channels over the positions of this one eye",
    },
    "distributions": {
        "data": "key of the data set, as in study.json",
        "setup": "set-up whose first layer this is",
        "distribution": "name of the distribution, as in scipy.stats",
        "rss": "distfit's residual sum of squares on a histogram; lower is better",
        "aic": "Akaike's criterion of the maximum-likelihood fit; lower is better",
        "bic": "Bayes criterion; lower is better",
        "ks": "Kolmogorov-Smirnov distance, 0..1; lower is better",
        "vuong": "Vuong's z of Pareto against this; above 1.96 Pareto is the better",
        "p": "two-sided p-value of Vuong's test",
        "alpha": "shape of the Pareto fit",
        "alpha_low": "lower end of the 95 % bootstrap interval",
        "alpha_high": "upper end",
        "alpha_distfit": "shape that distfit finds with its free location, as in the paper's Table 2",
        "verdict": "what the evidence says, in words",
    },
    "image_distributions": {
        "data": "as in distributions; here of the eigenvalues of single eyes, all together",
        "setup": "as in distributions",
        "distribution": "as in distributions",
        "rss": "as in distributions",
        "aic": "as in distributions, the values taken as independent",
        "bic": "as in distributions, the values taken as independent",
        "ks": "as in distributions",
        "vuong": "as in distributions; the values of one eye count together",
        "p": "two-sided p-value of Vuong's test",
        "alpha": "shape of the Pareto fit",
        "alpha_low": "lower end of the 95 % interval from drawing eyes",
        "alpha_high": "upper end",
        "alpha_distfit": "as in distributions",
        "verdict": "what the evidence says, in words",
    },
    "localization": {
        "eye": "name of the eye",
        "setup": "set-up whose heatmap this is",
        "protocol": "how eye and mask were brought to model size",
        "method": "lrp (alpha1-beta0 from the severe neuron), or random: the Gaussian control",
        "pooling": "how the channels were pooled",
        "lesion": "lesion of the mask; eyes without it have no row",
        "score": "mass accuracy (eq. 2), rank accuracy (CLEVR-XAI) or recall (eq. 3 as its controls imply)",
        "value": "the score, 0..1, higher is better; NaN where there is no positive relevance",
        "share": "share of the image that the mask covers: chance for mass and rank accuracy",
    },
    "localization_summary": {
        "protocol": "as in localization",
        "lesion": "as in localization",
        "setup": "as in localization",
        "method": "as in localization",
        "pooling": "as in localization",
        "score": "as in localization",
        "statistic": "mean or median over the eyes that have the lesion",
        "value": "its value",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
        "chance": "what a random heatmap is expected to score",
    },
    "localization_tests": {
        "protocol": "as in localization",
        "lesion": "as in localization",
        "pooling": "as in localization",
        "score": "as in localization",
        "setup": "first set-up",
        "other": "second set-up",
        "difference": "median over eyes of the first minus the second",
        "p": "two-sided p of Wilcoxon's signed-rank test on the same eyes; not corrected for many tests",
        "n": "number of eyes",
    },
    "knockout": {
        "eye": "name of the eye",
        "setup": "set-up that answers",
        "lesion": "lesion that was knocked out, or total",
        "kind": "removed, kept_only (every other lesion removed) or control (healthy regions of the same sizes)",
        "painted": "share of the picture that was painted over",
        "placed": "share of the control's regions for which healthy retina was found",
        "measure": "severe, referable_3 (grades 3-4) or referable_2 (grades 2-4)",
        "before": "probability before",
        "after": "probability after",
    },
    "knockout_summary": {
        "lesion": "as in knockout",
        "setup": "as in knockout",
        "measure": "as in knockout",
        "kind": "as in knockout; beyond control: removed minus the mean of the eye's controls",
        "value": "mean change of the probability over the eyes that have the lesion, -1..1",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
    },
    "robustness": {
        "data": "key of the data set",
        "eye": "name of the eye",
        "patient": "name of the patient; the eyes of one patient are resampled together",
        "grade": "true grade 0..4",
        "setup": "set-up that answers",
        "corruption": "name of the corruption, or clean",
        "severity": "0 (clean) to 5",
        "p0": "softmax of grade 0",
        "p1": "softmax of grade 1",
        "p2": "softmax of grade 2",
        "p3": "softmax of grade 3",
        "p4": "softmax of grade 4",
    },
    "robustness_summary": {
        "data": "as in robustness",
        "setup": "as in robustness",
        "corruption": "as in robustness; all: the mean over corruptions",
        "severity": "as in robustness; NaN where severities are taken together",
        "measure": "score of the true grade, flip rate, auc, quadratic_kappa, calibration_error, corruption error",
        "reading": "which eyes count as positive",
        "value": "the value on all eyes",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
    },
    "robustness_differences": {
        "data": "as in robustness",
        "initialization": "iwne or ifi: Figure 4's rows",
        "corruption": "as in robustness",
        "severity": "as in robustness",
        "value": "mean score of the true grade, contrastive minus supervised, -1..1",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
    },
    "robustness_heatmaps": {
        "data": "key of the data set",
        "eye": "name of the eye",
        "setup": "set-up whose LRP heatmap from the severe neuron this is, pooled by its positive sum",
        "corruption": "as in robustness",
        "severity": "as in robustness",
        "rank_correlation": "Spearman's, of the heatmap with the clean eye's; NaN where one is constant",
        "mass": "mass accuracy (eq. 2) on microaneurysms, haemorrhages and hard exudates",
    },
    "fractions": {
        "percent": "share of the training patients whose labels were used, in percent",
        "seed": "seed of the training",
        "setup": "set-up that answers",
        "data": "key of the data set on which it was measured",
        "reading": "which eyes count as positive",
        "value": "AUC on all eyes",
        "low": "lower end of the 95 % bootstrap interval by patients",
        "high": "upper end",
        "n": "number of eyes",
        "positives": "number of positive eyes",
    },
}
"""Columns of each table in `results/`, with what they hold."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set on which a study was trained or measured.

    Attributes:
        key: Short name used in the tables.
        title: Name for people.
        role: `"pretraining"`, `"training"`, `"validation"` or `"test"`.
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
        setups: Names of the set-ups that it compares, in their one order.
        data: The data sets.
        settings: Further settings, plain values.
        versions: Versions of the software that wrote it.
        created: When, ISO 8601, UTC.
        schema: Version of the layout.
    """

    title: str
    summary: str
    protocol: str
    seed: int
    setups: tuple[str, ...]
    data: tuple[DataSet, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=software_versions)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
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
        """Header of a set-up's checkpoint; raises as `load_model` does."""
        return read_info(self.checkpoint_path(setup))

    def load_model(self, setup: str) -> LoadedModel:
        """Model of a set-up; raises as `dr_core.models.checkpoint.load_model` does."""
        return load_model(self.checkpoint_path(setup))

    def has_results(self, table: str) -> bool:
        """Whether the table has been computed."""
        return self._table_path(table).is_file()

    def read_results(self, table: str) -> pd.DataFrame:
        """Read a result table.

        Args:
            table: A key of `RESULT_COLUMNS`.

        Returns:
            The table, with the columns that `RESULT_COLUMNS` describes.

        Raises:
            InputError: If the table is missing, damaged or lacks a column.
        """
        path = self._table_path(table)
        if not path.is_file():
            raise InputError(f"The study {self.name} has no table of {table} yet.")
        try:
            frame = _read_table(path, list(RESULT_COLUMNS[table]))
        except (OSError, ValueError, pa.lib.ArrowException) as error:
            raise InputError(f"The table {path.name} of the study {self.name} is damaged; compute it again.") from error
        missing = [column for column in RESULT_COLUMNS[table] if column not in frame]
        if missing:
            raise InputError(f"The table {path.name} of the study {self.name} lacks the column {missing[0]!r}.")
        return frame

    def write_results(self, table: str, frame: pd.DataFrame) -> None:
        """Write a result table, whole or not at all, with exactly the columns that its schema names."""
        path = self._table_path(table)
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            frame[list(RESULT_COLUMNS[table])].to_parquet(temporary, index=False)

    def replace_rows(self, table: str, data: str, rows: pd.DataFrame) -> None:
        """Write the rows of one data set; those of the others stay."""
        if self.has_results(table):
            old = self.read_results(table)
            rows = pd.concat([old[old["data"] != data], rows], ignore_index=True)
        self.write_results(table, rows)

    def _table_path(self, table: str) -> Path:
        return self._inside("results", f"{table}.parquet")

    def _inside(self, *names: str) -> Path:
        """A file of the study; a link or a name that leads out of its folder is refused."""
        path = self.path.joinpath(*names)
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise InputError(f"{path} leads out of the study's folder; put the file itself there.")
        return path


_MAX_ROWS, _MAX_TEXT, _MAX_HEAD_BYTES = 20_000_000, 10_000, 2**20
"""Rows of a table, characters of a value, and bytes of `study.json` that are read at most."""


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read the columns of a table that are known; texts stay shared until their lengths are known.

    Raises:
        ValueError: It has more rows, or longer texts, than any table of a study.
    """
    with pa.parquet.ParquetFile(path) as file:
        types = {field.name: field.type for field in file.schema_arrow if field.name in columns}
        rows = file.metadata.num_rows
    empty = pa.types.is_null  # a column in which nothing is known
    strange = [name for name, kind in types.items() if not (_is_text(kind) or _is_number(kind) or empty(kind))]
    if rows > _MAX_ROWS or strange:
        raise ValueError("too many rows, or values that are neither texts nor numbers")
    texts = [name for name, kind in types.items() if _is_text(kind)]
    table = pa.parquet.read_table(path, columns=list(types), read_dictionary=texts)
    for name in texts:
        column = table[name]
        if any(_longest(chunk.dictionary) > _MAX_TEXT for chunk in column.chunks):
            raise ValueError("too long a text")
        table = table.set_column(table.column_names.index(name), name, column.cast(column.type.value_type))
    return table.to_pandas(ignore_metadata=True)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _longest(texts: pa.Array) -> int:
    return pa.compute.max(pa.compute.binary_length(texts)).as_py() or 0


def write_study_info(path: Path, info: StudyInfo) -> Study:
    """Write the head of a study, last of all, and give the open study."""
    path.mkdir(parents=True, exist_ok=True)
    values = {name: value for name, value in vars(info).items() if name != "data"}
    write_json(path / "study.json", values | {"data": [vars(data) for data in info.data]})
    return Study(path, info)


def add_data(path: Path, *data: DataSet) -> None:
    """Describe data sets in the head of a study; one that is known by its key is left as it is."""
    study = open_study(path)
    known = {one.key for one in study.info.data}
    new = tuple(one for one in data if one.key not in known)
    if new:
        write_study_info(path, replace(study.info, data=(*study.info.data, *new)))


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
        raise InputError(f"There is no study folder {path}; `python train_cli.py demo --out {path}` makes one.")
    if not head.is_file():
        what = "is not finished yet" if (path / "runs").is_dir() else "holds no study"
        raise InputError(f"{path} {what}: study.json is missing; `python train_cli.py demo --out {path}` writes it.")
    if not head.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{head} leads out of the study's folder; put the file itself there.")
    if head.stat().st_size > _MAX_HEAD_BYTES:
        raise InputError(f"{head} must have at most {_MAX_HEAD_BYTES >> 20} MB; write the study again.")
    try:
        return Study(path, _parse_info(path, json.loads(head.read_text(encoding="utf-8"))))
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
    values["setups"] = tuple(name for name in SETUPS if name in values["setups"])
    info = StudyInfo(**values)
    check_types(info, str, ("title", "summary", "protocol", "created"))
    check_types(info, dict, ("settings", "versions"))
    for data in info.data:
        check_types(data, str, ("key", "title", "role", "description", "fingerprint", "label"))
        check_types(data, int, ("images", "real"))
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
