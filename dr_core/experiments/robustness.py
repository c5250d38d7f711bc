"""The robustness of a study's models: answers and heatmaps under damage, and the tables that follow from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.idrid import SegmentedEye, load_segmentation
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.asking import open_eyes_for
from dr_core.experiments.damage import CLEAN, RobustnessConfig, RobustnessReport, damage_eyes, move_heatmaps
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.origins import join_rows
from dr_core.experiments.robustness_summary import compare_pairs, compare_training, relate_errors, summarize_robustness
from dr_core.experiments.step import Report, Step
from dr_core.study.digests import digest_store
from dr_core.study.folder import Study
from dr_core.study.runs import TrainingRun, load_runs, name_runs, runs_with_all_labels
from dr_core.study.staleness import SEGMENTED
from dr_core.study.tables import select_columns

__all__ = [
    "CLEAN",
    "ROBUSTNESS",
    "RobustnessConfig",
    "RobustnessReport",
    "compare_pairs",
    "compare_training",
    "damage_eyes",
    "move_heatmaps",
    "relate_errors",
    "summarize_robustness",
]


def _plan(study: Study, inputs: Inputs, config: RobustnessConfig, device: str) -> list[Step]:
    if inputs.data is None and inputs.masks is None:
        raise InputError("Robustness needs prepared, graded eyes, eyes with lesion masks, or both; name their folder.")
    runs = runs_with_all_labels(study)
    steps = []
    if inputs.data is not None:
        steps.append(_plan_answers(study, inputs.data, inputs.data_key, runs, config, device))
    if inputs.masks is not None:
        steps.append(_plan_heatmaps(study, inputs, runs, config))
    return steps


def _plan_answers(
    study: Study, data: Path, key: str, runs: Sequence[TrainingRun], config: RobustnessConfig, device: str
) -> Step:
    graded = open_eyes_for(data, runs)
    store = graded.store
    if not 0 <= config.eyes <= len(store):
        raise InputError(f"`eyes` must be 1 to {len(store)}, the graded eyes in {data}, not {config.eyes}.")
    kept = np.linspace(0, len(store) - 1, config.eyes or len(store)).round().astype(int)
    eyes = store.index["eye"].iloc[kept].astype(str)
    facts = (replace(config, draws=0), key, digest_store(data), [run.stamp for run in runs])
    return Step(
        name="robustness",
        tables=("robustness",),
        units=tuple(eyes),
        unit="eye",
        facts=facts,
        measure=partial(_damage, key, runs, store, dict(zip(eyes, kept, strict=True)), config, device),
        summarize=partial(_summarize, study, key, runs, config),
        notes=(graded.note,) if graded.note else (),
    )


def _damage(
    key: str,
    runs: Sequence[TrainingRun],
    store: Store,
    rows: Mapping[str, int],
    config: RobustnessConfig,
    device: str,
    units: Sequence[str],
) -> Iterator[Report]:
    chosen = np.array([rows[unit] for unit in units])
    for report in damage_eyes(key, load_runs(runs, device), store, config, rows=chosen, device=device):
        yield _report("robustness", report)


def _report(table: str, report: RobustnessReport) -> Report:
    units = tuple(dict.fromkeys(report.rows["eye"]))
    return Report(done=report.done, total=report.total, units=units, tables={table: report.rows})


def _summarize(
    study: Study,
    key: str,
    runs: Sequence[TrainingRun],
    config: RobustnessConfig,
    measured: Mapping[str, pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    rows = join_rows(study, "robustness", key, name_runs(measured["robustness"], runs))
    return {
        "robustness": rows,
        "robustness_summary": summarize_robustness(rows, config, next(iter(study.setups))),
        "robustness_differences": compare_training(rows, config, study.setups.values()),
    }


def _plan_heatmaps(study: Study, inputs: Inputs, runs: Sequence[TrainingRun], config: RobustnessConfig) -> Step:
    eyes, table = load_segmentation(inputs.masks or Path()), "robustness_heatmaps"
    return Step(
        name="robustness-heatmaps",
        tables=(table,),
        units=tuple(eye.name for eye in eyes),
        unit="eye",
        facts=(replace(config, draws=0, eyes=0), inputs.digest()[SEGMENTED], [run.stamp for run in runs]),
        measure=partial(_move, runs, eyes, config),
        summarize=lambda rows: {table: join_rows(study, table, SEGMENTED, name_runs(rows[table], runs))},
    )


def _move(
    runs: Sequence[TrainingRun], eyes: Sequence[SegmentedEye], config: RobustnessConfig, units: Sequence[str]
) -> Iterator[Report]:
    chosen = [eye for eye in eyes if eye.name in set(units)]
    for report in move_heatmaps(SEGMENTED, load_runs(runs), chosen, config):
        yield _report("robustness_heatmaps", report)


def _estimate(work: Workload, config: RobustnessConfig) -> Cost:
    eyes = min(work.eyes, config.eyes or work.eyes)
    answers = eyes * work.models * (1 + len(config.corruptions) * len(config.severities))
    return Cost(seconds=1.02 * answers / work.forward, disk=30.0 * answers)


ROBUSTNESS = Experiment(
    name="robustness",
    label="Robustness",
    question="How far do damaged photographs change the answers and the heatmaps?",
    tables=select_columns("robustness", "robustness_summary", "robustness_differences", "robustness_heatmaps"),
    needs=(Need(kind="graded eyes", required=False), Need(kind="segmented eyes", required=False)),
    config=RobustnessConfig,
    plan=_plan,
    estimate=_estimate,
)
"""Figure 4 and all measures under damage."""
