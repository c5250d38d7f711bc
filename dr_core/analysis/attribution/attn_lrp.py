"""AttnLRP: layer-wise relevance propagation through attention, normalization and smooth activations.

Relevance is propagated as gradient times value in a network whose layers have been told how to pass it on: R = x g,
where g is the slope after these changes (Achtibat et al. 2024, appendix A.1). Softmax, sums, and linear layers with the
epsilon rule need none: there gradient times value is the rule itself.

Source: Achtibat et al. 2024, ICML, arXiv:2402.05602. Gates as constants: Arras et al. 2017, arXiv:1706.07206.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.analysis.attribution.feature_maps import split_heads
from dr_core.analysis.attribution.libraries import Start
from dr_core.errors import InputError

ACTIVATIONS = ("ReLU", "ReLU6", "GELU", "GELUTanh", "SiLU", "QuickGELU")
"""Activations that are 0 at 0, by the names of torch's and timm's classes."""

_NORMS = ("LayerNorm", "LayerNorm2d")
_BATCH_NORMS = ("BatchNorm2d", "BatchNormAct2d", "FrozenBatchNorm2d")
_PLAIN = (
    *("Conv2d", "Linear", "Identity", "Dropout", "DropPath", "LayerScale", "LayerScale2d", "Flatten"),
    *("AvgPool2d", "AdaptiveAvgPool2d", "MaxPool2d", "BlurPool2d", "PatchDropout"),
)
"""Layers through which gradient times value is a rule already: linear ones, and those that choose a value."""

CONSERVED_WITHIN = 0.05
"""How far what arrives, with what biases and softmax absorb, may lie from what it started with."""

PATCH_GAMMA, LINEAR_GAMMA = 0.25, 0.05
"""Strength of the gamma rule in convolutions and in linear layers."""


class AttnLrp:
    """AttnLRP through a private network, one eye after another.

    Args:
        model: A private network in evaluation mode; its layers are changed.
        gamma: Whether linear layers follow the gamma rule, against noise; otherwise the epsilon rule.
    """

    def __init__(self, model: nn.Module, gamma: bool = False) -> None:
        self.model = model
        self._constants: list[Tensor] = []
        self._softmax: list[tuple[Tensor, Tensor]] = []
        for module in list(model.modules()):
            self._teach(module, gamma)
        names = ("pos_embed", "cls_token", "reg_token")
        self._constants += [
            parameter.requires_grad_(True)
            for name, parameter in model.named_parameters()
            if name.endswith("bias") or name.split(".")[-1] in names
        ]

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = x g, where g starts with the slope that makes the relevance at the output what `start` says."""
        return torch.cat([self._explain(images[n : n + 1], n, len(images), start) for n in range(len(images))])

    def _explain(self, image: Tensor, number: int, count: int, start: Start) -> Tensor:
        self._softmax.clear()
        with torch.enable_grad():
            image = image.clone().requires_grad_(True)
            logits = self.model(image)
            weights = start(logits.detach().expand(count, -1))[number : number + 1]
            wanted = [image, *self._constants, *(one for pair in self._softmax for one in pair)]
            slopes = torch.autograd.grad(
                logits, wanted, _divide(weights, logits.detach()), allow_unused=True, materialize_grads=True
            )
        relevance = image.detach() * slopes[0]
        self._check(relevance, wanted, slopes, float(weights.double().sum()), float(weights.abs().sum()))
        return relevance

    def _check(
        self, relevance: Tensor, wanted: list[Tensor], slopes: tuple[Tensor, ...], started: float, scale: float
    ) -> None:
        """Raise InputError where relevance has been lost or made on the way: a layer that does not pass it on."""
        parts = [float((value.detach() * slope).double().sum()) for value, slope in zip(wanted, slopes, strict=True)]
        known = 1 + len(self._constants)
        absorbed = sum(parts[1:known]) + sum(parts[known + 1 :: 2]) - sum(parts[known::2])
        arrived = float(relevance.double().sum()) + absorbed
        if not abs(arrived - started) <= CONSERVED_WITHIN * max(scale, 1.0):
            raise InputError(
                f"No answer from AttnLRP, because of relevance {started:.3g} at the output {arrived:.3g} arrives in "
                f"this {type(self.model).__name__}; choose a method that follows the gradient or occludes."
            )

    def _teach(self, module: nn.Module, gamma: bool) -> None:
        """Change how a layer passes relevance on."""
        kind = type(module).__name__
        forward: Callable[..., Any] | None = None
        if kind in ACTIVATIONS:
            forward = functools.partial(_activate, module.forward)
        elif kind in _NORMS:
            forward = functools.partial(_normalize, module, 1 if kind == "LayerNorm2d" else -1)
        elif kind in _BATCH_NORMS:
            forward = functools.partial(_scale, module, self._shift_of(module))
        elif _is_attention(module):
            forward = functools.partial(_attend, module, self._softmax)
        elif _is_gate(module):
            forward = functools.partial(_gate, module.forward)
        elif gamma and isinstance(module, nn.Linear | nn.Conv2d):
            forward = functools.partial(_linear_gamma, module)
        if forward is not None:
            module.forward = forward

    def _shift_of(self, module: nn.Module) -> Tensor:
        """What a batch norm adds after scaling, a constant that absorbs relevance."""
        scale = _batch_scale(module)
        mean, bias = module.running_mean, module.bias
        assert isinstance(mean, Tensor)  # for the type checker: `why_unfit` has looked
        shift = (bias.detach() if isinstance(bias, Tensor) else 0) - mean * scale
        self._constants.append(shift.requires_grad_(True))
        return shift


