"""LRP alpha1-beta0 for ResNets, fast: one extra forward and one data-backward for each convolution.

The network is copied once, batch norm folded into the convolutions and their positive weights kept. Every operation of
the copy then knows how relevance passes back through it, and autograd walks them. Nothing is changed after that, so one
copy serves many threads.

Source: Bach et al. 2015, PLoS ONE 10(7):e0130140, eq. 60 with alpha 1, beta 0; treatment of residual sums and poolings
as in zennit 0.5.1 (Anders et al. 2021, arXiv:2106.13200): a sum shares relevance out by its terms, max pooling passes
it to the maximum, average pooling by shares, ReLU lets it pass.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from dr_core.analysis.attribution.libraries import Start

STABILIZER = 1e-6
"""Added to every denominator with its sign, as zennit does."""


def why_unknown(model: nn.Module) -> str | None:
    """Say why the fast engine does not know a model, or None if it does: a ResNet of torchvision's blocks."""
    if not isinstance(model, ResNet):
        return f"it is a {type(model).__name__}, not a ResNet of torchvision"
    if model.conv1.groups != 1:
        return "its first convolution has groups"
    blocks = [block for stage in _stages(model) for block in stage]
    strange = [block for block in blocks if type(block) not in (BasicBlock, Bottleneck)]
    if strange:
        return f"it has blocks of the type {type(strange[0]).__name__}"
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if any(norm.running_var is None or not norm.affine for norm in norms):
        return "it has batch norms without statistics or weights of their own"
    modules = {type(module) for module in model.modules()} - _KNOWN - {type(model)}
    return f"it has layers of the type {modules.pop().__name__}" if modules else None


_KNOWN = {
    *(nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Linear, nn.Sequential),
    *(BasicBlock, Bottleneck),
}


def _stages(model: ResNet) -> list[nn.Sequential]:
    return [model.layer1, model.layer2, model.layer3, model.layer4]


class Alpha1Beta0(nn.Module):
    """A private copy of a ResNet through which relevance can be sent back.

    Args:
        model: A network for which `why_unknown` is None; it is not changed.
    """

    def __init__(self, model: ResNet) -> None:
        super().__init__()
        self.first = _FirstConvolution(model.conv1, model.bn1)
        self.pool = nn.MaxPool2d(
            model.maxpool.kernel_size, model.maxpool.stride, model.maxpool.padding, model.maxpool.dilation
        )
        self.blocks = nn.Sequential(*(_Block(block) for stage in _stages(model) for block in stage))
        self.last = _Linear(model.fc)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor, keep: bool = False) -> Tensor:
        """Logits, float (N, classes), of inputs (N, 3, H, W); `keep` the denominators for further backward passes."""
        features = self.pool(_relu(self.first(images, keep)))
        features = features.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            features = block(features, keep)
        result: Tensor = self.last(_MeanPool.apply(features))
        return result

    @torch.enable_grad()
    def attribute(self, images: Tensor, starts: Sequence[Start]) -> list[Tensor]:
        """Send relevance back from the outputs, several times after one forward pass.

        The positive contributions z+ are computed in the first backward pass and kept for the others, which then cost
        one convolution a layer instead of three.

        Args:
            images: Float (N, 3, H, W), the model's inputs.
            starts: What the relevance starts from, one for each map.

        Returns:
            Relevance, (N, 3, H, W), for each start.
        """
        images = images.detach().clone(memory_format=torch.contiguous_format)
        images.requires_grad_(True)
        logits = self(images, keep=len(starts) > 1)
        maps = []
        for number, start in enumerate(starts, start=1):
            weights = start(logits.detach())
            (relevance,) = torch.autograd.grad(logits, images, weights, retain_graph=number < len(starts))
            maps.append(relevance.contiguous())
        return maps


class _Block(nn.Module):
    """A basic or bottleneck block; relevance of its sum is shared out by its two terms."""

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        depth = 3 if isinstance(block, Bottleneck) else 2
        self.convolutions = nn.ModuleList(
            _Convolution(getattr(block, f"conv{n}"), getattr(block, f"bn{n}")) for n in range(1, depth + 1)
        )
        self.projection = None if block.downsample is None else _Convolution(*block.downsample)

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        out = x
        for convolution in self.convolutions[:-1]:
            out = _relu(convolution(out, keep))
        out = self.convolutions[-1](out, keep)
        return _relu(_Sum.apply(x if self.projection is None else self.projection(x, keep), out))


