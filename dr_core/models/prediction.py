"""Softmax answers of one or several models, each eye brought to model size once."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from dr_core.models.checkpoint import LoadedModel


@torch.inference_mode()
def predict_views(
    model: LoadedModel, views: np.ndarray, batch_size: int = 64, device: torch.device | str = "cpu"
) -> np.ndarray:
    """Grade eyes that already have model size.

    Args:
        model: The model.
        views: Uint8 (N, S, S, 3) RGB, as `Preprocessing.to_model_view` makes them.
        batch_size: Eyes per forward pass.
        device: Where the model lies.

    Returns:
        Float64 (N, 5), softmax over the grades 0..4.
    """
    batches = (views[start : start + batch_size] for start in range(0, len(views), batch_size))
    parts = [_softmax(model.model, model.info.preprocessing.normalize(batch).to(device)) for batch in batches]
    return np.concatenate(parts) if parts else np.empty((0, len(model.info.classes)))


@torch.inference_mode()
def predict_shared(
    models: Mapping[str, LoadedModel], views: np.ndarray, batch_size: int = 64, device: torch.device | str = "cpu"
) -> dict[str, np.ndarray]:
    """Ask several models about eyes of the same size; models that see an eye alike share its normalized input.

    Args:
        models: Set-up name -> model; all take views of this size.
        views: Uint8 (N, S, S, 3) RGB.
        batch_size: Eyes per forward pass.
        device: Where the models lie.

    Returns:
        Set-up name -> float64 (N, 5), softmax over the grades 0..4.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in models}
    for start in range(0, len(views), batch_size):
        batch = views[start : start + batch_size]
        ways = {model.info.preprocessing for model in models.values()}
        inputs = {way: way.normalize(batch).to(device) for way in ways}
        for name, model in models.items():
            parts[name].append(_softmax(model.model, inputs[model.info.preprocessing]))
    return {name: np.concatenate(found) if found else np.empty((0, 5)) for name, found in parts.items()}


def _softmax(network: nn.Module, batch: torch.Tensor) -> np.ndarray:
    logits = network(batch.contiguous(memory_format=torch.channels_last))
    return torch.softmax(logits.double(), dim=1).cpu().numpy()


def predict_photographs(models: Mapping[str, LoadedModel], images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Grade photographs by several models.

    Models that see an eye alike share one preprocessed view.

    Args:
        models: Set-up name -> model.
        images: Photographs, each uint8 (H, W, 3) RGB, of any size.

    Returns:
        Set-up name -> float64 (N, 5), softmax over the grades 0..4.
    """
    photographs = list(images)
    views = {model.info.preprocessing: None for model in models.values()}
    stacked = {way: _stack([way.to_model_view(image) for image in photographs], way.size) for way in views}
    return {name: predict_views(model, stacked[model.info.preprocessing]) for name, model in models.items()}


def _stack(views: Sequence[np.ndarray], size: int) -> np.ndarray:
    return np.stack(views) if views else np.empty((0, size, size, 3), np.uint8)
