"""The spectra of a study's models on prepared eyes: condition numbers, eigenvalues, and the law that they follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dr_core.analysis.distribution import fit_distributions
from dr_core.analysis.spectrum import SpectrumHooks, condition_number, count_rank
from dr_core.data.store import open_store
from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.study.folder import RESULT_COLUMNS, Study

_ALPHAS = ("alpha", "alpha_low", "alpha_high", "alpha_distfit", "verdict")


@dataclass(frozen=True, kw_only=True)
class SpectrumConfig:
    """How spectra are computed.

    Attributes:
        batch_size: Images per forward pass; the result does not depend on it.
        centered: Whether the mean of each channel is taken off.
        seed: Seed of the bootstrap of alpha.
        limit: Largest number of images; 0 takes all.
    """

    batch_size: int = 32
    centered: bool = True
    seed: int = 0
    limit: int = 0


@dataclass(frozen=True)
class SpectrumReport:
    """How far the spectra are: `done` of `total` images, each model counted."""

    done: int
    total: int


def measure_spectra(
    study: Study, data: Path, key: str | None, config: SpectrumConfig, *, device: str = "cpu"
) -> Iterator[SpectrumReport]:
    """Write the tables spectrum, eigenvalues and distributions.

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
    key, images = key or data.name, open_store(data).images
    images = images[: config.limit] if config.limit else images
    models = {setup: study.load_model(setup) for setup in study.info.setups if study.has_checkpoint(setup)}
    if not models or len(images) == 0:
        raise InputError(f"{data} holds no image." if models else f"The study {study.name} has no trained model yet.")
    tables: dict[str, list[pd.DataFrame]] = {"spectrum": [], "eigenvalues": [], "distributions": []}
    done, total = 0, len(images) * len(models)
    for setup, model in models.items():
        size = model.info.preprocessing.size
        if images.shape[-1] != size:
            raise InputError(f"{setup} sees eyes of {size} px; prepare the data with --size {size}.")
        with SpectrumHooks(model.model.to(device), centered=config.centered) as hooks:
            for start in range(0, len(images), config.batch_size):
                _pass(model, images[start : start + config.batch_size], device)
                done += len(images[start : start + config.batch_size])
                yield SpectrumReport(done, total)
            about = {"data": key, "setup": setup}
            found = hooks.eigenvalues()
            tables["spectrum"].append(_summarize(found, hooks.samples()).assign(**about))
            tables["eigenvalues"].append(_list_eigenvalues(found).assign(**about))
            tables["distributions"].append(_fit(next(iter(found.values())), config.seed).assign(**about))
    for name, parts in tables.items():
        _replace(study, name, key, pd.concat(parts, ignore_index=True))


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


def _fit(first: Tensor, seed: int) -> pd.DataFrame:
    """Laws of the first layer's eigenvalues; where they cannot be fitted, the one row says why."""
    try:
        fit = fit_distributions(first.numpy()[: count_rank(first)], seed=seed)
    except InputError as error:
        empty = dict.fromkeys(RESULT_COLUMNS["distributions"], np.nan)
        return pd.DataFrame([empty | {"distribution": "none", "verdict": str(error)}])
    return fit.table.assign(**{name: getattr(fit, name) for name in _ALPHAS})


def _replace(study: Study, table: str, key: str, rows: pd.DataFrame) -> None:
    if study.has_results(table):
        old = study.read_results(table)
        rows = pd.concat([old[old["data"] != key], rows], ignore_index=True)
    study.write_results(table, rows)
