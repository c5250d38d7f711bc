"""The optimizers of the recipes."""

from typing import Literal

import torch
from torch import nn

Optimizer = Literal["adamw", "sgd"]

SGD_MOMENTUM = 0.9
"""Source: He et al. 2020, section 3.3, and the authors' code."""

_FUSED = {"cpu", "cuda"}
"""Kinds of device on which a step is one kernel; elsewhere PyTorch steps tensor by tensor."""


def build_optimizer(
    network: nn.Module, name: Optimizer, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimizer of a network's parameters; the loop sets the learning rate of each step."""
    weights = list(network.parameters())
    fused = {weight.device.type for weight in weights} <= _FUSED
    if name == "sgd":
        return torch.optim.SGD(weights, learning_rate, SGD_MOMENTUM, weight_decay=weight_decay, fused=fused)
    return torch.optim.AdamW(weights, weight_decay=weight_decay, fused=fused)
