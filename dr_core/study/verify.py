"""The lineage of a study as a tree: what each number came from, and everything stale, missing or foreign."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dr_core.data.store import open_store
from dr_core.errors import InputError
from dr_core.files import digest_file
from dr_core.models.checkpoint import load_model
from dr_core.study.digests import DIGITS, digest_of
from dr_core.study.folder import DataSet, Study
from dr_core.study.roles import certify_roles
from dr_core.study.run_history import CONFIG, is_finished, read_object
from dr_core.study.runs import TrainingRun, list_training_runs
from dr_core.study.schemas import CHECKPOINT, DATA_DIGEST
from dr_core.study.staleness import find_stale
from dr_core.study.tables import TABLES

State = Literal["good", "unknown", "stale", "missing", "foreign", "damaged", "leak"]

SOUND: tuple[State, ...] = ("good", "unknown")
"""States in which nothing is known to be wrong; unknown is what an earlier version did not record."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One thing in a study.

    Attributes:
        kind: What it is: `"data"`, `"run"`, `"checkpoint"`, `"table"`, `"roles"` or `"file"`.
        name: Its name.
        state: `"good"` where it follows from what the study holds.
        digest: By which it is known; empty where there is none.
        reason: What is to be known of it, or what is the matter with it.
        parents: Names of what it was made from.
    """

    kind: Literal["data", "run", "checkpoint", "table", "roles", "file"]
    name: str
    state: State
    digest: str = ""
    reason: str = ""
    parents: tuple[str, ...] = ()


def verify_study(study: Study) -> tuple[Node, ...]:
    """Look at everything in a study: eyes, training runs, checkpoints, tables, roles, and files that belong to nothing.

    Stores that are on this machine are read whole, so that a picture that was changed by hand is found.

    Args:
        study: The study.

    Returns:
        The nodes, each behind those that it was made from; sound if all states are among `SOUND`.
    """
    return (
        *_look_at_data(study),
        *_look_at_runs(study),
        *_look_at_checkpoints(study),
        *_look_at_tables(study),
        *_look_at_roles(study),
        *_find_foreign(study),
    )


def _look_at_data(study: Study) -> Iterator[Node]:
    folders = _store_folders(study)
    for data in study.info.data:
        name, folder = data.key, folders.get(data.key)
        if not data.fingerprint:
            yield Node(kind="data", name=name, state="unknown", reason="its digest was not recorded")
        elif folder is None or not folder.is_dir():
            yield Node(
                kind="data", name=name, state="good", digest=data.fingerprint, reason="its pictures are not looked at"
            )
        else:
            yield _compare_store(data, folder)


def _compare_store(data: DataSet, folder: Path) -> Node:
    try:
        digest = open_store(folder).fingerprint()
    except InputError as error:
        return Node(kind="data", name=data.key, state="damaged", digest=data.fingerprint, reason=str(error))
    same = digest == data.fingerprint
    return Node(
        kind="data",
        name=data.key,
        state="good" if same else "stale",
        digest=data.fingerprint,
        reason=str(folder) if same else f"the pictures or labels in {folder} are others now ({digest})",
    )


def _store_folders(study: Study) -> dict[str, Path]:
    """Key -> folder of the prepared eyes, as the table of eyes names it."""
    try:
        eyes = study.read_columns("eyes", ["data", "store"]).drop_duplicates("data")
    except InputError:
        return {}
    return {str(key): Path(store) for key, store in zip(eyes["data"], eyes["store"], strict=True) if store}


def _look_at_runs(study: Study) -> Iterator[Node]:
    known = {data.fingerprint: data.key for data in study.info.data if data.fingerprint}
    for folder in sorted(path.parent for path in study.path.glob(f"runs/*/{CONFIG}")):
        name = f"runs/{folder.name}"
        try:
            config = read_object(folder / CONFIG)
        except InputError as error:
            yield Node(kind="run", name=name, state="damaged", reason=str(error))
            continue
        start, data = str(config.get("start", "")), str(config.get("data", ""))
        parents = tuple(part for part in (known.get(data, data), start.partition(",")[0]) if part)
        state, reason = _compare_start(study, start)
        if state == "good" and not is_finished(folder):
            state, reason = "unknown", "not at its end: no number rests on it"
        yield Node(kind="run", name=name, state=state, digest=data, reason=reason, parents=parents)


_START = re.compile(rf"(?P<name>.+), weights (?P<digest>[0-9a-f]{{{DIGITS}}})")


def _compare_start(study: Study, start: str) -> tuple[State, str]:
    """Whether the pretraining from which a run started is still what it was."""
    match = _START.fullmatch(start)
    state = study.path / "runs" / match["name"] / "last.ckpt" if match else None
    if match is None or state is None or not state.is_file():
        return "good", start
    if digest_of(state) == match["digest"]:
        return "good", start
    return "stale", f"it started from other weights of {match['name']} ({match['digest']}) than there are now"


def _look_at_checkpoints(study: Study) -> Iterator[Node]:
    present = {run.name: run for run in list_training_runs(study, without_weights=True)}
    for setup in study.setups:
        if setup in present:
            yield _compare_checkpoint(study, present.pop(setup))
        else:
            yield Node(kind="checkpoint", name=setup, state="missing", reason="it was not trained, or its file is gone")
    for run in present.values():
        parents = (f"runs/{run.name}",)
        yield _open_checkpoint(run, "good", "", parents) if run.has_weights else _name_left_out(run, parents)


def _compare_checkpoint(study: Study, run: TrainingRun) -> Node:
    recorded, parents = study.info.checkpoints.get(run.setup, ""), (f"runs/{run.setup}-f100-s{study.info.seed}",)
    if not recorded:
        return _open_checkpoint(run, "unknown", "its digest was not recorded", ())
    if recorded != digest_file(run.path):
        reason = f"it is not the one that the study's own run made ({recorded[:DIGITS]})"
        return _open_checkpoint(run, "foreign", reason, parents)
    return _open_checkpoint(run, "good", "", parents)


def _name_left_out(run: TrainingRun, parents: tuple[str, ...]) -> Node:
    reason = "its weights were left out of the archive; tables name them by this digest"
    return Node(kind="checkpoint", name=run.name, state="unknown", digest=run.digest, reason=reason, parents=parents)


def _open_checkpoint(run: TrainingRun, state: State, reason: str, parents: tuple[str, ...]) -> Node:
    """A checkpoint, read whole."""
    try:
        load_model(run.path)
    except InputError as error:
        state, reason = "damaged", str(error)
    return Node(kind="checkpoint", name=run.name, state=state, digest=run.digest, reason=reason, parents=parents)


def _look_at_tables(study: Study) -> Iterator[Node]:
    for table in (name for name in TABLES if study.has_results(name)):
        try:
            yield _look_at_table(study, table)
        except InputError as error:
            yield Node(kind="table", name=table, state="damaged", reason=str(error))


def _look_at_table(study: Study, table: str) -> Node:
    path = study.path / "results" / f"{table}.parquet"
    stale, digests = find_stale(study, (table,)), TABLES[table].digests
    rows = study.read_columns(table, list(digests))
    parents = sorted({str(value) for name in digests for value in rows[name] if value})
    digest = digest_of(path)
    if stale:
        reason = "; ".join(f"{one.describe()}, {one.rows} rows: {one.reason}" for one in stale)
        return Node(kind="table", name=table, state="stale", digest=digest, reason=reason, parents=tuple(parents))
    recorded = [name for name in (CHECKPOINT, DATA_DIGEST) if name in digests]
    lacking = int((rows[recorded] == "").any(axis=1).sum())
    reason = f"{lacking} of {len(rows)} rows do not say what they are of" if lacking else ""
    state: State = "unknown" if lacking else "good"
    return Node(kind="table", name=table, state=state, digest=digest, reason=reason, parents=tuple(parents))


def _look_at_roles(study: Study) -> Iterator[Node]:
    try:
        for overlap in certify_roles(study.path):
            name = " and ".join(overlap.roles)
            yield Node(kind="roles", name=name, state="leak" if overlap.leaks else "good", reason=overlap.describe())
    except InputError as error:
        yield Node(kind="roles", name="registry", state="damaged", reason=str(error))


def _find_foreign(study: Study) -> Iterator[Node]:
    """Checkpoints and tables that belong to nothing that the study names."""
    for path in sorted(study.path.glob("checkpoints/*")):
        if path.stem not in study.setups and not path.name.startswith("."):
            yield _foreign(study, path, "the study names no such set-up")
    for path in sorted(study.path.glob("results/*.parquet")):
        if path.stem not in TABLES:
            yield _foreign(study, path, "no experiment of this version writes it")


def _foreign(study: Study, path: Path, reason: str) -> Node:
    return Node(kind="file", name=str(path.relative_to(study.path)), state="foreign", reason=reason)
