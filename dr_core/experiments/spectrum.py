"""The spectra of a study's models on prepared eyes: condition numbers, eigenvalues, and the law that they follow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor, nn

from dr_core.analysis.distribution import fit_distributions
from dr_core.analysis.image_spectra import ImageSpectra
from dr_core.analysis.spectrum import SpectrumHooks, condition_number, count_rank
from dr_core.data.contract import check_preparation
from dr_core.data.store import Store, open_store
from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.origins import join_rows
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import LoadedModel, load_model, read_info
from dr_core.models.prediction import pass_views
from dr_core.models.structure import is_stem, stage_of
from dr_core.study.digests import digest_store
from dr_core.study.folder import Study
from dr_core.study.runs import TrainingRun, name_runs, runs_with_all_labels
from dr_core.study.tables import TABLES, select_columns

_TABLES = ("spectrum", "eigenvalues", "distributions", "image_spectra", "image_distributions")

_ALPHAS = ("alpha", "alpha_low", "alpha_high", "alpha_distfit", "verdict")


@dataclass(frozen=True, kw_only=True)
class SpectrumConfig:
    """How spectra are computed.

    Attributes:
        batch_size: Images per forward pass; the result does not depend on it.
        centered: Whether the mean of each channel is taken off.
        seed: Seed of the bootstrap of alpha.
        limit: Largest number of images; 0 takes all.
        image_spectra: Number of images, spread evenly over the data, whose first layer has a spectrum of its own; 0
            leaves them out.
    """

    batch_size: int = describe(32, "images per pass", least=1)
    centered: bool = describe(True, "do not subtract the mean of each channel", name="uncentered", negated=True)
    seed: int = describe(0, "seed of alpha's interval", least=0)
    limit: int = describe(0, "largest number of images; 0 takes all", least=0)
    image_spectra: int = describe(
        100, "images whose first layer has a spectrum of its own, spread evenly; 0 leaves them out", least=0
    )


def _plan(study: Study, inputs: Inputs, config: SpectrumConfig, device: str) -> list[Step]:
    data = inputs.data or Path()
    store, runs = open_store(data), runs_with_all_labels(study)
    if len(store) == 0:
        raise InputError(f"{data} holds no image.")
    check_preparation(data, store, ((run.name, read_info(run.path).preprocessing) for run in runs))
    key = inputs.data_key
    step = Step(
        name="spectrum",
        tables=_TABLES,
        units=tuple(run.name for run in runs),
        unit="setup",
        facts=(config, key, digest_store(data), [run.stamp for run in runs]),
        measure=partial(_measure_runs, runs, store, config, device),
        summarize=partial(_join, study, key, runs),
    )
    return [step]


def _measure_runs(
    runs: Sequence[TrainingRun], store: Store, config: SpectrumConfig, device: str, units: Sequence[str]
) -> Iterator[Report]:
    """The spectra of one training run after the other."""
    count = min(config.limit or len(store), len(store))
    done, total = 0, count * len(units)
    for run in (run for run in runs if run.name in units):
        model = load_model(run.path)
        with SpectrumHooks(model.model.to(device), centered=config.centered) as hooks:
            for start in range(0, count, config.batch_size):
                images = store.images[start : min(start + config.batch_size, count)]
                pass_views(model, images.transpose(0, 2, 3, 1), device)
                done += len(images)
                yield Report(done=done, total=total)
            found = hooks.eigenvalues()
            tables = {
                "spectrum": _summarize(model.model, found, hooks.samples()),
                "eigenvalues": _list_eigenvalues(found),
                "distributions": _fit(next(iter(found.values())).numpy(), None, config.seed),
            }
        tables |= _measure_images(model, store, count, config, device)
        named = {name: rows.assign(setup=run.name) for name, rows in tables.items()}
        yield Report(done=done, total=total, units=(run.name,), tables=named)


def _join(
    study: Study, key: str, runs: Sequence[TrainingRun], measured: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    return {
        name: join_rows(study, name, key, name_runs(rows, runs).assign(data=key)) for name, rows in measured.items()
    }


def _measure_images(
    model: LoadedModel, store: Store, count: int, config: SpectrumConfig, device: str
) -> dict[str, pd.DataFrame]:
    """The first layer's spectra of single images, and the law that they follow together."""
    chosen = np.unique(np.linspace(0, count - 1, min(config.image_spectra, count)).astype(int))
    if len(chosen) == 0:
        return {}
    with ImageSpectra(model.model) as spectra:
        for start in range(0, len(chosen), config.batch_size):
            images = store.images[chosen[start : start + config.batch_size]]
            pass_views(model, images.transpose(0, 2, 3, 1), device)
        found = spectra.eigenvalues().numpy()
    ranks = np.tile(np.arange(found.shape[1]), len(found))
    eyes = store.index["eye"].astype(str).to_numpy() if "eye" in store.index else np.arange(len(store)).astype(str)
    rows = {"eye": np.repeat(eyes[chosen], found.shape[1]), "rank": ranks, "eigenvalue": found.ravel()}
    kept = np.concatenate([values[: count_rank(values)] for values in found])
    group = np.repeat(np.arange(len(found)), [count_rank(values) for values in found])
    return {"image_spectra": pd.DataFrame(rows), "image_distributions": _fit(kept, group, config.seed)}


def _summarize(network: nn.Module, found: dict[str, Tensor], samples: dict[str, int]) -> pd.DataFrame:
    rows = []
    for position, (layer, values) in enumerate(found.items()):
        stage = "stem" if is_stem(network, layer) else stage_of(network, layer)
        row = {"layer": layer, "place": position, "stage": stage, "channels": len(values), "samples": samples[layer]}
        rows.append(row | {"rank": count_rank(values), "condition": condition_number(values)})
    return pd.DataFrame(rows)


def _list_eigenvalues(found: dict[str, Tensor]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"layer": layer, "rank": np.arange(len(values)), "eigenvalue": values.numpy()})
        for layer, values in found.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _fit(values: np.ndarray, groups: np.ndarray | None, seed: int) -> pd.DataFrame:
    """Laws of the first layer's eigenvalues; where they cannot be fitted, the one row says why."""
    if groups is None:
        values = values[: count_rank(values)]
    try:
        fit = fit_distributions(values, groups=groups, seed=seed)
    except InputError as error:
        empty = dict.fromkeys(TABLES["distributions"].columns, np.nan)
        return pd.DataFrame([empty | {"distribution": "none", "verdict": str(error)}])
    return fit.table.assign(**{name: getattr(fit, name) for name in _ALPHAS})


def _estimate(work: Workload, config: SpectrumConfig) -> Cost:
    eyes = min(work.eyes, config.limit or work.eyes)
    return Cost(seconds=1.5 * eyes * work.models / work.forward + 60, disk=5e5 * work.models)


SPECTRUM = Experiment(
    name="spectrum",
    label="Representations",
    question="How many directions do the activations of each layer use, and which law do the first layer's follow?",
    tables=select_columns(*_TABLES),
    needs=(Need(kind="eyes"),),
    config=SpectrumConfig,
    plan=_plan,
    estimate=_estimate,
)
"""Figure 3 and Table 2."""
