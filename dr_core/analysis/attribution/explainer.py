"""One form of question for any model and any rule, and the gate that every answer passes."""

import copy
import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.resnet import ResNet

from dr_core.analysis.attribution.alpha1_beta0 import Alpha1Beta0, why_unknown
from dr_core.analysis.attribution.libraries import Start, ZennitRule
from dr_core.analysis.attribution.rules import RULES, Z_PLUS, AttributionRule
from dr_core.devices import is_device_failure
from dr_core.errors import InputError

TOLERANCE = 0.05
"""How far the sum of a map may lie from what its rule promises. Relevance that appears or vanishes explains nothing."""

_FAST = ("alpha1_beta0", "contrastive")
"""Rules that the fast engine propagates."""

_PROBE_SIDE = 64


class Explainer:
    """Attributes the output of one model by one rule.

    The model is copied; it stays bit for bit as it was, and later changes of it are not seen. May be called from many
    threads: the fast engine changes nothing, the libraries' hooks are guarded by a lock. An answer is given only where
    it is one: a map that is not finite, that is zero everywhere, or whose sum breaks the rule's promise is an
    `InputError` that says so.

    Args:
        model: The network in evaluation mode; float (N, 3, H, W) -> logits (N, classes).
        rule: A key of `RULES`.

    Attributes:
        engine: `"fast"`, `"own"`, `"zennit"` or `"captum"`.
        reason: Why it is not the fast one for a rule that has one, otherwise None.

    Raises:
        InputError: If the rule is unknown or the network lacks what the rule needs.
    """

    def __init__(self, model: nn.Module, rule: str = "alpha1_beta0") -> None:
        self.rule = rule
        self._rule = RULES.find(rule)
        if lack := self._rule.why_unfit(model):
            raise _no_answer(self._rule, lack, "choose a method that fits it, such as integrated gradients")
        unknown = why_unknown(model)
        self.reason = unknown if rule in _FAST else None
        with torch.inference_mode(False):
            private = copy.deepcopy(model).eval().requires_grad_(False)
            if unknown and self._rule.family == "LRP":
                _check_conservation(private, self._rule)
            self._fast = Alpha1Beta0(private) if rule in _FAST and isinstance(private, ResNet) and not unknown else None
            self._slow = None if self._fast is not None else self._rule.make(private)
            guarded = bool(unknown) and self._rule.family == "LRP"
            self._guard = ZennitRule(private, Z_PLUS, ["bias"]) if guarded else None
        self._classes = _count_outputs(model)
        self._type = next((weight.dtype for weight in model.parameters()), torch.float32)
        self._lock = threading.Lock()
        self.engine = self._name_engine()

    def _name_engine(self) -> str:
        if self._fast is not None:
            return "fast"
        return {"perturbation": "captum", "feature maps": "own", "AttnLRP": "own"}.get(self._rule.family, "zennit")

    @property
    def shares_forward(self) -> bool:
        """Whether a further target costs much less than the first."""
        return self._fast is not None

    def attribute(self, images: Tensor, target: int | Tensor) -> Tensor:
        """Attribute one output neuron to the input values.

        Args:
            images: Float (N, 3, H, W), the model's inputs.
            target: The neuron (for grades, the grade), one for all or int64 (N,). Relevance starts from 1 there, not
                from the logit, whose sign would turn the map over.

        Returns:
            Relevance, (N, 3, H, W), of the model's type.

        Raises:
            InputError: If the images have another shape or type, the model lacks the neuron, or the map is no answer.
        """
        targets = torch.as_tensor(target, dtype=torch.long, device=images.device).expand(len(images))
        return self._answer(images, [[targets]])[0]

    def attribute_each(self, images: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
        """Attribute several groups of output neurons of the same images: the mean of the maps of each group.

        The fast engine takes one forward pass in all and one backward pass a group: its rules divide relevance in
        shares that the forward pass alone decides, so that a map is linear in what it starts from, and the mean of
        maps is the map of the mean start. The others average the maps themselves.

        Args:
            images: Float (N, 3, H, W), the model's inputs.
            groups: Neurons, at least one in each group.

        Returns:
            Relevance, (K, N, 3, H, W), a map for each of K groups.

        Raises:
            InputError: As `attribute`.
        """
        asked = [[torch.full((len(images),), one, device=images.device) for one in group] for group in groups]
        if self._fast is not None:
            return torch.stack(self._answer(images, asked))
        single = sorted({target for group in groups for target in group})
        alone = [[torch.full((len(images),), one, device=images.device)] for one in single]
        maps = dict(zip(single, self._answer(images, alone), strict=True))
        return torch.stack([torch.stack([maps[target] for target in group]).mean(dim=0) for group in groups])

    def _answer(self, images: Tensor, groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        self._check_images(images)
        for group in groups:
            for target in group:
                self._check_target(target)
        starts = [_mean_start([self._rule.start(target) for target in group]) for group in groups]
        with torch.inference_mode(False):  # an answer needs gradients, whatever the caller does about its own
            inputs = images.detach().clone()
            try:
                maps = self._run(inputs, starts, groups[0][0])
            except RuntimeError as error:
                if is_device_failure(error):
                    raise
                reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                raise _no_answer(self._rule, f"it fails on this network ({reason})", "choose another rule") from error
        for relevance in maps:
            _check_map(self._rule, relevance)
        return maps

    def _run(self, images: Tensor, starts: Sequence[Start], targets: Tensor) -> list[Tensor]:
        if self._fast is not None:
            return self._fast.attribute(images, starts)
        assert self._slow is not None  # for the type checker: there is one or the other
        with self._lock:
            if self._guard is not None:
                _check_arrival(self._guard(images, RULES["alpha1_beta0"].start(targets)), self._rule)
            return [self._slow(images, start) for start in starts]

    def _check_images(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise InputError(f"`images` must have the shape (N, 3, H, W), not {tuple(images.shape)}.")
        if images.dtype not in (torch.float32, torch.float64):
            remedy = (
                "these are pixels: bring them to the model's input first, with its `preprocess`"
                if not images.dtype.is_floating_point
                else "half precision has too few digits for a map; convert model and images with `.float()`"
            )
            raise InputError(f"`images` must be float32 or float64, not {_name(images.dtype)}; {remedy}.")
        if images.dtype != self._type:
            raise InputError(
                f"`images` are {_name(images.dtype)} and the model's weights {_name(self._type)}; both must be float32 "
                "or both float64: convert one of them."
            )

    def _check_target(self, target: Tensor) -> None:
        classes = self._classes
        if classes is not None and len(target) and not 0 <= int(target.min()) <= int(target.max()) < classes:
            raise InputError(f"`target` must be between 0 and {classes - 1}; the model has {classes} outputs.")


def _mean_start(starts: Sequence[Start]) -> Start:
    return lambda logits: torch.stack([start(logits) for start in starts]).mean(dim=0)


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _no_answer(rule: AttributionRule, reason: str, remedy: str) -> InputError:
    return InputError(f"No answer from {rule.label}, because {reason}; {remedy}.")


def _count_outputs(model: nn.Module) -> int | None:
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1].out_features if layers else None


def _check_map(rule: AttributionRule, relevance: Tensor) -> None:
    """Raise InputError where a map is no answer: not finite, zero everywhere, or with relevance out of nothing."""
    if not bool(torch.isfinite(relevance).all()):
        raise _no_answer(rule, "its map holds values that are not finite", "the network or the image is broken")
    empty = (relevance == 0).flatten(1).all(dim=1)
    if bool(empty.any()):
        raise _no_answer(rule, "its map is zero everywhere: nothing in the image speaks for this output", "ask another")
    if not rule.conserves or rule.contrast:
        return
    sums = relevance.double().flatten(1).sum(dim=1)
    wrong = sums[(sums < -TOLERANCE) | (sums > 1 + TOLERANCE)]
    if len(wrong):
        raise _no_answer(rule, f"of relevance 1 at the output {wrong[0]:.3g} arrives at the input", "use another rule")


def _check_arrival(arrived: Tensor, rule: AttributionRule) -> None:
    """Raise InputError where, of these very eyes, relevance is lost or made although no bias absorbs any."""
    sums = arrived.double().flatten(1).sum(dim=1)
    wrong = sums[~((sums - 1).abs() <= TOLERANCE)]
    if len(wrong):
        reason = f"of relevance 1 at the output {wrong[0]:.3g} arrives at the input, although no bias absorbs any"
        raise _no_answer(rule, reason, "choose a rule that follows the gradient or occludes")


def _check_conservation(model: nn.Module, rule: AttributionRule) -> None:
    """Raise InputError where relevance is not passed on whole through a network that nobody has looked at.

    Positive contributions with all biases taken for zero must bring 1 at the output to the input as 1.
    """
    weight = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(1, 3, _PROBE_SIDE, _PROBE_SIDE, generator=generator).to(weight)
    remedy = "choose a rule that follows the gradient or occludes"
    try:
        target = torch.zeros(1, dtype=torch.long, device=probe.device)
        arrived = ZennitRule(model, Z_PLUS, ["bias"])(probe, RULES["alpha1_beta0"].start(target))
    except RuntimeError as error:
        if is_device_failure(error):
            raise
        raise _no_answer(rule, f"LRP cannot be sent through a {type(model).__name__}", remedy) from error
    total = float(arrived.double().sum())
    if not abs(total - 1) <= TOLERANCE:
        reason = f"of relevance 1 at the output of this {type(model).__name__} {total:.3g} arrives at the input"
        raise _no_answer(rule, reason, remedy)
