"""Which lesions does each network know, and where? Probes on phantoms, whose lesions are known.

Source: Alain and Bengio 2016, arXiv:1610.01644; Kim et al. 2018, arXiv:1711.11279.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from dr_core.analysis.controls import build_untrained, kind_of
from dr_core.analysis.probes import (
    control_directions,
    find_direction,
    measure_effect,
    measure_slopes,
    pool_features,
    probe,
)
from dr_core.data.grades import LESIONS, TARGET_GRADE
from dr_core.data.phantom import Phantom, draw_patient
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Workload
from dr_core.experiments.explained_eyes import MeasuredRows
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import LoadedModel
from dr_core.seeds import derive_seed
from dr_core.study.folder import Study
from dr_core.study.runs import load_runs, name_runs, runs_with_all_labels

TABLES: dict[str, dict[str, str]] = {
    "concepts": {
        "setup": "set-up that is probed",
        "seed": "seed of its training run",
        "fraction": "share of the labels that the run used, in percent",
        "block": "block of the network, from the input to the output",
        "lesion": "lesion that the probe looks for",
        "auc": "AUC of a linear probe on patients that it has not seen; 0.5 = knows nothing",
        "auc_untrained": "the same probe on an untrained network of the same architecture; NaN where none can be built",
        "effect": "change of the target's probability, mean over eyes, for a step of one standard deviation along the "
        "lesion's direction",
        "effect_low": "2.5th percentile of the same for directions from shuffled labels",
        "effect_high": "97.5th percentile",
        "positives": "eyes with the lesion",
        "n": "eyes",
    }
}
"""Columns of the table."""

MEASURED = [column for column in TABLES["concepts"] if column not in ("seed", "fraction")]
"""Columns of the rows as they are measured; what run a set-up's name stands for is filled in later."""


@dataclass(frozen=True, kw_only=True)
class ConceptsConfig:
    """What is probed.

    Attributes:
        patients: Phantom patients, two eyes each.
        pixels: Side of a drawn eye.
        target: The grade whose output is followed.
        controls: Directions from shuffled labels.
        seed: Seed of the phantoms and the shuffles.
    """

    patients: int = describe(100, "phantom patients, two eyes each")
    pixels: int = describe(448, "side of a drawn eye in pixels")
    target: int = describe(TARGET_GRADE, "the grade whose output is followed")
    controls: int = describe(40, "directions from shuffled labels")
    seed: int = describe(0, "seed of the phantoms and the shuffles")


def probe_concepts(models: Mapping[str, LoadedModel], config: ConceptsConfig) -> Iterator[MeasuredRows]:
    """Probe every block of every set-up for every lesion.

    Args:
        models: Set-up -> model.
        config: What is probed.

    Yields:
        A report a set-up, with rows as `TABLES` describes `concepts`.

    Raises:
        InputError: If there are no models or too few patients.
    """
    if not models:
        raise InputError("Concepts need at least one trained model.")
    eyes, patients = _draw(config)
    present = {lesion: np.array([bool(eye.masks[lesion].any()) for eye in eyes]) for lesion in LESIONS}
    untrained: dict[tuple[object, Preprocessing], dict[tuple[str, str], float]] = {}
    for done, (setup, model) in enumerate(models.items(), start=1):
        inputs = torch.stack([model.preprocess(eye.image) for eye in eyes])
        kind = kind_of(model), model.info.preprocessing
        if kind not in untrained:  # set-ups of one kind share it
            untrained[kind] = _probe_untrained(model, inputs, present, patients)
        rows = [
            {"setup": setup, **row, "auc_untrained": untrained[kind].get((row["block"], row["lesion"]), float("nan"))}
            for row in _probe_model(model, inputs, present, patients, config)
        ]
        yield MeasuredRows(done=done, total=len(models), rows=pd.DataFrame(rows, columns=MEASURED))


def _draw(config: ConceptsConfig) -> tuple[list[Phantom], np.ndarray]:
    eyes: list[Phantom] = []
    for patient in range(config.patients):
        eyes += draw_patient(patient % 5, config.pixels, derive_seed(config.seed, "concepts", patient))
    return eyes, np.repeat(np.arange(config.patients), 2)


def _probe_untrained(
    model: LoadedModel, inputs: torch.Tensor, present: Mapping[str, np.ndarray], patients: np.ndarray
) -> dict[tuple[str, str], float]:
    """(Block, lesion) -> AUC on random features: what the architecture shows before it has learned anything."""
    info = model.info
    try:
        fresh = build_untrained(model.model, info.arch, len(info.classes), 0, info.preprocessing.size)
    except InputError:
        return {}
    return {
        (block, lesion): probe(values, marked, patients)
        for block, values in pool_features(fresh, inputs).items()
        for lesion, marked in present.items()
    }


def _probe_model(
    model: LoadedModel,
    inputs: torch.Tensor,
    present: Mapping[str, np.ndarray],
    patients: np.ndarray,
    config: ConceptsConfig,
) -> Iterator[dict[str, Any]]:
    features = pool_features(model.model, inputs)
    slopes = measure_slopes(model.model, inputs, config.target)
    for block, values in features.items():
        for lesion, marked in present.items():
            about: dict[str, Any] = {"block": block, "lesion": lesion, "auc": probe(values, marked, patients)}
            effect = [float("nan")] * 3
            if marked.any() and not marked.all():
                shuffled = control_directions(values, marked, config.controls, derive_seed(config.seed, block, lesion))
                own, *others = measure_effect(slopes[block], values, [find_direction(values, marked), *shuffled])
                effect = [float(own), *np.percentile(others, (2.5, 97.5)).tolist()]
            names = ("effect", "effect_low", "effect_high")
            yield about | dict(zip(names, effect, strict=True)) | {"positives": int(marked.sum()), "n": len(marked)}


def _plan(study: Study, inputs: Inputs, config: ConceptsConfig, device: str) -> list[Step]:
    runs = runs_with_all_labels(study)

    def work(units: Sequence[str]) -> Iterator[Report]:
        chosen = [run for run in runs if run.name in set(units)]
        for run, report in zip(chosen, probe_concepts(load_runs(chosen), config), strict=True):
            yield Report(done=report.done, total=report.total, units=(run.name,), tables={"concepts": report.rows})

    return [
        Step(
            name="concepts",
            tables=("concepts",),
            units=tuple(run.name for run in runs),
            unit="setup",
            facts=(config, [run.stamp for run in runs]),
            measure=work,
            summarize=lambda measured: {"concepts": name_runs(measured["concepts"], runs)},
        )
    ]


def _estimate(work: Workload, config: ConceptsConfig) -> Cost:
    forwards = 2 * config.patients * _FORWARDS_OF_AN_EYE
    return Cost(seconds=work.models * forwards / work.forward, disk=2e4 * work.models)


_FORWARDS_OF_AN_EYE = 10.0
"""Forward passes as long as an eye takes: its own, the slopes, drawing it, its share of fitting the probes."""

CONCEPTS = Experiment(
    name="concepts",
    label="Lesions in the representations",
    question="Which lesions does each network know, and in which block?",
    tables=TABLES,
    needs=(),
    config=ConceptsConfig,
    plan=_plan,
    estimate=_estimate,
    on_processor=True,
)
"""Linear probes and concept directions on phantoms."""
