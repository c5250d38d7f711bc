"""The result tables of a study: which there are, and of which columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from dr_core.registry import Registry
from dr_core.study.schemas import RUN_COLUMNS, SCHEMAS


@dataclass(frozen=True, kw_only=True)
class Table:
    """A result table.

    Attributes:
        name: Name of its file in `results/`.
        columns: Name of a column -> what it holds.
        across_runs: Whether it compares training runs of other seeds or fractions, so that no page reads it run by run.
    """

    name: str
    columns: Mapping[str, str]
    across_runs: bool = False

    @property
    def of_runs(self) -> bool:
        """Whether its rows say which training run they are of."""
        return RUN_COLUMNS.keys() <= self.columns.keys()


TABLES: Registry[Table] = Registry(
    "table", (Table(name=name, columns=columns, across_runs=name == "fractions") for name, columns in SCHEMAS.items())
)
"""All result tables. An experiment that is registered adds its own."""


class _Columns(Mapping[str, Mapping[str, str]]):
    """The columns of every table that is registered now."""

    def __getitem__(self, name: str) -> Mapping[str, str]:
        return TABLES[name].columns

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
    """Say of rows without seed and fraction which training run they are of, as tables of schema 1 do not.

    Args:
        rows: Rows of the table.
        table: Key of `TABLES`.
        seed: Seed of the study, whose checkpoints schema 1 measured.

    Returns:
        The rows with the columns in the schema's order.
    """
    known = TABLES[table]
    if known.of_runs:
        lacking = {"seed": seed, "fraction": rows.get("percent", 100)}
        if "initialization" in rows:
            pair = rows["initialization"].astype(str)
            lacking |= {"setup": pair + "_cl", "other": pair + "_fs"}
        rows = rows.assign(**{name: lacking[name] for name in lacking.keys() - set(rows)})
    return rows[[name for name in known.columns if name in rows]]