def why_unfit(model: nn.Module) -> str | None:
    """Say which layers AttnLRP has no rule for, or None if it knows all."""
    inside = {id(part) for module in model.modules() if _is_gate(module) for part in module.modules()}
    known = {*ACTIVATIONS, *_NORMS, *_BATCH_NORMS, *_PLAIN}
    leaves = [module for module in model.modules() if not list(module.children()) and id(module) not in inside]
    strange = sorted({type(module).__name__ for module in leaves} - known)
    strange += sorted({type(module).__name__ for module in model.modules() if _strange_attention(module)})
    if strange:
        return f"it has layers that AttnLRP has no rule for ({', '.join(strange)})"
    if any(type(module).__name__ in _BATCH_NORMS and module.running_mean is None for module in model.modules()):
        return "it has a batch norm without statistics"
    return None


def _is_attention(module: nn.Module) -> bool:
    """Whether a module is timm's plain attention over tokens."""
    parts = all(hasattr(module, name) for name in ("qkv", "proj", "num_heads", "scale", "q_norm", "k_norm"))
    return type(module).__name__ == "Attention" and parts and getattr(module, "gate", None) is None


def _strange_attention(module: nn.Module) -> bool:
    return "Attention" in type(module).__name__ and not _is_attention(module)


def _is_gate(module: nn.Module) -> bool:
    """Whether a module weighs channels by a gate, as squeeze-and-excitation does."""
    return type(module).__name__ in ("SqueezeExcite", "SqueezeExcitation", "SEModule")


def _divide(weights: Tensor, values: Tensor) -> Tensor:
    """Weights over values; 0 where there is nothing to be shared out."""
    return torch.where(values == 0, torch.zeros_like(weights), weights / torch.where(values == 0, 1, values))


