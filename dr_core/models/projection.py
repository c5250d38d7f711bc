"""What pretraining methods put on an encoder, and how one network follows another."""

import math

import torch
from torch import Tensor, nn

from dr_core.errors import InputError


def take_off_head(network: nn.Module, head: str) -> int:
    """Replace the last layer of a network by the identity, so that it gives its features, in place.

    Args:
        network: A network whose last layer is linear.
        head: Path of that layer, such as `"fc"`.

    Returns:
        Number of features that entered it.

    Raises:
        InputError: If the layer is not linear.
    """
    last = network.get_submodule(head)
    if not isinstance(last, nn.Linear):
        raise InputError(f"The last layer {head!r} of the network must be linear, not {type(last).__name__}.")
    network.set_submodule(head, nn.Identity())
    return last.in_features


def build_mlp(inputs: int, hidden: int, outputs: int, *, normalize_output: bool = False) -> nn.Sequential:
    """Two linear layers with batch norm and ReLU between them.

    Args:
        inputs: Number of features.
        hidden: Width between the layers.
        outputs: Length of the result.
        normalize_output: Whether batch norm follows the second layer, too, in place of its bias.
    """
    layers = [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
    last = nn.Linear(hidden, outputs, bias=not normalize_output)
    return nn.Sequential(*layers, last, *([nn.BatchNorm1d(outputs)] if normalize_output else []))


@torch.no_grad()
def follow_weights(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Move the weights of a network toward those of another, in place: xi <- tau xi + (1 - tau) theta.

    Args:
        target: The network that follows, xi.
        online: The network that is trained, theta, of the same architecture.
        momentum: tau, 0..1.

    Source: Grill et al. 2020, arXiv:2006.07733, section 3.1; He et al. 2020, eq. 2.
    """
    own: list[Tensor] = list(target.parameters())
    torch._foreach_lerp_(own, [weight.detach() for weight in online.parameters()], 1.0 - momentum)


def raise_momentum(base: float, progress: float) -> float:
    """Momentum that rises to 1 along a cosine: tau = 1 - (1 - tau_base) (cos(pi k / K) + 1) / 2.

    Args:
        base: tau_base, momentum of the first step.
        progress: k / K, share of the steps that are done, 0..1.

    Source: Grill et al. 2020, arXiv:2006.07733, section 3.3; the same in Caron et al. 2021, section 3.1.
    """
    return 1.0 - (1.0 - base) * (math.cos(math.pi * progress) + 1.0) / 2.0


def record_input(network: nn.Module, head: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """What enters a layer of a network, and what the network gives.

    Args:
        network: The network.
        head: Path of the layer.
        images: Float (N, 3, S, S).

    Returns:
        Float (N, C) and float (N, D).
    """
    found: list[Tensor] = []
    hook = network.get_submodule(head).register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        outputs: Tensor = network(images)
    finally:
        hook.remove()
    return found[0], outputs
