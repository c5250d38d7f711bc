"""Batch norm folded into the convolution before it: the same answers with fewer passes over the activations."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from dr_core.models.checkpoint import LoadedModel


def fold_models(models: Mapping[str, LoadedModel]) -> dict[str, LoadedModel]:
    """Copies that only answer, for passes over many eyes; attribution and the analyses of layers take the originals.

    Args:
        models: Name -> model.

    Returns:
        Name -> the model with `fold_batch_norm` applied; another copy of the convolutions' weights is held.
    """
    return {name: replace(model, model=fold_batch_norm(model.model)) for name, model in models.items()}


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each batch norm of a network in evaluation mode into the convolution whose result it takes.

    W' = W g / sqrt(v + e) and b' = (b - m) g / sqrt(v + e) + t for each output channel, with the convolution's weights
    W and bias b, and the running mean m, running variance v, scale g, shift t and epsilon e of its batch norm.

    Args:
        network: Any network, in evaluation mode; it stays as it is.

    Returns:
        A network of the same answers, up to the rounding of float32: torchvision's ResNets and sequences of
        convolution and batch norm are folded, everything else stays. It shares all other weights with `network`.

    Source: Jacob et al. 2018, CVPR, "Quantization and training of neural networks for efficient integer-arithmetic-only
        inference", section 3.2.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    folded = copy.deepcopy(network, shared)
    for module in list(folded.modules()):
        for before, after in _pairs(module):
            conv, norm = getattr(module, before, None), getattr(module, after, None)
            if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
                setattr(module, before, fuse_conv_bn_eval(conv, norm).requires_grad_(False))
                setattr(module, after, nn.Identity())
    return folded


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the parts of a module of which the second takes what the first gives, and nothing else does."""
    if isinstance(module, ResNet | BasicBlock | Bottleneck):
        yield from (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
    elif type(module) is nn.Sequential:
        yield from pairwise(name for name, _ in module.named_children())
