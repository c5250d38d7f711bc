"""Parquet tables that a stranger may have written: read within a budget of memory, whatever their few bytes ask for.

A Parquet file packs in three ways: a codec, runs of repeated values, and texts that many rows share. Each is bounded
before or while the file is read, so that reading takes at most about `MAX_MEMORY`.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from dr_core.files import open_regular

MAX_MEMORY = 2**30
"""Bytes that the columns of a table take in memory at most, each row with its own text."""

_MAX_ROWS, _MAX_TEXT, _MAX_BYTES = 20_000_000, 10_000, 128 * 2**20
"""Rows of a table, characters of a value and bytes of a file that are read at most."""

_CODECS = ("UNCOMPRESSED", "SNAPPY")
"""Codecs of little ratio: Snappy packs 21 times at most, where Zstandard packs zeros 30,000 times, page after page, and
what a page will take is said by the page alone. Pandas writes Snappy."""

_POINTER = 8

DEFECTS = (OSError, ValueError, pa.lib.ArrowException)
"""What `read_parquet` raises."""


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read the columns of a table that are known; texts stay shared until their lengths are known.

    Args:
        path: The file.
        columns: Names that are read where the file has them; it may have others. None reads all.

    Returns:
        The table; columns hold texts, numbers or nothing.

    Raises:
        OSError, ValueError, pyarrow.lib.ArrowException: The file is damaged or no regular one, is packed by another
            codec than Snappy, or has more rows, longer texts or other values than any table of ours.
    """
    with open_regular(path) as opened, pa.parquet.ParquetFile(opened, pre_buffer=False) as file:
        types = {field.name: field.type for field in file.schema_arrow if columns is None or field.name in columns}
        _check_claims(path, file.metadata, types)
        texts = [name for name, kind in types.items() if _is_text(kind)]
    with open_regular(path) as opened:
        table = pa.parquet.read_table(opened, columns=list(types), read_dictionary=texts, pre_buffer=False)
    if sum(_expanded_bytes(table[name]) for name in texts) + _POINTER * table.num_rows * len(types) > MAX_MEMORY:
        raise ValueError("rows times texts take too much memory")
    for name in texts:
        column = table[name]
        if any(_longest(chunk.dictionary) > _MAX_TEXT for chunk in column.chunks):
            raise ValueError("too long a text")
        table = table.set_column(table.column_names.index(name), name, column.cast(column.type.value_type))
    result: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return result


def _check_claims(path: Path, about: pa.parquet.FileMetaData, types: dict[str, pa.DataType]) -> None:
    """Refuse by what the end of the file says, before a value is read."""
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    rows = max(about.num_rows, sum(group.num_rows for group in groups))
    if path.stat().st_size > _MAX_BYTES or rows > _MAX_ROWS or _POINTER * rows * len(types) > MAX_MEMORY:
        raise ValueError("too large")
    if strange := [name for name, kind in types.items() if not (_is_text(kind) or _is_number(kind))]:
        raise ValueError(f"{strange[0]} holds values that are neither texts nor numbers")
    codecs = {group.column(number).compression for group in groups for number in range(group.num_columns)}
    if others := sorted(codecs - set(_CODECS)):
        raise ValueError(f"it is packed by {others[0]}, of which only Snappy is read")


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    result: bool = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return result


def _is_number(kind: pa.DataType) -> bool:
    """Whether it is a column of numbers, or one in which nothing is known."""
    return any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    )


def _expanded_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of a column whose rows no longer share their texts."""
    total = 0
    for chunk in column.chunks:
        lengths = pa.compute.fill_null(pa.compute.binary_length(chunk.dictionary), 0)
        shared = pa.compute.sum(pa.compute.take(lengths, pa.compute.drop_null(chunk.indices))).as_py()
        total += (shared or 0) + _POINTER * len(chunk)
    return total


def _longest(texts: pa.Array) -> int:
    return pa.compute.max(pa.compute.binary_length(texts)).as_py() or 0
