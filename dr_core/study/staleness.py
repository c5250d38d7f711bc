"""What of a study's results no longer follows from its present training runs and eyes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dr_core.errors import InputError
from dr_core.study.digests import digest_store
from dr_core.study.folder import Study
from dr_core.study.runs import RunKey, list_training_runs
from dr_core.study.schemas import CHECKPOINT, DATA_DIGEST, OTHER_CHECKPOINT, RUN_COLUMNS
from dr_core.study.tables import TABLES

SEGMENTED = "idrid"
"""Key under which eyes with lesion masks are known; tables without a column `data` are of these."""


@dataclass(frozen=True, kw_only=True)
class Stale:
    """Rows that no longer follow from what the study holds now.

    Attributes:
        table: The result table.
        data: Key of the data set; empty where the table has none.
        setup: Set-up of the training run; empty where the table has none.
        seed: Its seed, or -1.
        fraction: Its fraction in percent, or -1.
        rows: Number of rows.
        reason: Why, a clause for people.
    """

    table: str
    data: str = ""
    setup: str = ""
    seed: int = -1
    fraction: int = -1
    rows: int
    reason: str

    def describe(self) -> str:
        """What it is, in a few words: the table, the training run and the eyes."""
        run = f" of {self.setup}, seed {self.seed}, {self.fraction} %" if self.setup else ""
        return f"{self.table.replace('_', ' ')}{run}{f' on {self.data}' if self.data else ''}"


def find_stale(study: Study, tables: Collection[str] | None = None) -> tuple[Stale, ...]:
    """Find all rows that no longer follow from the study's present training runs and eyes.

    A row whose digests were not recorded, as in tables of earlier versions, is never called stale.

    Args:
        study: The study.
        tables: The tables that are looked at; None stands for all.

    Returns:
        One record for each table, data set, training run and reason, in the order of the tables; empty if all is well.

    Raises:
        InputError: If a table is damaged.
    """
    present = present_checkpoints(study)
    changed = _changed_data(study)
    chosen = [table for table in TABLES if (tables is None or table in tables) and study.has_results(table)]
    return tuple(stale for table in chosen for stale in _look(study, table, present, changed))


def present_checkpoints(study: Study) -> dict[RunKey, str]:
    """Digest of the weights of every training run that the study holds now, or whose weights were left out of it."""
    return {run.key: run.digest for run in list_training_runs(study, without_weights=True)}


def of_other_weights(rows: pd.DataFrame, present: Mapping[RunKey, str]) -> pd.Series:
    """Which rows are of weights that a training run had before it was done anew.

    Args:
        rows: Rows with the columns of a training run and the digests.
        present: Training run -> digest of its weights now.

    Returns:
        Bool (N,), false for rows of runs that are not there and for digests that were not recorded.
    """
    wrong = pd.Series(False, index=rows.index)
    for setup, digest in (("setup", CHECKPOINT), ("other", OTHER_CHECKPOINT)):
        if digest in rows:
            now = _now(rows, setup, present)
            wrong |= (rows[digest] != "") & now.notna() & (rows[digest] != now)
    return wrong


def _now(rows: pd.DataFrame, setup: str, present: Mapping[RunKey, str]) -> pd.Series:
    keys = zip(rows[setup].astype(str), rows["seed"], rows["fraction"], strict=True)
    return pd.Series([present.get((name, int(seed), int(fraction))) for name, seed, fraction in keys], rows.index, str)


def _look(study: Study, table: str, present: Mapping[RunKey, str], changed: Mapping[str, "_Change"]) -> Iterator[Stale]:
    names = [*(name for name in ("data", *RUN_COLUMNS, "other") if name in TABLES[table].columns)]
    rows = study.read_columns(table, [*names, *TABLES[table].digests])
    counted = rows.groupby(list(rows), sort=False, dropna=False).size().rename("rows").reset_index()
    reasons = pd.Series("", index=counted.index)
    if TABLES[table].of_runs:
        reasons[of_other_weights(counted, present)] = "its set-up was trained anew since"
        gone = (counted[CHECKPOINT] != "") & _now(counted, "setup", present).isna()
        reasons[gone] = "its training run is no longer there"
    keys = counted["data"].astype(str) if "data" in counted else pd.Series(SEGMENTED, index=counted.index)
    for number, (key, digest) in enumerate(zip(keys, counted[DATA_DIGEST], strict=True)):
        change = changed.get(key)
        if change is not None and not reasons.iloc[number] and digest and digest not in change.digests:
            reasons.iloc[number] = change.reason
    for (_, row), reason in zip(counted.iterrows(), reasons, strict=True):
        if reason:
            yield Stale(
                table=table,
                data=str(row.get("data", "")),
                setup=str(row.get("setup", "")),
                seed=int(row.get("seed", -1)),
                fraction=int(row.get("fraction", -1)),
                rows=int(row["rows"]),
                reason=str(reason),
            )


@dataclass(frozen=True)
class _Change:
    """Digests that rows of a data set may have now, and what is the matter with others."""

    digests: tuple[str, ...]
    reason: str


def _changed_data(study: Study) -> dict[str, _Change]:
    """Key -> what its eyes are now: as their store on this machine says, or else as the head of the study does."""
    found = {
        one.key: _Change((one.fingerprint,), "the study means other eyes by this key now")
        for one in study.info.data
        if one.fingerprint
    }
    if study.has_results("eyes"):
        eyes = study.read_columns("eyes", ["data", "store"]).drop_duplicates("data")
        for key, store in zip(eyes["data"].astype(str), eyes["store"].astype(str), strict=True):
            digest = _digest_or_none(store)
            if digest is not None:
                found[key] = _Change((digest,), f"the prepared eyes in {store} have changed since")
    return found


def _digest_or_none(store: str) -> str | None:
    """Digest of a store that is on this machine and whole."""
    try:
        return digest_store(Path(store)) if store and Path(store).is_dir() else None
    except InputError:
        return None