class _Convolution(nn.Module):
    """A convolution with its batch norm folded in, fed by values >= 0.

    Zennit's canonizer leaves a batch norm of mean 0 and variance 1 behind, which still divides by sqrt(1 + eps). The
    forward pass does so as well: residual sums cancel, and 5e-6 a layer would grow to 1e-3 in a map.
    """

    stabilizer = STABILIZER  # no term of z+ is negative, so that its stabilizer can be a part of its bias

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        weight, bias = self.weight_and_bias(convolution, norm)
        weight = weight.contiguous(memory_format=torch.channels_last)
        left_over = (1 + norm.eps) ** -0.5
        self.register_buffer("weight", weight * left_over)
        self.register_buffer("bias", bias * left_over)
        self.register_buffer("positive_weight", weight.clamp(min=0))
        self.register_buffer("positive_bias", bias.clamp(min=0) + self.stabilizer)
        self.geometry = (convolution.stride, convolution.padding, convolution.dilation, convolution.groups)

    @staticmethod
    def weight_and_bias(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
        """Fold the batch norm in, as zennit computes it."""
        assert norm.running_var is not None  # for the type checker: why_unknown has seen both
        assert norm.running_mean is not None
        scale = norm.weight / (norm.running_var + norm.eps) ** 0.5
        offset = torch.zeros_like(scale) if convolution.bias is None else convolution.bias
        bias = ((offset - norm.running_mean) * scale + norm.bias).detach()
        return (convolution.weight * scale[:, None, None, None]).detach(), bias

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        result: Tensor = _PositiveConvolution.apply(
            x, self.weight, self.bias, self.positive_weight, self.positive_bias, self.geometry, keep
        )
        return result


class _FirstConvolution(_Convolution):
    """The first convolution, whose inputs have both signs: negative ones count where their weights are negative.

    Its forward pass is computed in zennit's very order and memory layout: in the black surround of an eye all values
    are alike, and rounding decides which of them max pooling takes for the largest.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__(convolution, norm)
        self.weight, self.bias = self.weight_and_bias(convolution, norm)
        self.register_buffer("signed_weight", torch.cat((self.weight.clamp(min=0), self.weight.clamp(max=0)), dim=1))
        self.register_buffer("zeros", torch.zeros_like(self.bias))
        self.register_buffer("ones", torch.ones_like(self.bias))
        self.eps = norm.eps

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        signed = (self.signed_weight, self.positive_bias)
        norm = (self.zeros, self.ones, self.ones, self.zeros, False, 0.0, self.eps)
        result: Tensor = _SignedConvolution.apply(x, self.weight, self.bias, *signed, norm, self.geometry, keep)
        return result


class _Linear(nn.Module):
    """The last layer, fed by values >= 0."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        bias = torch.zeros(len(linear.weight)) if linear.bias is None else linear.bias.detach()
        self.register_buffer("weight", linear.weight.detach().clone())
        self.register_buffer("bias", bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _PositiveLinear.apply(x, self.weight, self.bias)
        return result


def _stabilize(z: Tensor) -> Tensor:
    """Move values away from 0 by `STABILIZER`, 0 itself upwards; changes its argument."""
    return z.add_(torch.copysign(torch.full((), STABILIZER, dtype=z.dtype, device=z.device), z))


def _send_back(share: Tensor, x: Tensor, weight: Tensor, geometry: tuple[Any, ...]) -> Tensor:
    """The data-backward of a convolution: float like x."""
    stride, padding, dilation, groups = geometry
    back, _, _ = torch.ops.aten.convolution_backward(
        share, x, weight, None, stride, padding, dilation, False, [0, 0], groups, [True, False, False]
    )
    result: Tensor = back
    return result


def _shares(ctx: Any, relevance: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401
    """R / z+, with the z+ of an earlier backward pass where there was one."""
    if ctx.z is not None:
        result: Tensor = relevance / ctx.z
        return result
    z = F.conv2d(x, weight, bias, *ctx.geometry)
    if not ctx.keep:
        return torch.div(relevance, z, out=z)
    ctx.z = z
    return relevance / z


class _PositiveConvolution(torch.autograd.Function):
    """z+ = sum w+ a + b+;  R_a = a sum w+ R / z+."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *positive: Any) -> Tensor:  # noqa: ANN401
        positive_weight, positive_bias, ctx.geometry, ctx.keep = positive
        ctx.z = None
        ctx.save_for_backward(x, positive_weight, positive_bias)
        return F.conv2d(x, weight, bias, *ctx.geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, weight, bias = ctx.saved_tensors
        share = _shares(ctx, relevance, x, weight, bias)
        return _send_back(share, x, weight, ctx.geometry).mul_(x), *[None] * 6


class _SignedConvolution(torch.autograd.Function):
    """As before, with negative inputs times negative weights beside positive inputs times positive ones."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *signed: Any) -> Tensor:  # noqa: ANN401
        signed_weight, positive_bias, norm, ctx.geometry, ctx.keep = signed
        ctx.z = None
        ctx.save_for_backward(x, signed_weight, positive_bias)
        return F.batch_norm(F.conv2d(x, weight, bias, *ctx.geometry), *norm)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, weight, bias = ctx.saved_tensors
        both = torch.cat((x.clamp(min=0), x.clamp(max=0)), dim=1)
        share = _shares(ctx, relevance, both, weight, bias)
        above, below = _send_back(share, both, weight, ctx.geometry).mul_(both).chunk(2, dim=1)
        return above + below, *[None] * 7


class _PositiveLinear(torch.autograd.Function):
    """The same for a fully connected layer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x, weight, bias)
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, weight, bias = ctx.saved_tensors
        positive = weight.clamp(min=0)
        share = relevance / _stabilize(F.linear(x, positive, bias.clamp(min=0)))
        return x * (share @ positive), None, None


class _Sum(torch.autograd.Function):
    """Each term of a sum takes its share of the relevance, whatever its sign."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(first, second)
        return first + second

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        first, second = ctx.saved_tensors
        share = relevance / _stabilize(first + second)
        return first * share, second * share


class _MeanPool(torch.autograd.Function):
    """Global average pooling: each place takes its share."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        mean = x.mean(dim=(2, 3))
        ctx.save_for_backward(x, mean)
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> Tensor:  # noqa: ANN401
        x, mean = ctx.saved_tensors
        share = relevance / _stabilize(mean.clone()) / (x.shape[2] * x.shape[3])
        result: Tensor = x * share[:, :, None, None]
        return result


class _PassThroughReLU(torch.autograd.Function):
    """ReLU lets relevance pass; where it is inactive, the layer above has given none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        ctx.mark_dirty(x)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> Tensor:  # noqa: ANN401
        return relevance


def _relu(x: Tensor) -> Tensor:
    result: Tensor = _PassThroughReLU.apply(x)
    return result
