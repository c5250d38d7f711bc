"""What each network's last features are on its training eyes, from which the distance of another eye is measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from dr_core.analysis.feature_distance import LIMITS, FeatureReference, fit_reference
from dr_core.data.contract import check_preparation
from dr_core.data.store import Store, open_store
from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import load_model, read_info
from dr_core.models.features import last_features
from dr_core.study.digests import digest_store
from dr_core.study.folder import Study
from dr_core.study.runs import TrainingRun, name_runs, runs_with_all_labels
from dr_core.study.schemas import RUN_COLUMNS

RANK = 16
"""Directions with a variance of their own."""

TABLE = "feature_reference"

_LOADINGS = [f"loading_{number}" for number in range(RANK)]
_LIMITS = [f"limit_{100 * share:.0f}" for share in LIMITS]

TABLES: dict[str, dict[str, str]] = {
    TABLE: {
        "data": "key of the training eyes, as in study.json",
        **RUN_COLUMNS,
        "feature": "number of the feature that enters the last layer; -1 where the network gives none",
        "mean": "its mean on the training eyes",
        "noise": "variance of the directions that have no loading",
        **dict.fromkeys(_LOADINGS, "its part of one of the strongest directions, as long as its standard deviation"),
        **{
            name: f"distance within which {100 * share:.0f} % of training eyes lie that had no part in the fit"
            for name, share in zip(_LIMITS, LIMITS, strict=True)
        },
        "n": "number of training eyes",
        "reason": "why there is none; empty where there is one",
    },
}
"""Columns of the table: a row for each feature of each network."""


@dataclass(frozen=True, kw_only=True)
class DistanceConfig:
    """How the reference is fitted.

    Attributes:
        limit: Largest number of eyes, drawn at random; 0 takes all.
        seed: Seed of that drawing and of the folds.
    """

    limit: int = describe(2000, "largest number of training eyes, drawn at random; 0 takes all", least=0)
    seed: int = describe(0, "seed of that drawing and of the folds of the limits", least=0)


def _plan(study: Study, inputs: Inputs, config: DistanceConfig, device: str) -> list[Step]:
    if inputs.data is None:
        raise InputError("The distance needs the prepared eyes that trained the models; name their folder.")
    store, runs = open_store(inputs.data), runs_with_all_labels(study)
    check_preparation(inputs.data, store, ((run.name, read_info(run.path).preprocessing) for run in runs))
    step = Step(
        name="distance",
        tables=(TABLE,),
        units=tuple(run.name for run in runs),
        unit="setup",
        facts=(config, inputs.data_key, digest_store(inputs.data), [run.stamp for run in runs]),
        measure=partial(_measure, inputs.data_key, store, runs, config, device),
        summarize=lambda tables: {TABLE: name_runs(tables[TABLE], runs)},
        unanswered=_list_reasons,
    )
    return [step]


def _measure(
    key: str, store: Store, runs: Sequence[TrainingRun], config: DistanceConfig, device: str, units: Sequence[str]
) -> Iterator[Report]:
    rows = np.arange(len(store))
    if config.limit and len(rows) > config.limit:
        rows = np.sort(np.random.default_rng(config.seed).choice(rows, config.limit, replace=False))
    patients = store.index["patient"].astype(str).to_numpy()[rows]
    for done, run in enumerate((run for run in runs if run.name in units), start=1):
        try:
            found = _to_rows(fit_reference(_features(run, store, rows, device), patients, RANK, config.seed))
        except InputError as error:
            found = pd.DataFrame([{"feature": -1, "n": len(rows), "reason": str(error)}], columns=[*TABLES[TABLE]])
        table = found.assign(data=key, setup=run.name)
        yield Report(done=done, total=len(units), units=(run.name,), tables={TABLE: table})


def _features(run: TrainingRun, store: Store, rows: np.ndarray, device: str) -> np.ndarray:
    model = load_model(run.path, setup=run.setup)
    model.model.to(device)
    parts = [
        last_features(model, store.read(rows[start : start + 256]).transpose(0, 2, 3, 1), device)
        for start in range(0, len(rows), 256)
    ]
    return np.concatenate(parts)


def _to_rows(found: FeatureReference) -> pd.DataFrame:
    loadings = np.zeros((len(found.mean), RANK))
    loadings[:, : found.loadings.shape[1]] = found.loadings
    rows = pd.DataFrame(loadings.astype(np.float32), columns=_LOADINGS)
    rows = rows.assign(feature=np.arange(len(rows)), mean=found.mean.astype(np.float32), noise=found.noise)
    return rows.assign(n=found.eyes, reason="", **dict(zip(_LIMITS, found.limits, strict=True)))


def read_references(table: pd.DataFrame) -> dict[str, FeatureReference]:
    """The references of a study's set-ups.

    Args:
        table: Rows of `feature_reference` of the models in `checkpoints/`.

    Returns:
        Set-up -> reference, of those that have one.
    """
    found = {}
    for setup, rows in table[table["feature"] >= 0].groupby("setup", sort=False):
        ordered = rows.sort_values("feature")
        loadings = ordered[_LOADINGS].to_numpy(np.float64)
        found[str(setup)] = FeatureReference(
            mean=ordered["mean"].to_numpy(np.float64),
            loadings=loadings[:, (loadings**2).sum(axis=0) > 0],
            noise=float(ordered["noise"].iloc[0]),
            limits=tuple(float(ordered[name].iloc[0]) for name in _LIMITS),
            eyes=int(ordered["n"].iloc[0]),
        )
    return found


def _list_reasons(tables: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    rows = tables[TABLE][tables[TABLE]["feature"] < 0].to_dict("records") if TABLE in tables else []
    return tuple(f"No distance of {row['setup']}, because: {row['reason']}" for row in rows)


def _estimate(work: Workload, config: DistanceConfig) -> Cost:
    eyes = min(work.eyes, config.limit or work.eyes)
    return Cost(seconds=eyes * work.models / work.forward + 5, disk=work.models * 2e5)


DISTANCE = Experiment(
    name="distance",
    label="Distance from the training eyes",
    question="How far is an eye from those that trained the models?",
    tables=TABLES,
    needs=(Need(kind="eyes"),),
    config=DistanceConfig,
    plan=_plan,
    estimate=_estimate,
    role="training",
)
"""Mean and shrunk covariance of each network's last features on its training eyes, with limits."""
