"""Calibrating a study's models on labeled eyes of the kind that they will meet: the lab's own camera and patients."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.analysis.calibration import FittedMap, read_map
from dr_core.analysis.calibration_choice import (
    CrossValidated,
    check_calibration_eyes,
    choose_method,
    cross_validate,
)
from dr_core.analysis.drawn_intervals import drawn_interval
from dr_core.analysis.grading import measure_calibration
from dr_core.analysis.intervals import warn_few
from dr_core.analysis.measures import FIVE_GRADES
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.answers import (
    ANSWERS,
    MeasureConfig,
    answers_grades,
    each_model,
    read_answers,
    readings_of,
)
from dr_core.experiments.asking import MISSING, name_answers, open_eyes_for, predict_runs, say_missing
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.operating import join_points, list_points
from dr_core.experiments.origins import join_rows
from dr_core.experiments.step import Step
from dr_core.models.checkpoint import read_info
from dr_core.study.digests import digest_store
from dr_core.study.folder import Study
from dr_core.study.runs import TrainingRun, runs_with_all_labels
from dr_core.study.tables import select_columns


def fit_calibrations(answers: pd.DataFrame, config: MeasureConfig | None = None) -> pd.DataFrame:
    """Fit every method to every model's answers about labeled eyes, judged by cross-validation over patients.

    Args:
        answers: Rows with the columns of `predictions`.
        config: Draws and seed of the intervals.

    Returns:
        Rows of `calibrations`.

    Raises:
        InputError: If there are too few eyes, or eyes of one class alone for every reading.
    """
    rows: list[dict[str, object]] = []
    for model, mine, draws in each_model(answers, config or MeasureConfig()):
        reasons = []
        for reading in readings_of(mine):
            labels, scores = read_answers(mine, reading.name)
            try:
                check_calibration_eyes(labels, draws.patient)
            except InputError as error:
                reasons.append(f"{reading.name}: {error}")
                continue
            found = cross_validate(scores, labels, draws.patient, of_grades=False)
            rows += [model | {"reading": reading.name} | row for row in _rows(found, labels, draws)]
        if len(reasons) == len(readings_of(mine)):
            raise InputError(reasons[0])
        if answers_grades(mine):
            softmax, grades = mine[ANSWERS].to_numpy(np.float64), mine["grade"].to_numpy(int)
            found = cross_validate(softmax, grades, draws.patient, of_grades=True)
            rows += [model | {"reading": FIVE_GRADES} | row for row in _rows(found, grades, draws)]
    return pd.DataFrame(rows)


def _rows(found: Sequence[CrossValidated], truth: np.ndarray, draws: PatientDraws) -> list[dict[str, object]]:
    chosen, rows = choose_method(tuple(found)), []
    for one in found:
        scores, labels = one.outside, truth
        if one.method.of_grades:  # of the likeliest grade, whether it is the true one
            scores, labels = one.outside.max(axis=1), one.outside.argmax(axis=1) == truth
        error = measure_calibration(np.clip(scores, 0, 1), labels, draws).error
        interval = drawn_interval(error, draws.times.shape[0])
        rows.append(
            {
                "method": one.method.name,
                "parameters": one.fitted.to_json(),
                "chosen": one is chosen,
                "log_loss": one.log_loss,
                "value": interval.value,
                "low": interval.low,
                "high": interval.high,
                "n": len(truth),
                "positives": -1 if one.method.of_grades else int(truth.sum()),
                "warning": interval.warning or ("" if one.method.of_grades else warn_few(truth)),
            }
        )
    return rows


def chosen_maps(rows: pd.DataFrame, data: str, reading: str) -> dict[str, FittedMap]:
    """The chosen calibration of each set-up.

    Args:
        rows: Rows of `calibrations` of the models in `checkpoints/`.
        data: Key of the calibration eyes.
        reading: A reading, or the five grades.

    Returns:
        Set-up -> map.
    """
    mine = rows[(rows["data"] == data) & (rows["reading"] == reading) & rows["chosen"].astype(bool)]
    return {
        str(row["setup"]): read_map(str(row["method"]), str(row["parameters"]))
        for row in mine[["setup", "method", "parameters"]].to_dict("records")
    }


def check_unseen(study: Study, runs: Sequence[TrainingRun], digest: str) -> None:
    """Refuse to calibrate on the eyes that trained or chose the models, recognized by the digest of their store.

    Single eyes and patients are compared by `dr_core.study.roles`, where the study registered its training eyes.

    Args:
        study: The study.
        runs: The training runs.
        digest: Digest of the store.

    Raises:
        InputError: If they are those of a training run.
    """
    used = {data.fingerprint: data.role for data in study.info.data if data.role in ("training", "validation")}
    for run in runs:
        fingerprint = read_info(run.path).data_fingerprint
        if fingerprint:
            used.setdefault(fingerprint, "training")
    if digest in used:
        raise InputError(
            f"These are the {used[digest]} eyes of the models: on them every model is more certain and more accurate "
            "than on others. Calibrate on eyes that the models have not seen."
        )


def _plan(study: Study, inputs: Inputs, config: MeasureConfig, device: str) -> list[Step]:
    data, key = inputs.data, inputs.data_key
    if data is None:
        raise InputError("A calibration needs prepared, labeled eyes; name their folder.")
    runs, digest = runs_with_all_labels(study), digest_store(data)
    check_unseen(study, runs, digest)
    eyes = open_eyes_for(data, runs)
    grades = eyes.store.index["grade"].to_numpy()
    check_calibration_eyes(grades > 0, eyes.store.index["patient"].astype(str).to_numpy())  # before any model is asked
    step = Step(
        name="calibration",
        tables=("predictions", MISSING),
        units=tuple(run.name for run in runs),
        unit="setup",
        facts=(key, digest, [run.stamp for run in runs]),
        measure=partial(predict_runs, key, runs, eyes.store, device),
        summarize=partial(_summarize, study, key, eyes.store, runs, config),
        notes=(_say_precision(len(eyes.store)), *((eyes.note,) if eyes.note else ())),
        unanswered=say_missing,
    )
    return [step]


def _say_precision(eyes: int) -> str:
    return (
        f"Fitted on {eyes} eyes: the calibration error is itself uncertain (see its interval) and applies only to eyes "
        "of this kind."
    )


def _summarize(
    study: Study,
    key: str,
    store: Store,
    runs: Sequence[TrainingRun],
    config: MeasureConfig,
    measured: Mapping[str, pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    del store
    answers = name_answers(measured, runs)
    return {
        "calibration_answers": join_rows(study, "calibration_answers", key, answers),
        "calibrations": join_rows(study, "calibrations", key, fit_calibrations(answers, config)),
        "operating_points": join_points(study, list_points(answers, config)),
    }


def _estimate(work: Workload, config: MeasureConfig) -> Cost:
    del config
    return Cost(seconds=work.eyes * work.models / work.forward + 10, disk=work.eyes * work.models * 40.0)


CALIBRATION = Experiment(
    name="calibration",
    label="Calibration",
    question="Do the probabilities hold on your own eyes?",
    tables=select_columns("calibration_answers", "calibrations"),
    needs=(Need(kind="graded eyes"),),
    config=MeasureConfig,
    plan=_plan,
    estimate=_estimate,
    action="calibrate",
    role="calibration",
)
"""Temperature, Platt and isotonic calibration, thresholds and, from the stored answers, conformal sets."""
