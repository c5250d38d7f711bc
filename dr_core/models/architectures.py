"""Backbones: torchvision's ResNet-50, and a slim one of the same depth that a laptop can train."""

from collections.abc import Callable

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from dr_core.errors import InputError


class SlimResNet50(ResNet):  # type: ignore[misc]  # torchvision has no types
    """ResNet-50 with a quarter of the channels in every block, the first convolution as wide as ever.

    The depth, the order of layers and the 64 channels of the first convolution are those of ResNet-50, so that every
    analysis by layer applies; 1.5 million parameters instead of 25.6. One layer is missing: the first block needs no
    projection, since 64 channels enter and leave it.
    """

    SLIMMING = 4

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__(Bottleneck, [3, 4, 6, 3], num_classes=num_classes)
        self.fc = nn.Linear(512 * Bottleneck.expansion // self.SLIMMING, num_classes)

    def _make_layer(self, block: type, planes: int, *args: int, **options: int) -> nn.Sequential:
        layer: nn.Sequential = super()._make_layer(block, planes // self.SLIMMING, *args, **options)
        return layer


def _resnet50(num_classes: int) -> ResNet:
    return ResNet(Bottleneck, [3, 4, 6, 3], num_classes=num_classes)


ARCHITECTURES: dict[str, Callable[[int], ResNet]] = {
    "resnet50": _resnet50,
    "resnet50_slim": SlimResNet50,
}
"""The registry: name -> a function of the number of classes that builds the network with random weights."""


def build_backbone(arch: str, classes: int, seed: int = 0) -> ResNet:
    """Build a backbone with random weights.

    Args:
        arch: A key of `ARCHITECTURES`.
        classes: Number of outputs of the last layer.
        seed: Seed of the weights; the same seed gives the same weights, and no global state is changed.

    Returns:
        The network, float32, in training mode, on the CPU.

    Raises:
        InputError: If the architecture is unknown.
    """
    if arch not in ARCHITECTURES:
        raise InputError(f"The architecture must be one of {', '.join(ARCHITECTURES)}, not {arch!r}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[arch](classes)


def replace_head(model: ResNet, classes: int, seed: int = 0) -> ResNet:
    """Give a backbone a new, randomly initialized last layer, in place.

    Args:
        model: A network of this module, or its like with an `fc` of type `nn.Linear` or an MLP that begins with one.
        classes: Number of outputs of the new layer.
        seed: Seed of the new layer's weights.

    Returns:
        The same network.
    """
    features = feature_count(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.fc = nn.Linear(features, classes)
    return model


def feature_count(model: ResNet) -> int:
    """Number of pooled features that enter the last layer."""
    first = model.fc[0] if isinstance(model.fc, nn.Sequential) else model.fc
    assert isinstance(first, nn.Linear)  # for the type checker: both heads begin so
    return first.in_features
