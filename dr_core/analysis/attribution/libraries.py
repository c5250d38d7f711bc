"""Attribution through zennit and captum, each behind one form: inputs and what to start from -> relevance.

None of these objects may be called by two threads at once: both libraries hang hooks on the model for each call.

Source: Anders et al. 2021, arXiv:2106.13200 (zennit 0.5.1); Kokhlikyan et al. 2020, arXiv:2009.07896 (captum 0.9).
"""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import Occlusion
from torch import Tensor, nn
from zennit.attribution import Gradient
from zennit.core import Composite

Start = Callable[[Tensor], Tensor]
"""Logits, float (N, classes) -> the weight with which each of them is explained, of the same shape."""

Attribute = Callable[[Tensor, Start], Tensor]
"""Inputs, float (N, 3, H, W), and the start -> relevance of the same shape."""

MakeComposite = Callable[[Tensor, list[str] | None], Composite]
"""Inputs and the names of parameters taken for zero -> the composite that holds a rule for each layer."""

STEPS = 20
"""Points on the path of integrated gradients, and noisy copies of SmoothGrad; the libraries' usual number."""

INCOMPLETE = 0.05
"""How far integrated gradients may lie from the change of the output before more points are taken."""

_POWER = 4

NOISE = 0.1
"""SmoothGrad's noise: standard deviation as a share of the input's range. Source: Smilkov et al. 2017, figure 3."""

WINDOWS = 14
"""Windows along a side that are occluded one after another: 16 of 224 pixels each."""


class ZennitRule:
    """Layer-wise relevance propagation by a composite of zennit.

    Args:
        model: A private network in evaluation mode.
        make_composite: Builds the composite; called for each batch, since some rules know the range of the inputs.
        zero_params: Parameters taken for zero; `["bias"]` lets no bias absorb relevance, which a test of conservation
            needs.
    """

    def __init__(self, model: nn.Module, make_composite: MakeComposite, zero_params: list[str] | None = None) -> None:
        self.model, self._make_composite, self._zero_params = model, make_composite, zero_params

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """Relevance by one backward pass."""
        composite = self._make_composite(images, self._zero_params)
        with Gradient(self.model, composite) as attributor:
            result: Tensor = attributor(images.clone(), start)[1].detach()
            return result


class GradientTimesInput:
    """Slope of the output times the input value."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = x df/dx."""
        with Gradient(self.model) as attributor:
            result: Tensor = attributor(images.clone(), start)[1].detach() * images
            return result


class IntegratedGradient:
    """Mean slope on the straight path from zero, times the input value.

    The integral over a from 0 to 1 is taken with a = t^4 at Gauss-Legendre points of t, since behind a normalization
    all the slope lies close to zero. The points are doubled until the map adds up to the change of the output
    (completeness), up to eight times as many.

    Source: Sundararajan et al. 2017, ICML, eq. 1 and 3, proposition 1.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = x times the mean of df/dx on the path."""
        with torch.no_grad():
            change = _explained(self.model, images, start)
            change = change - _explained(self.model, torch.zeros_like(images), start)
        for steps in (STEPS, 2 * STEPS, 4 * STEPS, 8 * STEPS):
            relevance = images * self._mean_slope(images, start, steps)
            lack = (relevance.flatten(1).sum(dim=1) - change).abs()
            if bool((lack <= INCOMPLETE * change.abs()).all()):
                break
        return relevance

    def _mean_slope(self, images: Tensor, start: Start, steps: int) -> Tensor:
        points, weights = np.polynomial.legendre.leggauss(steps)
        total = torch.zeros_like(images)
        for t, weight in zip((points + 1) / 2, weights / 2, strict=True):
            with torch.enable_grad():
                position = (images * t**_POWER).requires_grad_(True)
                (slope,) = torch.autograd.grad(_explained(self.model, position, start).sum(), position)
            total += weight * _POWER * t ** (_POWER - 1) * slope
        return total


class SmoothGrad:
    """Mean slope over noisy copies of the input; the noise is the same for every eye.

    Source: Smilkov et al. 2017, arXiv:1706.03825, eq. 2.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = the mean of df/dx at x + noise."""
        generator = torch.Generator().manual_seed(0)  # not torch's global one, which other threads draw from
        spread = NOISE * (images.amax(dim=(1, 2, 3), keepdim=True) - images.amin(dim=(1, 2, 3), keepdim=True))
        total = torch.zeros_like(images)
        with Gradient(self.model) as attributor:
            for _ in range(STEPS):
                noise = torch.randn(images.shape[1:], generator=generator, dtype=images.dtype).to(images.device)
                total += attributor(images + spread * noise, start)[1].detach()
        return total / STEPS


class OcclusionWindows:
    """Fall of the output when a window of the input is set to zero, the mean of the training images.

    Source: Zeiler and Fergus 2014, ECCV, section 4.2.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = f(x) - f(x without the window), shared out over the window's values."""
        side = max(1, images.shape[-1] // WINDOWS)
        window = (images.shape[1], min(side, images.shape[2]), min(side, images.shape[3]))
        with torch.no_grad():
            fall = Occlusion(lambda x: _explained(self.model, x, start)).attribute(
                images, sliding_window_shapes=window, strides=window, perturbations_per_eval=16
            )
        result: Tensor = fall / (window[0] * window[1] * window[2])
        return result


def _explained(model: nn.Module, images: Tensor, start: Start) -> Tensor:
    """The one number of each image that is explained, (N,).

    captum asks about copies of a batch; the start knows the batch's own size only.
    """
    logits = model(images)
    result: Tensor = (logits * start(logits)).sum(dim=1)
    return result
