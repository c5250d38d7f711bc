"""What an attribution method asks of a network, and what a network lacks for it."""

from collections.abc import Callable
from typing import Literal

from torch import nn
from zennit.types import AvgPool, BatchNorm, Linear, MaxPool

from dr_core.analysis.attribution import attn_lrp
from dr_core.models.structure import bare_network, is_transformer

Need = Literal["any network", "ReLU", "layers known to LRP", "layers known to AttnLRP", "feature maps", "attention"]
"""What a rule asks of the network."""


def _lack_nothing(model: nn.Module) -> None:
    return None


def _lack_relu(model: nn.Module) -> str | None:
    return None if any(isinstance(module, nn.ReLU) for module in model.modules()) else "it has no ReLU"


def _lack_maps(model: nn.Module) -> str | None:
    network = bare_network(model)
    if is_transformer(network):
        return None
    if hasattr(network, "patch_embed"):
        return f"where the maps of a {type(network).__name__} are is not known"
    found = any(isinstance(module, nn.Conv2d) for module in network.modules())
    return None if found else "it has no convolution, whose maps could be taken"


def _lack_attention(model: nn.Module) -> str | None:
    network = bare_network(model)
    if not is_transformer(network):
        return f"a {type(network).__name__} has no attention over patches"
    return attn_lrp.why_unfit(network)


_LRP_KNOWS = (Linear, BatchNorm, AvgPool, MaxPool, nn.ReLU, nn.ReLU6, nn.Dropout, nn.Flatten, nn.Identity)
"""Layers through which zennit's rules pass relevance on; of activations those that let positive values pass as such."""


def _lack_lrp(model: nn.Module) -> str | None:
    layers = [module for module in model.modules() if not list(module.children())]
    strange = sorted({type(layer).__name__ for layer in layers if not isinstance(layer, _LRP_KNOWS)})
    if strange:
        return f"it has layers that LRP has no rule for ({', '.join(strange)})"
    return None if any(isinstance(layer, Linear) for layer in layers) else "it has no convolution or linear layer"


LACKS: dict[Need, Callable[[nn.Module], str | None]] = {
    "any network": _lack_nothing,
    "ReLU": _lack_relu,
    "layers known to LRP": _lack_lrp,
    "layers known to AttnLRP": attn_lrp.why_unfit,
    "feature maps": _lack_maps,
    "attention": _lack_attention,
}
"""Need -> what a network lacks for it, a clause, or None."""
