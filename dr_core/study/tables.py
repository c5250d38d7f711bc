"""The result tables of a study: which there are, and of which columns."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from dr_core.data.grades import READINGS, supported_readings
from dr_core.registry import Registry
from dr_core.study.schemas import (
    CHECKPOINT,
    DATA_DIGEST,
    DIGEST_COLUMNS,
    NOT_YET_KNOWN,
    OTHER_CHECKPOINT,
    RUN_COLUMNS,
    SCHEMAS,
    SINGLE_PRECISION,
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A result table.

    Attributes:
        name: Name of its file in `results/`.
        columns: Name of a column -> what it holds; the digests are added to these.
        across_runs: Whether it compares training runs of other seeds or fractions, so that no page reads it run by run.
    """

    name: str
    columns: Mapping[str, str]
    across_runs: bool = False

    @property
    def of_runs(self) -> bool:
        """Whether its rows say which training run they are of."""
        return RUN_COLUMNS.keys() <= self.columns.keys()

    @property
    def digests(self) -> dict[str, str]:
        """The columns that say by content what a row follows from, with what they hold."""
        has = {CHECKPOINT: self.of_runs, OTHER_CHECKPOINT: self.of_runs and "other" in self.columns, DATA_DIGEST: True}
        return {name: text for name, text in DIGEST_COLUMNS.items() if has[name]}


TABLES: Registry[Table] = Registry(
    "table", (Table(name=name, columns=columns, across_runs=name == "fractions") for name, columns in SCHEMAS.items())
)
"""All result tables. An experiment that is registered adds its own."""


class _Columns(Mapping[str, Mapping[str, str]]):
    """The columns of every table that is registered now."""

    def __getitem__(self, name: str) -> Mapping[str, str]:
        table = TABLES[name]
        return {**table.columns, **table.digests}

    def __iter__(self) -> Iterator[str]:
        return iter(TABLES)

    def __len__(self) -> int:
        return len(TABLES)


RESULT_COLUMNS: Mapping[str, Mapping[str, str]] = _Columns()
"""Table -> name of a column -> what it holds."""


def select_columns(*names: str) -> dict[str, Mapping[str, str]]:
    """The columns of some tables, by table."""
    return {name: RESULT_COLUMNS[name] for name in names}


def fill_run_columns(rows: pd.DataFrame, table: str, seed: int) -> pd.DataFrame:
    """Give rows of older tables what they lack: seed, fraction, digests, and the columns that were added since.

    Args:
        rows: Rows of the table.
        table: Key of `TABLES`.
        seed: Seed of the study, whose checkpoints schema 1 measured.

    Returns:
        The rows with the columns in the schema's order; a digest that was not recorded is empty.
    """
    known = TABLES[table]
    rows = rows.assign(**{name: value for name, value in NOT_YET_KNOWN.get(table, {}).items() if name not in rows})
    if known.of_runs:
        lacking = {"seed": seed, "fraction": rows.get("percent", 100)}
        if "initialization" in rows:
            pair = rows["initialization"].astype(str)
            lacking |= {"setup": pair + "_cl", "other": pair + "_fs"}
        rows = rows.assign(**{name: lacking[name] for name in lacking.keys() - set(rows)})
    rows = rows.assign(**{name: rows[name].astype(object).fillna("") if name in rows else "" for name in known.digests})
    return rows[[name for name in RESULT_COLUMNS[table] if name in rows]]


def keep_supported(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The rows whose reading the labels of their eyes support.

    Before, a table gave every reading of eyes of which only the presence of DR is known, measured against that: figures
    under the name of a label that no eye has.

    Args:
        rows: Rows of a table with the columns `data` and `reading`.
        known: Rows of the study's predictions, `data` and `grade`.
    """
    ungraded = known.loc[known["grade"] < 0, "data"].unique()
    supported = {"", *(reading.name for reading in supported_readings(graded=False))}
    measured = rows["reading"].isin(supported) | ~rows["reading"].isin(list(READINGS)) | ~rows["data"].isin(ungraded)
    return rows[measured].reset_index(drop=True)


def keep_declared(rows: pd.DataFrame, setups: Collection[str]) -> pd.DataFrame:
    """The rows of set-ups that the study declares: a table may hold one that was taken out of its head since.

    Args:
        rows: Rows of a table.
        setups: Names of the study's set-ups.
    """
    for column in {"setup", "other"} & set(rows):
        rows = rows[rows[column].isin(setups) | (rows[column] == "")]
    return rows.reset_index(drop=True)


def shape_rows(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """The columns of a table as they are stored: exactly those of its schema, those of `SINGLE_PRECISION` as float32.

    Args:
        rows: Rows with at least these columns.
        table: Key of `RESULT_COLUMNS`.
    """
    return rows[list(RESULT_COLUMNS[table])].astype(dict.fromkeys(SINGLE_PRECISION.get(table, ()), "float32"))


_COMPUTED = b"dr_lens_computed"
"""Key of a file's metadata under which stands what computed the table."""

_MAX_METADATA = 20_000


def write_rows(path: Path, rows: pd.DataFrame, computed: Mapping[str, str]) -> None:
    """Write a table with what computed it in the file's metadata.

    A column that holds texts of one data set and numbers of another, as names of patients do, is written as text.
    """
    mixed = [name for name in rows if rows[name].dtype == object and rows[name].map(type).nunique() > 1]
    rows = rows.assign(**{str(name): rows[name].map(str, na_action="ignore") for name in mixed})
    table = pa.Table.from_pandas(rows, preserve_index=False)
    about = {_COMPUTED: json.dumps(dict(computed), sort_keys=True).encode()} if computed else {}
    numbers = [name for name in table.column_names if _has_distinct_numbers(table[name])]
    shared = [name for name in table.column_names if name not in numbers]
    table = table.replace_schema_metadata((table.schema.metadata or {}) | about)
    pa.parquet.write_table(table, path, use_dictionary=shared, use_byte_stream_split=numbers)


def _has_distinct_numbers(column: pa.ChunkedArray) -> bool:
    """Whether most of its values differ: then a quarter is saved where equal bytes of the numbers stand together."""
    return pa.types.is_floating(column.type) and 2 * len(column.unique()) > len(column)


def read_provenance(path: Path) -> dict[str, str]:
    """What computed a table, perhaps a stranger's; nothing where its file does not say so."""
    try:
        text = (pa.parquet.read_schema(path).metadata or {}).get(_COMPUTED, b"{}")
        values = json.loads(text) if len(text) <= _MAX_METADATA else {}
    except (OSError, ValueError, RecursionError, pa.lib.ArrowException):
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}
