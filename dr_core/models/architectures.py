"""Architectures: torchvision's ResNets, a slim one that a laptop can train, and any of timm's where it is installed."""

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from dr_core.errors import InputError
from dr_core.models.seeded import seeded
from dr_core.registry import Registry

Family = Literal["resnet", "convolutional", "transformer"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network's structure.

    Attributes:
        name: Name in checkpoints, options and study.toml, such as `"resnet50"` or `"timm/convnext_tiny"`.
        label: Name for people.
        family: `"resnet"`: torchvision's ResNet, which the fast attribution engine knows; `"convolutional"`: other
            networks of convolutions; `"transformer"`: networks of tokens.
        build: Number of classes and side of the input in pixels -> the network with random weights.
        head: Path of the last layer inside the network, such as `"fc"`.
    """

    name: str
    label: str
    family: Family
    build: Callable[[int, int], nn.Module]
    head: str = "fc"


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

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        result: nn.Sequential = super()._make_layer(block, planes // self.SLIMMING, blocks, stride, dilate)
        return result


def _resnet(block: type[BasicBlock | Bottleneck], *depths: int) -> Callable[[int, int], nn.Module]:
    return lambda classes, _size: ResNet(block, list(depths), num_classes=classes)


def _add_resnet(name: str, label: str, build: Callable[[int, int], nn.Module]) -> Architecture:
    return Architecture(name=name, label=label, family="resnet", build=build)


ARCHITECTURES: Registry[Architecture] = Registry(
    "architecture",
    (
        _add_resnet("resnet50", "ResNet-50", _resnet(Bottleneck, 3, 4, 6, 3)),
        _add_resnet("resnet50_slim", "slim ResNet-50", lambda classes, _size: SlimResNet50(classes)),
        _add_resnet("resnet18", "ResNet-18", _resnet(BasicBlock, 2, 2, 2, 2)),
        _add_resnet("resnet34", "ResNet-34", _resnet(BasicBlock, 3, 4, 6, 3)),
        _add_resnet("resnet101", "ResNet-101", _resnet(Bottleneck, 3, 4, 23, 3)),
    ),
)
"""The architectures that need no further package, the paper's first. Source: paper, section 3.2; He et al. 2016."""

TIMM = "timm/"
"""What the name of one of timm's architectures begins with."""


def find_architecture(name: str) -> Architecture:
    """Look an architecture up.

    Args:
        name: Key of `ARCHITECTURES`, or `timm/` and the name of one of timm's models, such as `timm/convnext_tiny`;
            behind a colon how its features are pooled, where that is not timm's own way for it, such as
            `timm/vit_large_patch16_224:avg`.

    Raises:
        InputError: If there is none of this name, timm is not installed, or the network cannot be pooled so.
    """
    if name in ARCHITECTURES or not name.startswith(TIMM):
        return ARCHITECTURES.find(name)
    if importlib.util.find_spec("timm") is None:
        raise InputError(f"The architecture {name} needs the package timm; install it with: pip install timm.")
    return _describe_timm(name)


@lru_cache(maxsize=64)
def _describe_timm(name: str) -> Architecture:
    """One of timm's architectures, described from its published configuration; no weights are fetched."""
    import timm

    model, _, pool = name.removeprefix(TIMM).partition(":")
    config = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    if config is None:
        near = timm.list_models(f"*{model.split('.')[0][:12]}*")[:3]
        raise InputError(f"timm knows no model {model!r}{'; near to it are ' + ', '.join(near) if near else ''}.")
    sized = bool(config.fixed_input_size)

    def build(classes: int, size: int) -> nn.Module:
        options: dict[str, Any] = {"img_size": size} if sized else {}
        options |= {"global_pool": pool} if pool else {}
        network: nn.Module = timm.create_model(model, num_classes=classes, **options)
        return network

    try:
        with torch.device("meta"):
            transformer = hasattr(build(1, config.input_size[-1]), "patch_embed")
    except (AssertionError, TypeError, ValueError) as error:
        raise InputError(
            f"timm cannot pool {model!r} by {pool!r} ({error}); leave out what is behind the colon."
        ) from error
    heads = config.classifier or "head"
    head = heads if isinstance(heads, str) else heads[0]
    family: Family = "transformer" if transformer else "convolutional"
    return Architecture(
        name=name, label=f"{model}{f', {pool} pooling' if pool else ''} (timm)", family=family, build=build, head=head
    )


def build_network(arch: str, classes: int, seed: int = 0, size: int = 224) -> nn.Module:
    """Build a network with random weights.

    Args:
        arch: As in `find_architecture`.
        classes: Number of outputs of the last layer.
        seed: Seed of the weights; the same seed gives the same weights, and no global state is changed.
        size: Side of the input in pixels, for architectures that are built for one.

    Returns:
        The network, float32, in training mode, on the CPU.

    Raises:
        InputError: As `find_architecture`.
    """
    known = find_architecture(arch)
    with seeded(seed):
        return known.build(classes, size)


def build_backbone(arch: str, classes: int, seed: int = 0) -> ResNet:
    """Build a ResNet with random weights; as `build_network`.

    Raises:
        InputError: If the architecture is unknown or no ResNet.
    """
    network = build_network(arch, classes, seed)
    if not isinstance(network, ResNet):
        raise InputError(f"{find_architecture(arch).label} is no ResNet, which this needs.")
    return network


def build_without_weights(arch: str, classes: int, size: int) -> nn.Module:
    """Build a network without memory for its weights, into which a file's tensors are assigned.

    A network that holds tensors which its state dict lacks (tables of positions, say) is built with them, since nothing
    would assign those.

    Raises:
        InputError: As `find_architecture`.
    """
    empty = _build_empty(arch, classes, size)
    return find_architecture(arch).build(classes, size) if empty is None else copy.deepcopy(empty)


@lru_cache(maxsize=8)
def _build_empty(arch: str, classes: int, size: int) -> nn.Module | None:
    """A network on the device `meta`, kept since each of its layers takes time; None where it holds other tensors."""
    with torch.device("meta"), _Uninitialized():
        network = find_architecture(arch).build(classes, size)
    stored = network.state_dict()
    return network if all(name in stored for name, _ in network.named_buffers()) else None


class _Uninitialized(TorchFunctionMode):
    """While it is open, weights are not drawn: without memory there is nothing to fill."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function gives
        if getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


def replace_head(model: nn.Module, classes: int, seed: int = 0, head: str = "fc") -> nn.Module:
    """Give a network a new, randomly initialized last layer, in place.

    Args:
        model: A network whose last layer is an `nn.Linear`, or an MLP that begins with one.
        classes: Number of outputs of the new layer.
        seed: Seed of the new layer's weights.
        head: Path of the last layer.

    Returns:
        The same network.
    """
    features = feature_count(model, head)
    with seeded(seed):
        model.set_submodule(head, nn.Linear(features, classes))
    return model


def feature_count(model: nn.Module, head: str = "fc") -> int:
    """Number of pooled features that enter the last layer.

    Raises:
        InputError: If that is not linear.
    """
    last = model.get_submodule(head)
    first = last[0] if isinstance(last, nn.Sequential) else last
    if not isinstance(first, nn.Linear):
        raise InputError(f"The last layer of the network must be linear, not {type(first).__name__}.")
    return first.in_features
