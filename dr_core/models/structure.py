"""What any network consists of: its units from the input to the output, and where its feature maps are born."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models.resnet import ResNet

from dr_core.errors import InputError
from dr_core.models.heads import GradeLogits

_SEQUENCES = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def bare_network(model: nn.Module) -> nn.Module:
    """The network behind a rule for its last layer."""
    return model.network if isinstance(model, GradeLogits) else model


def is_transformer(model: nn.Module) -> bool:
    """Whether a network is one of blocks over tokens, as timm builds ViTs."""
    network = bare_network(model)
    return hasattr(network, "patch_embed") and hasattr(network, "blocks") and hasattr(network, "num_prefix_tokens")


def list_units(model: nn.Module) -> dict[str, nn.Module]:
    """Name the units of a network in the order in which it holds them: its children, and those of their sequences.

    Args:
        model: Any network.

    Returns:
        Name in the network, without what stands before it behind another head -> module: `layer1.0` of a ResNet,
        `stages.0` of a ConvNeXt, `blocks.0` of a ViT.
    """
    found: dict[str, nn.Module] = {}
    for name, child in bare_network(model).named_children():
        parts = list(child.named_children()) if isinstance(child, _SEQUENCES) else []
        if len(parts) > 1 and any(list(module.children()) for _, module in parts):
            found |= {f"{name}.{part}": module for part, module in parts}
        else:
            found[name] = child
    return found


def list_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Name the blocks of a network, the smallest of its units, from the input to the output.

    A block is a member of a sequence of modules that holds two layers with weights or more, and no such sequence of
    blocks itself: a residual block of a ResNet or of ConvNeXt, an inverted bottleneck of EfficientNet, a layer of a
    DenseNet's dense block, an attention block of a ViT. Stem and head are none.

    Args:
        model: The network, perhaps behind another head.

    Raises:
        InputError: If the model has none.
    """
    network = bare_network(model)
    members = {
        f"{path}.{name}" if path else name: module
        for path, sequence in network.named_modules()
        if isinstance(sequence, _SEQUENCES)
        for name, module in sequence.named_children()
        if not isinstance(module, _SEQUENCES) and _count_layers(module) > 1
    }
    blocks = {
        name: module for name, module in members.items() if not any(other.startswith(f"{name}.") for other in members)
    }
    if not blocks:
        raise InputError(
            f"A {type(network).__name__} has no blocks that could be named; no analysis by block is possible."
        )
    return blocks


def _count_layers(module: nn.Module) -> int:
    """Number of modules inside that have weights of their own."""
    return sum(
        1 for part in module.modules() if part is not module and any(True for _ in part.parameters(recurse=False))
    )


def _own_name(model: nn.Module, layer: str) -> str:
    """Name of a layer in the network that stands behind a rule for its last layer."""
    return layer if bare_network(model) is model else layer.removeprefix("network.")


def stage_of(model: nn.Module, layer: str) -> str:
    """Name of the part of a network that a layer belongs to.

    A ResNet's are `conv1` (with its batch norm), `layer1` to `layer4` and `fc`; of other networks those of
    `list_units`, where all that stands behind the last unit of a sequence is one part, the head.
    """
    layer = _own_name(model, layer)
    if isinstance(bare_network(model), ResNet):
        first = layer.split(".")[0]
        return "conv1" if first in ("conv1", "bn1") else first
    units = list(list_units(model))
    unit = next((name for name in units if layer == name or layer.startswith(f"{name}.")), layer)
    last = max((number for number, name in enumerate(units) if name.split(".")[-1].isdigit()), default=len(units))
    return "head" if unit in units and units.index(unit) > last else unit


def is_stem(model: nn.Module, layer: str) -> bool:
    """Whether a layer lies before the first stage or block of its network."""
    layer = _own_name(model, layer)
    if isinstance(bare_network(model), ResNet):
        return not layer.startswith("layer")
    units = list(list_units(model))
    first = next((number for number, name in enumerate(units) if name.split(".")[-1].isdigit()), 0)
    return any(layer == name or layer.startswith(f"{name}.") for name in units[:first])


@dataclass(frozen=True)
class FeatureMaps:
    """A unit's output on some images, as maps.

    Attributes:
        output: Float (N, C, h, w), or of tokens (N, T, C); the gradient may flow back from it.
        grid: Rows and columns of patches, where the output is one of tokens.
        skipped: Number of tokens before those of the patches, which are left out.
    """

    output: Tensor
    grid: tuple[int, int] | None
    skipped: int = 0

    def arrange(self, values: Tensor) -> Tensor:
        """Bring the output, or its gradient, to maps, float (N, C, h, w)."""
        if self.grid is None:
            return values
        patches = values[:, self.skipped :]
        return patches.transpose(1, 2).reshape(len(values), values.shape[2], *self.grid)


def record_maps(model: nn.Module, images: Tensor, least_side: int) -> tuple[FeatureMaps | None, Tensor]:
    """Run a network and keep the maps of its last unit that has maps as large as asked; the last ones if none has.

    Of a network of tokens these are the tokens that enter the last block's attention: behind it only some of them are
    read by the last layer.

    Args:
        model: The network in evaluation mode.
        images: Float (N, 3, H, W).
        least_side: Least height and width of the maps.

    Returns:
        The maps, None where no unit gives any, and the logits, float (N, classes).
    """
    network = bare_network(model)
    tokens = is_transformer(network)
    units = {"tokens": network.blocks[-1].norm1} if tokens else list_units(model)  # type: ignore[index,union-attr]
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == (3 if tokens else 4):
            kept.append(output)

    handles = [unit.register_forward_hook(keep) for unit in units.values()]
    try:
        logits = model(images)
    finally:
        for handle in handles:
            handle.remove()
    if tokens:
        side = _grid(network, images)
        return FeatureMaps(kept[0], side, int(network.num_prefix_tokens)) if kept else None, logits  # type: ignore[arg-type]
    maps = [one for one in kept if min(one.shape[2:]) > 1]
    fine = [one for one in maps if min(one.shape[2:]) >= least_side] or maps or kept
    return FeatureMaps(fine[-1], None) if fine else None, logits


def _grid(network: nn.Module, images: Tensor) -> tuple[int, int]:
    rows, columns = torch.tensor(network.patch_embed.patch_size).tolist()  # type: ignore[union-attr]
    return images.shape[2] // rows, images.shape[3] // columns
