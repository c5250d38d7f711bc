"""The spectra of a study's models on prepared eyes: condition numbers, eigenvalues, and the law that they follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dr_core.analysis.distribution import fit_distributions
from dr_core.analysis.spectrum import ImageSpectra, SpectrumHooks, condition_number, count_rank
from dr_core.data.store import Store, open_store
from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.study.folder import Study
from dr_core.study.tables import RESULT_COLUMNS

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

    batch_size: int = 32
    centered: bool = True
    seed: int = 0
    limit: int = 0
    image_spectra: int = 100


@dataclass(frozen=True)
class SpectrumReport:
    """How far the spectra are: `done` of `total` images, each model counted."""

    done: int
    total: int


def measure_spectra(
    study: Study, data: Path, key: str | None, config: SpectrumConfig, *, device: str = "cpu"
) -> Iterator[SpectrumReport]:
    """Write the tables spectrum, eigenvalues and distributions, and those of single images' spectra.

    Args:
        study: The study.
        data: Folder of a store.
        key: Name of the data set in the tables; None takes the folder's name. Its rows are replaced.
        config: How it is computed.
        device: Where the models run.

    Yields:
        Reports.

    Raises:
        InputError: If the store does not fit the models, is empty, or there is no model.
    """
    key, store = key or data.name, open_store(data)
    count = min(config.limit or len(store), len(store))
    models = study.load_models()
    if not models or count == 0:
        raise InputError(f"{data} holds no image." if models else f"The study {study.name} has no trained model yet.")
    for setup, model in models.items():
        size = model.info.preprocessing.size
        if store.images.shape[-1] != size:
            raise InputError(f"{setup} sees eyes of {size} px; prepare the data with --size {size}.")
    tables: dict[str, list[pd.DataFrame]] = {}
    done, total = 0, count * len(models)
    for setup, model in models.items():
        with SpectrumHooks(model.model.to(device), centered=config.centered) as hooks:
            for start in range(0, count, config.batch_size):
                images = store.images[start : min(start + config.batch_size, count)]
                _pass(model, images, device)
                done += len(images)
                yield SpectrumReport(done, total)
            found = hooks.eigenvalues()
            new = {
                "spectrum": _summarize(found, hooks.samples()),
                "eigenvalues": _list_eigenvalues(found),
                "distributions": _fit(next(iter(found.values())).numpy(), None, config.seed),
            }
        for name, rows in (new | _measure_images(model, store, count, config, device)).items():
            tables.setdefault(name, []).append(rows.assign(data=key, setup=setup))
    for name, parts in tables.items():
        study.replace_rows(name, key, pd.concat(parts, ignore_index=True))


def _measure_images(
    model: LoadedModel, store: Store, count: int, config: SpectrumConfig, device: str
) -> dict[str, pd.DataFrame]:
    """The first layer's spectra of single images, and the law that they follow together."""
    chosen = np.unique(np.linspace(0, count - 1, min(config.image_spectra, count)).astype(int))
    if len(chosen) == 0:
        return {}
    with ImageSpectra(model.model) as spectra:
        for start in range(0, len(chosen), config.batch_size):
            _pass(model, store.images[chosen[start : start + config.batch_size]], device)
        found = spectra.eigenvalues().numpy()
    ranks = np.tile(np.arange(found.shape[1]), len(found))
    eyes = store.index["eye"].astype(str).to_numpy() if "eye" in store.index else np.arange(len(store)).astype(str)
    rows = {"eye": np.repeat(eyes[chosen], found.shape[1]), "rank": ranks, "eigenvalue": found.ravel()}
    kept = np.concatenate([values[: count_rank(values)] for values in found])
    group = np.repeat(np.arange(len(found)), [count_rank(values) for values in found])
    return {"image_spectra": pd.DataFrame(rows), "image_distributions": _fit(kept, group, config.seed)}


@torch.inference_mode()
def _pass(model: LoadedModel, images: np.ndarray, device: str) -> None:
    batch = model.info.preprocessing.normalize(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    network: nn.Module = model.model
    network(batch.to(device).contiguous(memory_format=torch.channels_last))


def _summarize(found: dict[str, Tensor], samples: dict[str, int]) -> pd.DataFrame:
    rows = []
    for place, (layer, values) in enumerate(found.items()):
        stage = layer.split(".")[0] if layer.startswith("layer") else "stem"
        row = {"layer": layer, "place": place, "stage": stage, "channels": len(values), "samples": samples[layer]}
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
        empty = dict.fromkeys(RESULT_COLUMNS["distributions"], np.nan)
        return pd.DataFrame([empty | {"distribution": "none", "verdict": str(error)}])
    return fit.table.assign(**{name: getattr(fit, name) for name in _ALPHAS})
