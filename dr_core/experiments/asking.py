"""Asking a study's training runs about prepared eyes: answers run by run, and the reason where one gives none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.contract import check_preparation
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, predict_table
from dr_core.experiments.step import Report
from dr_core.models.checkpoint import load_model, read_info
from dr_core.models.validity import check_answers
from dr_core.study.eyes import GradedStore, open_graded
from dr_core.study.runs import TrainingRun, name_runs

_BATCH = 256
"""Eyes that are read from the disk at once."""

MISSING = "missing_answers"
"""Table of the training runs that give no answer, with the reason."""


def open_eyes_for(data: Path, runs: Sequence[TrainingRun]) -> GradedStore:
    """Open graded eyes that were prepared as training runs take them.

    Raises:
        InputError: If they are no graded eyes, or were prepared otherwise than a model takes them.
    """
    eyes = open_graded(data)
    check_preparation(data, eyes.store, _preparations(runs))
    return eyes


def _preparations(runs: Sequence[TrainingRun]) -> Iterator[tuple[str, Preprocessing]]:
    """What the training runs take whose header can be read; why one cannot is found when it is asked."""
    for run in runs:
        with suppress(InputError):
            yield run.name, read_info(run.path).preprocessing


def predict_runs(
    key: str, runs: Sequence[TrainingRun], store: Store, device: str, units: Sequence[str]
) -> Iterator[Report]:
    """Answers of one training run after the other, as rows of `predictions`.

    Of one that is broken the reason, and the others answer.
    """
    done, total = 0, len(store) * len(units)
    for run in (run for run in runs if run.name in units):
        parts: list[pd.DataFrame] = []
        try:
            for rows in _ask(key, run, store, device):
                parts.append(rows)
                done += len(rows)
                if done % len(store):
                    yield Report(done=done, total=total)
            tables = {"predictions": pd.concat(parts, ignore_index=True)}
        except InputError as error:
            done += len(store) - sum(map(len, parts))
            tables = {MISSING: pd.DataFrame([{"data": key, "setup": run.name, "reason": str(error)}])}
        yield Report(done=done, total=total, units=(run.name,), tables=tables)


def _ask(key: str, run: TrainingRun, store: Store, device: str) -> Iterator[pd.DataFrame]:
    """Answers of a training run, part by part.

    Raises:
        InputError: If its checkpoint is broken or another set-up's, or its answers are no probabilities.
    """
    model = load_model(run.path, setup=run.setup)
    model.model.to(device)
    for start in range(0, len(store), _BATCH):
        eyes = store.index.iloc[start : start + _BATCH]
        eyes = eyes.assign(has_dr=eyes["grade"] > 0)[["eye", "patient", "grade", "has_dr"]]
        views = store.read(np.arange(start, start + len(eyes))).transpose(0, 2, 3, 1)
        rows = predict_table(key, {run.name: model}, views, eyes, device)
        check_answers(f"The model of {run.name}", rows[ANSWERS].to_numpy(), model.info)
        yield rows


def name_answers(measured: Mapping[str, pd.DataFrame], runs: Sequence[TrainingRun]) -> pd.DataFrame:
    """The predictions of a step under the set-ups, seeds and fractions of their training runs.

    Raises:
        InputError: If no training run answers; the message says why of each.
    """
    if "predictions" not in measured:
        raise InputError("No model answers. " + " ".join(say_missing(measured)))
    return name_runs(measured["predictions"], runs)


def say_missing(measured: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Sentences on the training runs that give no answer, from the rows of a step."""
    rows = measured[MISSING].to_dict("records") if MISSING in measured else []
    return tuple(f"No answer from {row['setup']}, because: {row['reason']}" for row in rows)
