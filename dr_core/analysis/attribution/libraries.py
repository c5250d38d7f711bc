"""Attribution through zennit and captum, each behind one form: inputs and what to start from -> relevance.

None of these objects may be called by two threads at once: both libraries hang hooks on the model for each call.

Source: Anders et al. 2021, arXiv:2106.13200 (zennit 0.5.1); Kokhlikyan et al. 2020, arXiv:2009.07896 (captum 0.9).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam, LayerGradientXActivation, Occlusion
from torch import Tensor, nn
from torchvision.models.resnet import ResNet
from zennit.attribution import Gradient, IntegratedGradients
from zennit.core import Composite

Start = Callable[[Tensor], Tensor]
"""Logits, float (N, classes) -> the weight with which each of them is explained, of the same shape."""

Attribute = Callable[[Tensor, Start], Tensor]
"""Inputs, float (N, 3, H, W), and the start -> relevance of the same shape."""

MakeComposite = Callable[[Tensor, list[str] | None], Composite]
"""Inputs and the names of parameters taken for zero -> the composite that holds a rule for each layer."""

STEPS = 20
"""Points on the straight path of integrated gradients, and noisy copies of SmoothGrad; both libraries' usual number."""

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
    """Mean slope on the straight path from zero, times the input value."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = x times the mean of df/dx on the path."""
        with IntegratedGradients(self.model, n_iter=STEPS) as attributor:
            result: Tensor = attributor(images.clone(), start)[1].detach()
            return result


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


class GradCam:
    """Grad-CAM of the last stage, enlarged to the input's size and shared out over the three channels.

    Source: Selvaraju et al. 2017, ICCV, eq. 1 and 2.
    """

    def __init__(self, model: nn.Module) -> None:
        assert isinstance(model, ResNet)  # for the type checker: the rule's needs have been looked at
        self.model, self._layer = model, model.layer4

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = relu(sum over channels of the mean slope times the feature map)."""
        cam = LayerGradCam(lambda x: _explained(self.model, x, start), self._layer)
        with torch.enable_grad():
            maps = cam.attribute(images.clone().requires_grad_(True), relu_attributions=True)
        return _enlarge(maps, images)


class LayerCam:
    """LayerCAM of the second stage, whose maps are four times as fine as Grad-CAM's.

    Source: Jiang et al. 2021, IEEE Transactions on Image Processing 30:5875-5888, eq. 6 and 7.
    """

    def __init__(self, model: nn.Module) -> None:
        assert isinstance(model, ResNet)  # for the type checker: the rule's needs have been looked at
        self.model, self._layer = model, model.layer2

    def __call__(self, images: Tensor, start: Start) -> Tensor:
        """R = sum over channels of relu(slope) times the feature map, which is >= 0 after its ReLU."""
        products = LayerGradientXActivation(lambda x: _explained(self.model, x, start), self._layer)
        with torch.enable_grad():
            maps = products.attribute(images.clone().requires_grad_(True))
        assert isinstance(maps, Tensor)  # for the type checker: one layer gives one tensor
        return _enlarge(maps.clamp(min=0).sum(dim=1, keepdim=True), images)


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


def _enlarge(maps: Tensor | tuple[Tensor, ...], images: Tensor) -> Tensor:
    assert isinstance(maps, Tensor)  # for the type checker: one layer gives one tensor
    full = F.interpolate(maps.detach(), images.shape[-2:], mode="bilinear", align_corners=False)
    return full.expand(-1, images.shape[1], -1, -1) / images.shape[1]