def _activate(activate: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Identity rule: all relevance of f(x) goes to x. Source: Achtibat et al. 2024, eq. 9."""
    with torch.no_grad():
        ratio = _divide(activate(x.clone()), x)
    return x * ratio


def _normalize(module: Any, dim: int, x: Tensor) -> Tensor:  # noqa: ANN401 - torch's layer norm or timm's
    """Layer norm whose deviation is a constant. Source: Achtibat et al. 2024, proposition 3.4."""
    centered = x - x.mean(dim=dim, keepdim=True)
    scaled = centered / (centered.detach().square().mean(dim=dim, keepdim=True) + module.eps).sqrt()
    shape = (-1, *(1,) * (x.dim() - 2)) if dim == 1 else (-1,)
    scaled = scaled if module.weight is None else scaled * module.weight.view(shape)
    result: Tensor = scaled if module.bias is None else scaled + module.bias.view(shape)
    return result


def _batch_scale(module: Any) -> Tensor:  # noqa: ANN401 - torch's batch norm or timm's
    scale: Tensor = (module.running_var + module.eps).rsqrt()
    return scale.detach() if module.weight is None else scale * module.weight.detach()


def _scale(module: Any, shift: Tensor, x: Tensor) -> Tensor:  # noqa: ANN401
    """Batch norm as what it is in evaluation mode; timm's is followed by its activation."""
    scaled = x * _batch_scale(module)[:, None, None] + shift[:, None, None]
    act = getattr(module, "act", None)
    return scaled if act is None else act(scaled)


def _attend(module: Any, kept: list[tuple[Tensor, Tensor]], x: Tensor, **_options: object) -> Tensor:  # noqa: ANN401
    """Attention whose products share relevance equally. Source: Achtibat et al. 2024, propositions 3.1 and 3.3."""
    count, tokens, _ = x.shape
    query, key, value = split_heads(module, module.qkv(x))
    logits = _halve(query) * module.scale @ _halve(key).mT
    shares = torch.softmax(logits, dim=-1)
    kept.append((logits, shares))
    mixed = (_halve(shares) @ _halve(value)).transpose(1, 2).reshape(count, tokens, -1)
    result: Tensor = module.proj(getattr(module, "norm", nn.Identity())(mixed))
    return result


def _halve(x: Tensor) -> Tensor:
    """The same values with half of the gradient: a product has two factors. Source: Achtibat et al. 2024, eq. 13."""
    return x / 2 + (x / 2).detach()


def _gate(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A gate is a constant: all relevance goes to what it weighs. Source: Arras et al. 2017, section 3.1."""
    with torch.no_grad():
        ratio = _divide(forward(x.clone()), x)
    return x * ratio


def _linear_gamma(module: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - a linear layer or a convolution
    if isinstance(module, nn.Linear):
        return _Gamma.apply(x, module.weight, module.bias, LINEAR_GAMMA, F.linear)  # type: ignore[no-any-return]
    convolve = functools.partial(
        F.conv2d, stride=module.stride, padding=module.padding, dilation=module.dilation, groups=module.groups
    )
    return _Gamma.apply(x, module.weight, module.bias, PATCH_GAMMA, convolve)  # type: ignore[no-any-return]


class _Gamma(torch.autograd.Function):
    """A linear layer whose contributions of the output's own sign are strengthened.

    With x = x+ + x-, w' = w + gamma max(w, 0) and w'' = w + gamma min(w, 0): where z > 0, R_i = sum over j of
    (x_i+ w'_ij + x_i- w''_ij) / z'_j R_j, with z' the sum of these and the bias; where z < 0 with w' and w'' exchanged.

    Source: Montavon et al. 2019, LNCS 11700, section 10.2.1; for both signs Andeol et al. 2021 as zennit has it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, gamma: float, apply: Any) -> Tensor:  # noqa: ANN401
        result: Tensor = apply(x, weight, bias)
        ctx.save_for_backward(x, weight, bias, result)
        ctx.gamma, ctx.linear = gamma, apply
        return result

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, weight, bias, result = ctx.saved_tensors
        found, of_bias = torch.zeros_like(x), None if bias is None else torch.zeros_like(bias)
        for positive in (True, False):
            part, part_of_bias = _share(ctx.linear, ctx.gamma, (x, weight, bias), (result, slopes[0]), positive)
            found = found + part
            of_bias = None if of_bias is None else of_bias + part_of_bias
        return found, None, of_bias, None, None


def _share(
    linear: Callable[..., Tensor],
    gamma: float,
    layer: tuple[Tensor, Tensor, Tensor | None],
    outgoing: tuple[Tensor, Tensor],
    positive: bool,
) -> tuple[Tensor, Tensor | float]:
    """Slopes on input and bias of a layer by the outputs of one sign, so that value times slope is relevance."""
    (x, weight, bias), (result, slope) = layer, outgoing
    strong, weak = (
        weight + gamma * (weight.clamp(min=0) if up else weight.clamp(max=0)) for up in (positive, not positive)
    )
    with torch.enable_grad():
        above, below = (one.detach().requires_grad_(True) for one in (x.clamp(min=0), x.clamp(max=0)))
        added = None
        if bias is not None:
            own = bias.clamp(min=0) if positive else bias.clamp(max=0)
            added = (bias + gamma * own).detach().requires_grad_(True)
        total = linear(above, strong, added) + linear(below, weak)
        chosen = result > 0 if positive else result <= 0
        start = torch.where(chosen, _divide(slope * result, total.detach()), 0)
        slopes = torch.autograd.grad(total, [above, below, *([] if added is None else [added])], start)
    found = torch.where(x > 0, slopes[0], slopes[1])
    return found, 0.0 if bias is None or added is None else _divide(slopes[2] * added.detach(), bias)
