"""What the rows of result tables follow from, by content: written into every table, and kept from being mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dr_core.errors import InputError
from dr_core.study.folder import Study
from dr_core.study.provenance import describe_environment
from dr_core.study.runs import RunKey, TrainingRun, list_training_runs
from dr_core.study.schemas import CHECKPOINT, DATA_DIGEST, OTHER_CHECKPOINT, RUN_COLUMNS
from dr_core.study.staleness import of_other_weights, present_checkpoints
from dr_core.study.tables import TABLES


@dataclass(frozen=True)
class Origin:
    """What an experiment measures.

    Attributes:
        data: Key of a data set -> digest of its eyes.
        runs: The study's training runs, with the digest of each one's checkpoint at the start.
        computed: What computes, as `describe_environment` gives it.
    """

    data: Mapping[str, str]
    runs: Sequence[tuple[TrainingRun, str]]
    computed: Mapping[str, str]

    @property
    def eyes(self) -> str:
        """Digest for tables that name no data set."""
        return " ".join(self.data.values())

    def digest_checkpoints(self) -> dict[RunKey, str]:
        """Digest of the weights of every training run.

        Raises:
            InputError: If a run was trained anew since the measuring began.
        """
        for run, digest in self.runs:
            if not run.path.is_file() or run.digest != digest:
                raise InputError(
                    f"{run.name} was trained anew while it was measured; measure it again. No table was written."
                )
        return {run.key: digest for run, digest in self.runs}


def trace_origin(study: Study, data: Mapping[str, str], device: str = "cpu") -> Origin:
    """What is going to be measured.

    Args:
        study: The study.
        data: Key of each data set -> digest of its eyes.
        device: Where the models run.
    """
    runs = [(run, run.digest) for run in list_training_runs(study)]
    return Origin(data, runs, describe_environment(device))


def record_origin(
    tables: Mapping[str, pd.DataFrame], measured: Sequence[str], origin: Origin
) -> dict[str, pd.DataFrame]:
    """Write the digests into every row that has none yet.

    Rows of `measured` tables without digests are new; rows of other data sets bring theirs along. Every other table is
    computed from those, so that its rows have the digests of the rows with the same eyes and training run there.

    Args:
        tables: The result tables of a step, by name.
        measured: Names of the tables whose rows were measured.
        origin: What was measured.

    Returns:
        The tables with the columns that `Table.digests` names.

    Raises:
        InputError: As `Origin.digest_checkpoints`.
    """
    new, known = origin.digest_checkpoints(), _Known()
    order = sorted(tables, key=lambda name: name not in measured)
    done = {name: _fill(tables[name], name, origin, new, known) for name in order}
    return {name: done[name] for name in tables}


class _Known:
    """Digests of the rows that have them: of weights by data set and training run, of eyes by data set."""

    def __init__(self) -> None:
        self.weights: dict[tuple[str, RunKey], str] = {}
        self.eyes: dict[str, str] = {}


def _fill(rows: pd.DataFrame, table: str, origin: Origin, new: Mapping[RunKey, str], known: _Known) -> pd.DataFrame:
    keys = rows["data"].astype(str).tolist() if "data" in rows else [""] * len(rows)
    before = _column(rows, DATA_DIGEST)
    eyes = [
        digest if digest is not None else _eyes(key, origin, known) for key, digest in zip(keys, before, strict=True)
    ]
    known.eyes |= {key: digest for key, digest in zip(keys, before, strict=True) if digest is not None}
    filled = {DATA_DIGEST: eyes}
    if TABLES[table].of_runs and set(RUN_COLUMNS) <= set(rows):
        for column, setup in ((CHECKPOINT, "setup"), (OTHER_CHECKPOINT, "other")):
            if column in TABLES[table].digests:
                filled[column] = _weights(rows, column, setup, keys, origin, new, known)
    return rows.assign(**filled)


def _column(rows: pd.DataFrame, name: str) -> list[str | None]:
    """Digests of a column as far as there are any."""
    if name not in rows:
        return [None] * len(rows)
    return [digest if isinstance(digest, str) else None for digest in rows[name]]


def _eyes(key: str, origin: Origin, known: _Known) -> str:
    return known.eyes.get(key, origin.data.get(key, "") if key else origin.eyes)


def _weights(
    rows: pd.DataFrame,
    column: str,
    setup: str,
    keys: Sequence[str],
    origin: Origin,
    new: Mapping[RunKey, str],
    known: _Known,
) -> list[str]:
    runs = zip(rows[setup].astype(str), rows["seed"].astype(int), rows["fraction"].astype(int), strict=True)
    filled = []
    for key, run, before in zip(keys, runs, _column(rows, column), strict=True):
        measured = not key or key in origin.data
        digest = before if before is not None else known.weights.get((key, run), new.get(run, "") if measured else "")
        known.weights.setdefault((key, run), digest)
        filled.append(digest)
    return filled


def join_rows(study: Study, table: str, key: str, rows: pd.DataFrame) -> pd.DataFrame:
    """New rows of one data set behind those of other data sets that the study has already.

    Rows of weights that a training run no longer has are left out: one table is never of two trainings of one run.
    """
    if not study.has_results(table):
        return rows
    old = read_present(study, table)
    return pd.concat([old[old["data"] != key], rows], ignore_index=True)


def read_present(study: Study, table: str) -> pd.DataFrame:
    """The rows of a table without those of weights that a training run no longer has."""
    rows = study.read_results(table)
    return rows[~of_other_weights(rows, present_checkpoints(study))]


def keep_replaced(study: Study, table: str, origin: Origin) -> int:
    """Save rows of other data sets whose weights are gone, before a table is written without them.

    Args:
        study: The study.
        table: The table that is going to be written.
        origin: What was measured.

    Returns:
        Number of rows, which are in `replaced/results` now.
    """
    if not study.has_results(table) or "data" not in TABLES[table].columns or not TABLES[table].of_runs:
        return 0
    old = study.read_results(table)
    lost = old[of_other_weights(old, present_checkpoints(study)) & ~old["data"].isin(list(origin.data))]
    if len(lost):
        folder = study.path / "replaced" / "results"
        folder.mkdir(parents=True, exist_ok=True)
        lost.to_parquet(_next_name(folder, table), index=False)
    return len(lost)


def _next_name(folder: Path, table: str) -> Path:
    return folder / f"{table}-{sum(1 for _ in folder.glob(f'{table}-*.parquet')) + 1}.parquet"
