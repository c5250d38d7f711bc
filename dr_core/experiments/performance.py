"""How good the answers are: predictions on prepared, graded eyes, and every table that follows from them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.contract import check_preparation
from dr_core.data.grades import READINGS
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.answers import (
    ANSWERS,
    MeasureConfig,
    compare_performance,
    predict_table,
    summarize,
    summarize_aucs,
)
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.origins import join_rows, read_present
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import load_model, read_info
from dr_core.models.validity import check_answers
from dr_core.study.digests import digest_store
from dr_core.study.eyes import GradedStore, list_eyes, open_graded
from dr_core.study.folder import Study
from dr_core.study.runs import ALL_LABELS, TrainingRun, list_training_runs, name_runs, runs_with_all_labels
from dr_core.study.tables import select_columns

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


def _plan(study: Study, inputs: Inputs, config: MeasureConfig, device: str) -> list[Step]:
    data, key = inputs.data, inputs.data_key
    if data is None:
        if not study.has_results("predictions"):
            raise InputError("The study has no predictions yet; name prepared, graded eyes.")
        stored = _read_stored(study)
        return [replace(_NOTHING, summarize=lambda _: _measure(stored, config))]
    runs_with_all_labels(study)
    runs = list_training_runs(study)
    eyes = open_eyes_for(data, runs)
    step = replace(
        _NOTHING,
        units=tuple(run.name for run in runs),
        tables=("predictions", MISSING),
        facts=(key, digest_store(data), [run.stamp for run in runs]),
        measure=partial(_predict, key, runs, eyes.store, device),
        summarize=partial(_summarize, study, data, key, eyes.store, runs, config),
        notes=(eyes.note,) if eyes.note else (),
        unanswered=_say_missing,
    )
    return [step]


def _read_stored(study: Study) -> pd.DataFrame:
    """The stored predictions, if they are of the present weights."""
    rows = study.read_results("predictions")
    if len(read_present(study, "predictions")) < len(rows):
        raise InputError(
            "Some predictions of the study are of weights that were trained anew since; name the prepared, graded eyes "
            "to measure them again."
        )
    return rows


_NOTHING = Step(
    name="performance",
    tables=("predictions",),
    units=(),
    unit="setup",
    facts=(),
    measure=lambda _: iter(()),
    summarize=lambda tables: tables,
)
"""Nothing to be predicted."""


def _predict(
    key: str, runs: Sequence[TrainingRun], store: Store, device: str, units: Sequence[str]
) -> Iterator[Report]:
    """Answers of one training run after the other; of one that is broken the reason, and the others answer."""
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
        check_answers(f"The model of {run.name}", rows[ANSWERS].to_numpy(), len(ANSWERS))
        yield rows


def _summarize(
    study: Study,
    data: Path,
    key: str,
    store: Store,
    runs: Sequence[TrainingRun],
    config: MeasureConfig,
    measured: Mapping[str, pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    if "predictions" not in measured:
        raise InputError("No model answers. " + " ".join(_say_missing(measured)))
    rows = name_runs(measured["predictions"], runs)
    tables = _measure(join_rows(study, "predictions", key, rows), config)
    performance = tables["performance"]
    aucs = performance[(performance["data"] == key) & (performance["measure"] == "auc")]
    aucs = aucs[aucs["reading"].isin(list(READINGS))]
    fewer = rows[rows["fraction"] != ALL_LABELS]
    if len(fewer):
        aucs = pd.concat([aucs, summarize_aucs(fewer, config)], ignore_index=True)
    eyes = join_rows(study, "eyes", key, list_eyes(key, store, data))
    missing = measured.get(MISSING, pd.DataFrame(columns=["data", "setup", "reason"]))
    missing = join_rows(study, MISSING, key, name_runs(missing, runs))
    return tables | {"fractions": _join_fractions(study, aucs), "eyes": eyes, MISSING: missing}


def _say_missing(measured: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    rows = measured[MISSING].to_dict("records") if MISSING in measured else []
    return tuple(f"No answer of {row['setup']}, because: {row['reason']}" for row in rows)


def _measure(predictions: pd.DataFrame, config: MeasureConfig) -> dict[str, pd.DataFrame]:
    """Keep the answers of all trainings, whose errors are joint; measure those with all labels."""
    whole = predictions
    if "fraction" in predictions:
        whole = predictions[predictions["fraction"] == ALL_LABELS].reset_index(drop=True)
    return {
        "predictions": predictions,
        "performance": summarize(whole, config),
        "comparisons": compare_performance(whole, config),
    }


def _join_fractions(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """What is there of other data sets, or of training runs that are no longer there, stays."""
    rows = rows.assign(percent=rows["fraction"])
    if study.has_results("fractions"):
        same = ["setup", "percent", "seed", "data", "reading"]
        rows = pd.concat([read_present(study, "fractions"), rows], ignore_index=True).drop_duplicates(same, keep="last")
    return rows.sort_values(["data", "percent", "seed"], kind="stable")


def _estimate(work: Workload, config: MeasureConfig) -> Cost:
    del config  # the draws take seconds
    return Cost(seconds=work.eyes * work.runs / work.forward + 10, disk=work.eyes * work.models * 40.0)


PERFORMANCE = Experiment(
    name="performance",
    label="Performance",
    question="How good are the answers?",
    tables=select_columns("predictions", "eyes", "performance", "comparisons", "fractions", MISSING),
    needs=(Need(kind="graded eyes", required=False),),
    config=MeasureConfig,
    plan=_plan,
    estimate=_estimate,
    action="evaluate",
    follows=("performance", "comparisons"),
)
"""Figure 2 and all measures of the answers. Without eyes the stored predictions are measured again."""
