"""How good the answers are: predictions on prepared, graded eyes, and every table that follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from dr_core.data.grades import READINGS
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.answers import MeasureConfig, compare_performance, summarize, summarize_aucs
from dr_core.experiments.asking import MISSING, name_answers, open_eyes_for, predict_runs, say_missing
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.false_referrals import TABLE as FALSE_REFERRALS
from dr_core.experiments.false_referrals import TABLES as FALSE_REFERRAL_COLUMNS
from dr_core.experiments.false_referrals import measure_false_referrals
from dr_core.experiments.groups import check_columns, measure_groups
from dr_core.experiments.operating import join_points, list_points
from dr_core.experiments.origins import join_rows, read_present
from dr_core.experiments.patients import summarize_patients
from dr_core.experiments.step import Step
from dr_core.study.digests import digest_store
from dr_core.study.eyes import list_eyes
from dr_core.study.folder import Study
from dr_core.study.runs import ALL_LABELS, TrainingRun, list_training_runs, name_runs, runs_with_all_labels
from dr_core.study.tables import select_columns


def _plan(study: Study, inputs: Inputs, config: MeasureConfig, device: str) -> list[Step]:
    data, key = inputs.data, inputs.data_key
    if data is None:
        if not study.has_results("predictions"):
            raise InputError("The study has no predictions yet; name prepared, graded eyes.")
        stored = _read_stored(study)
        return [replace(_NOTHING, summarize=lambda _: _measure(study, stored, config))]
    runs_with_all_labels(study)
    runs = list_training_runs(study)
    eyes = open_eyes_for(data, runs)
    check_columns(eyes.store.index, config.by)
    step = replace(
        _NOTHING,
        units=tuple(run.name for run in runs),
        tables=("predictions", MISSING),
        facts=(key, digest_store(data), [run.stamp for run in runs]),
        measure=partial(predict_runs, key, runs, eyes.store, device),
        summarize=partial(_summarize, study, data, key, eyes.store, runs, config),
        notes=(eyes.note,) if eyes.note else (),
        unanswered=say_missing,
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


def _summarize(
    study: Study,
    data: Path,
    key: str,
    store: Store,
    runs: Sequence[TrainingRun],
    config: MeasureConfig,
    measured: Mapping[str, pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    rows = name_answers(measured, runs)
    tables = _measure(study, join_rows(study, "predictions", key, rows), config)
    performance = tables["performance"]
    aucs = performance[(performance["data"] == key) & (performance["measure"] == "auc")]
    aucs = aucs[aucs["reading"].isin(list(READINGS))]
    fewer = rows[rows["fraction"] != ALL_LABELS]
    if len(fewer):
        aucs = pd.concat([aucs, summarize_aucs(fewer, config)], ignore_index=True)
    listed = list_eyes(key, store, data)
    eyes = join_rows(study, "eyes", key, listed)
    missing = measured.get(MISSING, pd.DataFrame(columns=["data", "setup", "reason"]))
    missing = join_rows(study, MISSING, key, name_runs(missing, runs))
    groups = measure_groups(rows[rows["fraction"] == ALL_LABELS], store.index, config)
    further = {"groups": join_rows(study, "groups", key, groups)} if len(groups) else {}
    warnings = listed.set_index("eye")["warnings"]
    referrals = measure_false_referrals(rows[rows["fraction"] == ALL_LABELS], warnings, config)
    if len(referrals):
        further[FALSE_REFERRALS] = join_rows(study, FALSE_REFERRALS, key, referrals)
    return tables | {"fractions": _join_fractions(study, aucs), "eyes": eyes, MISSING: missing} | further


def _measure(study: Study, predictions: pd.DataFrame, config: MeasureConfig) -> dict[str, pd.DataFrame]:
    """Keep the answers of all trainings, whose errors are joint; measure those with all labels."""
    whole = predictions
    if "fraction" in predictions:
        whole = predictions[predictions["fraction"] == ALL_LABELS].reset_index(drop=True)
    measured = [summarize(whole, config), summarize_patients(whole, config)]
    return {
        "predictions": predictions,
        "performance": pd.concat([part for part in measured if len(part)], ignore_index=True),
        "comparisons": compare_performance(whole, config),
        "operating_points": join_points(study, list_points(whole, config)),
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
    tables=select_columns(
        "predictions", "eyes", "performance", "comparisons", "operating_points", "groups", "fractions", MISSING
    )
    | FALSE_REFERRAL_COLUMNS,
    needs=(Need(kind="graded eyes", required=False),),
    config=MeasureConfig,
    plan=_plan,
    estimate=_estimate,
    action="evaluate",
    follows=("performance", "comparisons", "operating_points"),
)
"""Figure 2 and all measures of the answers. Without eyes the stored predictions are measured again."""
