"""The last features of a network: what enters its last layer."""

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import pass_views

_BATCH = 16


def last_features(model: LoadedModel, views: np.ndarray, device: torch.device | str = "cpu") -> np.ndarray:
    """Compute what enters the last dense layer.

    Other threads may ask the same network at the same time: what they pass is not taken for this call's.

    Args:
        model: The model.
        views: Uint8 (N, S, S, 3) RGB, eyes at its size.
        device: Where it lies.

    Returns:
        Float32 (N, C).

    Raises:
        InputError: If the network has no dense layer, or does not end in one.
    """
    caught: list[Tensor] = []
    mine = threading.get_ident()

    def catch(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if threading.get_ident() == mine:
            caught.append(inputs[0].detach())

    handle = _last_layer(model).register_forward_pre_hook(catch)
    try:
        for start in range(0, len(views), _BATCH):
            pass_views(model, views[start : start + _BATCH], device)
    finally:
        handle.remove()
    features = torch.cat([part.flatten(1).float().cpu() for part in caught]).numpy()
    if len(features) != len(views):
        raise InputError(f"The last features of {model.info.arch} cannot be had: it does not end in one dense layer.")
    return features


def _last_layer(model: LoadedModel) -> nn.Module:
    layers = [module for module in model.model.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise InputError(f"The last features of {model.info.arch} cannot be had: it has no dense layer.")
    return layers[-1]
