"""The result tables of a study: which there are, and how a file of a stranger is read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from dr_core.registry import Registry
from dr_core.study.schemas import (
    CHECKPOINT,
    DATA_DIGEST,
    DIGEST_COLUMNS,
    NOT_YET_KNOWN,
    OTHER_CHECKPOINT,
    RUN_COLUMNS,
    SCHEMAS,
)

_MAX_ROWS, _MAX_TEXT = 20_000_000, 10_000
"""Rows of a table and characters of a value that are read at most."""

_MAX_TABLE_BYTES, _MAX_EXPANDED = 2**30, 2**30
"""Bytes of a table's file, and of what its columns take with each row its own text: 12 KB can ask for gigabytes."""


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
    rows = rows.assign(**{name: rows[name].fillna("") if name in rows else "" for name in known.digests})
    return rows[[name for name in RESULT_COLUMNS[table] if name in rows]]


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read the columns of a table that are known; texts stay shared until their lengths are known.

    Args:
        path: The parquet file, perhaps a stranger's.
        columns: Names that are read where the file has them; it may have others.

    Raises:
        OSError, ValueError, pyarrow.lib.ArrowException: The file is damaged, or has more rows, longer texts or other
            values than any table of a study.
    """
    with pa.parquet.ParquetFile(path) as file:
        types = {field.name: field.type for field in file.schema_arrow if field.name in columns}
        rows = file.metadata.num_rows
    empty = pa.types.is_null  # a column in which nothing is known
    strange = [name for name, kind in types.items() if not (_is_text(kind) or _is_number(kind) or empty(kind))]
    if rows > _MAX_ROWS or strange or path.stat().st_size > _MAX_TABLE_BYTES:
        raise ValueError("too large, or values that are neither texts nor numbers")
    texts = [name for name, kind in types.items() if _is_text(kind)]
    table = pa.parquet.read_table(path, columns=list(types), read_dictionary=texts)
    if sum(_expanded_bytes(table[name]) for name in texts) + 8 * rows * len(types) > _MAX_EXPANDED:
        raise ValueError("rows times texts take too much memory")
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


def _expanded_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of a column whose rows no longer share their texts."""
    total = 0
    for chunk in column.chunks:
        lengths = pyarrow.compute.fill_null(pa.compute.binary_length(chunk.dictionary), 0)
        shared = pa.compute.sum(pa.compute.take(lengths, pa.compute.drop_null(chunk.indices))).as_py()
        total += (shared or 0) + _POINTER * len(chunk)
    return total


_POINTER = 8


def _longest(texts: pa.Array) -> int:
    return pa.compute.max(pa.compute.binary_length(texts)).as_py() or 0


_COMPUTED = b"dr_lens_computed"
"""Key of a file's metadata under which stands what computed the table."""

_MAX_METADATA = 20_000


def write_table(path: Path, rows: pd.DataFrame, computed: Mapping[str, str]) -> None:
    """Write a table with what computed it in the file's metadata."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    about = {_COMPUTED: json.dumps(dict(computed), sort_keys=True).encode()} if computed else {}
    pa.parquet.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | about), path)


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
