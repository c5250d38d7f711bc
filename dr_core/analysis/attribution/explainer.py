"""One way to ask any model with any rule; the fast engine where it knows the model, zennit or captum elsewhere."""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torchvision.models.resnet import ResNet
from zennit.attribution import Gradient, IntegratedGradients
from zennit.composites import EpsilonPlus, GuidedBackprop, LayerMapComposite, layer_map_base
from zennit.core import Composite
from zennit.rules import ZPlus
from zennit.torchvision import ResNetCanonizer
from zennit.types import Linear

from dr_core.analysis.attribution.alpha1_beta0 import Alpha1Beta0, why_unknown
from dr_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A way to attribute.

    Attributes:
        label: Name for people.
        description: One sentence.
        signed: Whether the relevance has signs that mean something.
    """

    label: str
    description: str
    signed: bool


RULES: dict[str, Rule] = {
    "alpha1_beta0": Rule(
        label="LRP alpha1-beta0",
        description="The paper's: relevance flows back along positive contributions alone.",
        signed=False,
    ),
    "epsilon_plus": Rule(
        label="LRP epsilon-plus",
        description="Positive contributions in convolutions, all contributions in the last layer.",
        signed=True,
    ),
    "gradient_x_input": Rule(
        label="gradient x input", description="Slope of the output times the input value.", signed=True
    ),
    "integrated_gradients": Rule(
        label="integrated gradients",
        description="Mean slope on the straight way from a black input, times the input value.",
        signed=True,
    ),
    "guided_backprop": Rule(
        label="guided backpropagation", description="Gradient whose negative parts are cut at every ReLU.", signed=True
    ),
    "grad_cam": Rule(
        label="Grad-CAM",
        description="Last feature maps weighted by their mean slope: coarse, a region rather than a lesion.",
        signed=False,
    ),
}
"""The registry: name -> rule."""

_STEPS = 20
"""Points on the way of integrated gradients; zennit's default."""


class Explainer:
    """Attributes the output of one model by one rule.

    The model is copied; it stays bit for bit as it was, and later changes of it are not seen. May be called from many
    threads: the fast engine changes nothing, the libraries' hooks are guarded by a lock.

    Args:
        model: The network in evaluation mode; float (N, 3, H, W) -> logits (N, classes).
        rule: A key of `RULES`.

    Attributes:
        engine: `"fast"`, `"zennit"` or `"captum"`.
        reason: Why it is not the fast one for alpha1-beta0, otherwise None.

    Raises:
        InputError: If the rule is unknown, or the model has no convolutional stage that Grad-CAM could use.
    """

    def __init__(self, model: nn.Module, rule: str = "alpha1_beta0") -> None:
        if rule not in RULES:
            raise InputError(f"`rule` must be one of {', '.join(RULES)}, not {rule!r}.")
        self.rule = rule
        self.reason = why_unknown(model) if rule == "alpha1_beta0" else None
        self._lock = threading.Lock()
        private = copy.deepcopy(model).eval().requires_grad_(False)
        self.engine = {"alpha1_beta0": "zennit" if self.reason else "fast", "grad_cam": "captum"}.get(rule, "zennit")
        self._attribute = self._prepare(private)

    def attribute(self, images: Tensor, target: int | Tensor) -> Tensor:
        """Attribute one output neuron to the input values.

        Args:
            images: Float (N, 3, H, W), the model's inputs.
            target: The neuron (for grades, the grade), one for all or int64 (N,). Relevance starts from 1 there, not
                from the logit, whose sign would turn the map over.

        Returns:
            Relevance, (N, 3, H, W), of the model's type.

        Raises:
            InputError: If the images have another shape, or the model lacks the neuron.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise InputError(f"`images` must have the shape (N, 3, H, W), not {tuple(images.shape)}.")
        targets = torch.as_tensor(target, dtype=torch.long, device=images.device).expand(len(images))
        return self._attribute(images.detach(), targets)

    def _prepare(self, model: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
        classes = _count_outputs(model)
        run = self._choose(model)

        def attribute(images: Tensor, targets: Tensor) -> Tensor:
            if classes is not None and len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < classes:
                raise InputError(f"`target` must be between 0 and {classes - 1}; the model has {classes} outputs.")
            return run(images, targets)

        return attribute

    def _choose(self, model: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
        if self.engine == "fast":
            assert isinstance(model, ResNet)  # for the type checker: why_unknown has seen it
            return Alpha1Beta0(model).attribute
        if self.engine == "captum":
            return self._locked(_GradCam(model))
        return self._locked(_Zennit(model, self.rule))

    def _locked(self, run: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        def attribute(images: Tensor, targets: Tensor) -> Tensor:
            with self._lock:
                return run(images, targets)

        return attribute


def _count_outputs(model: nn.Module) -> int | None:
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1].out_features if layers else None


class _Zennit:
    """A rule of zennit on a private model; not safe from several threads at once."""

    def __init__(self, model: nn.Module, rule: str) -> None:
        self.model, self.rule = model, rule

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        output = _one_hot(targets)
        if self.rule == "integrated_gradients":
            with IntegratedGradients(self.model, n_iter=_STEPS) as attributor:
                return attributor(images.clone(), output)[1].detach()
        with Gradient(self.model, _composite(self.rule)) as attributor:
            relevance = attributor(images.clone(), output)[1].detach()
        return relevance * images if self.rule == "gradient_x_input" else relevance


def _one_hot(targets: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda logits: torch.zeros_like(logits).scatter_(1, targets[:, None], 1.0)


def _composite(rule: str) -> Composite | None:
    if rule == "alpha1_beta0":
        return LayerMapComposite([*layer_map_base(), (Linear, ZPlus())], canonizers=[ResNetCanonizer()])
    if rule == "epsilon_plus":
        return EpsilonPlus(canonizers=[ResNetCanonizer()])
    return GuidedBackprop() if rule == "guided_backprop" else None


class _GradCam:
    """Grad-CAM of the last stage, brought to the input's size and shared out over the three channels."""

    def __init__(self, model: nn.Module) -> None:
        if not isinstance(model, ResNet):
            raise InputError("Grad-CAM needs a ResNet, whose last stage it looks at; choose another rule.")
        self._cam = LayerGradCam(model, model.layer4)

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        with torch.enable_grad():
            maps = self._cam.attribute(images.clone().requires_grad_(True), targets, relu_attributions=True)
        assert isinstance(maps, Tensor)  # for the type checker: one layer gives one tensor
        full = F.interpolate(maps.detach(), images.shape[-2:], mode="bilinear", align_corners=False)
        return full.expand(-1, 3, -1, -1) / 3
