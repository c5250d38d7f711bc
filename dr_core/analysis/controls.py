"""What a heatmap would look like without the thing that it is taken to show.

A heatmap lies on lesions for many reasons: lesions have edges, and so has any picture; a network's architecture
follows edges before it has learned anything; a rule may send the same map back from every grade. Each control keeps one
of these reasons and drops the learned answer. It is measured by the same code and on the same eye as the map itself.

Source: untrained networks and edges as controls: Adebayo et al. 2018, arXiv:1810.03292; the map of another class: Sixt
et al. 2020, arXiv:1912.09818.
"""

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.localization import sample_random_relevance
from dr_core.data.grades import GRADES
from dr_core.errors import InputError
from dr_core.models.architectures import ARCHITECTURES, TIMM, build_network
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.seeded import seeded
from dr_core.seeds import derive_seed

MAP = "lrp"
"""Name of the map itself among the methods of a table, whatever its rule."""

UNTRAINED = 3
"""Untrained networks of an architecture, each with weights of its own."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A control.

    Attributes:
        label: What it is, after "than" or "of".
        title: What it is called in a table.
        keeps: What it has in common with the map, so that a map no better than it shows no more than that.
    """

    label: str
    title: str
    keeps: str


CONTROLS: dict[str, Control] = {
    "random": Control(label="a random map", title="Random", keeps="the size of the lesions"),
    **{
        f"untrained-{number}": Control(
            label="an untrained network", title=f"Untrained {number + 1}", keeps="architecture and preprocessing"
        )
        for number in range(UNTRAINED)
    },
    "edges": Control(
        label="the edges of the picture", title="Edges", keeps="where the picture changes, without any network"
    ),
    "class-0": Control(
        label=f"its own map for “{GRADES[0]}”", title=f"Map of {GRADES[0]}", keeps="the network, for the opposite grade"
    ),
    "class-others": Control(
        label="its own mean map for the other grades",
        title="Mean of other grades",
        keeps="the network, for the other grades",
    ),
}
"""The registry: method -> control, from the weakest reason to the strongest."""


def trace_edges(inputs: Tensor, field: Tensor) -> Tensor:
    """Draw the edges of the models' view: the length of Sobel's gradient in each channel.

    Args:
        inputs: Float (N, 3, H, W), the model's inputs.
        field: Bool (N, H, W), the field of view; its own rim is no edge of the eye.

    Returns:
        Float (N, 3, H, W), >= 0.

    Source: Sobel and Feldman 1968, as in Adebayo et al. 2018, section 5 (edge detector as a baseline).
    """
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)]).to(inputs)[:, None] / 8
    count, channels, height, width = inputs.shape
    padded = F.pad(inputs, (1, 1, 1, 1), mode="replicate").reshape(count * channels, 1, height + 2, width + 2)
    length = F.conv2d(padded, kernels).square().sum(dim=1).sqrt().reshape(inputs.shape)
    rim = F.max_pool2d((~field).to(inputs)[:, None], 2 * _RIM + 1, stride=1, padding=_RIM) > 0
    return length.masked_fill(rim, 0.0)


_RIM = 3
"""Pixels along the border of the field of view in which the surround still shows."""


def build_untrained(model: nn.Module, arch: str, classes: int, number: int, size: int = 224) -> nn.Module:
    """Build a network like a model's, before any training.

    Args:
        model: The model.
        arch: Name of its architecture; one that the project does not build is made from the model itself, whose layers
            are asked to draw their weights anew.
        classes: Number of outputs.
        number: Which of the untrained networks; gives its seed.
        size: Side of the model's input in pixels, for architectures that are built for one.

    Returns:
        A network in evaluation mode; the model stays as it was.

    Raises:
        InputError: If a layer of an unknown architecture cannot draw its weights anew.
    """
    seed = derive_seed(number, "untrained control")
    if _is_known(arch):
        return build_network(arch, classes, seed, size).eval()
    fresh = copy.deepcopy(model)
    for name, module in fresh.named_modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own and not callable(getattr(module, "reset_parameters", None)):
            raise InputError(
                f"No untrained network like this {type(model).__name__} can be built: its layer {name or 'itself'} "
                f"({type(module).__name__}) cannot draw its weights anew; the other controls are shown."
            )
    with seeded(seed):
        for module in fresh.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return fresh.eval()


def _is_known(arch: str) -> bool:
    """Whether the project builds an architecture by its name."""
    return arch in ARCHITECTURES or arch.startswith(TIMM)


@functools.lru_cache(maxsize=6)
def _known_untrained(arch: str, classes: int, number: int, size: int, rule: str) -> Explainer:
    return Explainer(build_untrained(nn.Identity(), arch, classes, number, size), rule)


def untrained_explainers(model: LoadedModel, rule: str) -> list[Explainer]:
    """Explainers of the untrained networks of a model's architecture; those of the project's own are kept.

    Raises:
        InputError: As `build_untrained`.
    """
    arch, classes, size = model.info.arch, len(model.info.classes), model.info.preprocessing.size
    if _is_known(arch):
        return [_known_untrained(arch, classes, number, size, rule) for number in range(UNTRAINED)]
    return [Explainer(build_untrained(model.model, arch, classes, number), rule) for number in range(UNTRAINED)]


_TWO = ("negative", "positive")
"""Outputs of a model that does not tell grades apart: its first one is not the grade `no DR`."""

_MANY_PASSES = 10
"""Passes of a rule from which not every other grade is asked."""


def class_maps(
    explainer: Explainer, inputs: Tensor, target: int, classes: int, own: Tensor | None = None
) -> dict[str, Tensor]:
    """Attribute the asked grade, and beside it the others as its controls.

    Args:
        explainer: Of one model.
        inputs: Float (N, 3, H, W).
        target: The output that is asked about.
        classes: Number of outputs.
        own: The map of the asked grade, (N, 3, H, W), where it has been drawn already.

    Returns:
        `MAP`, then `class-0` (where it is not the asked one) and `class-others` -> relevance (N, 3, H, W). A rule that
        starts from the difference of the grades has no map of the others to compare with, and of one that takes many
        passes only `class-0` is drawn.

    Raises:
        InputError: If the asked grade has no map.
    """
    rule = RULES[explainer.rule]
    others = [] if rule.contrast else [grade for grade in range(classes) if grade != target]
    others = others[:1] if rule.passes > _MANY_PASSES else others
    groups = {} if own is not None else {MAP: [target]}
    if target != 0 and others and classes > len(_TWO):
        groups["class-0"] = [0]
    if others and (len(others) > 1 or target == 0 or classes == len(_TWO)):
        groups["class-others"] = others
    found = {} if own is None else {MAP: own}
    found |= _each_answer(explainer, inputs, groups)
    if MAP not in found:
        explainer.attribute(inputs, target)  # raises: says why
    return found


def _each_answer(explainer: Explainer, inputs: Tensor, groups: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Key -> mean map of its group, without those that are no answer."""
    if not groups:
        return {}
    try:
        return dict(zip(groups, explainer.attribute_each(inputs, list(groups.values())), strict=True))
    except InputError:  # one of them is no answer: which?
        maps: dict[int, Tensor] = {}
    for target in {target for group in groups.values() for target in group}:
        maps |= _answer_or_nothing(target, explainer, inputs, target)
    answered = {key: [maps[target] for target in group if target in maps] for key, group in groups.items()}
    return {key: torch.stack(found).mean(dim=0) for key, found in answered.items() if found}


_Key = TypeVar("_Key")


def _answer_or_nothing(key: _Key, explainer: Explainer, inputs: Tensor, target: int) -> dict[_Key, Tensor]:
    """A control's map under its key; empty where it is no answer, so that no sentence rests on it."""
    try:
        return {key: explainer.attribute(inputs, target)}
    except InputError:
        return {}


def control_maps(
    models: Mapping[str, LoadedModel],
    explainers: Mapping[str, Explainer],
    inputs: Mapping[str, Tensor],
    fields: Mapping[str, Tensor],
    target: int,
    seed: int,
) -> dict[str, dict[str, Tensor]]:
    """Draw the heatmap of every set-up and all its controls.

    Set-ups of one architecture that see the eye alike share the maps of its untrained networks and of its edges.

    Args:
        models: Set-up -> model.
        explainers: Set-up -> its explainer; all of one rule. One that the rule does not fit is missing.
        inputs: Set-up -> the model's inputs, float (N, 3, H, W).
        fields: Set-up -> field of view in these, bool (N, H, W).
        target: The grade that is asked about, or `POSITIVE`.
        seed: Seed of the random map.

    Returns:
        Set-up -> method -> relevance (N, 3, H, W): first `MAP`, then the keys of `CONTROLS` that exist for it; none
        of a model that has no output for the target. `MAP`
        and the maps of other grades are missing where a model gives no answer, so that the others keep theirs;
        `why_no_map` says why. Untrained networks are missing where none can be built; `why_no_untrained` says why.
    """
    shared: dict[tuple[str, int, int], tuple[Tensor, Tensor, dict[str, Tensor]]] = {}
    found: dict[str, dict[str, Tensor]] = {}
    rule = next((explainer.rule for explainer in explainers.values()), "alpha1_beta0")
    for setup, model in models.items():
        x, field, classes = inputs[setup], fields[setup], len(model.info.classes)
        if not model.info.can_answer(target):
            found[setup] = {}
            continue
        output = model.info.output_of(target)
        key = kind_of(model)
        if key not in shared or not (torch.equal(shared[key][0], x) and torch.equal(shared[key][1], field)):
            shared[key] = x, field, untrained_maps(model, rule, x, output) | {"edges": trace_edges(x, field)}
        random = sample_random_relevance(tuple(x.shape), derive_seed(seed, setup)).to(x)
        drawn = {"random": random, **shared[key][2]}
        try:
            maps = class_maps(explainers[setup], x, output, classes) if setup in explainers else {}
        except InputError:
            maps = {}
        own = {MAP: maps.pop(MAP)} if maps else {}
        found[setup] = {**own, **drawn, **maps}
    return found


def build_explainers(models: Mapping[str, LoadedModel], rule: str) -> dict[str, Explainer]:
    """Build the explainer of every model that a rule fits; `why_no_map` says why the others have none.

    Raises:
        InputError: If the rule is unknown.
    """
    RULES.find(rule)
    found = {}
    for setup, model in models.items():
        try:
            found[setup] = Explainer(model.model, rule)
        except InputError:
            continue
    return found


def why_no_explainer(model: LoadedModel, rule: str) -> str | None:
    """Say why a rule does not fit a model, or None if it does; raises InputError if the rule is unknown."""
    RULES.find(rule)
    try:
        Explainer(model.model, rule)
    except InputError as error:
        return str(error)
    return None


def why_no_map(model: LoadedModel, rule: str, inputs: Tensor, target: int) -> str | None:
    """Say why a model gives no map of an eye, or None if it gives one."""
    try:
        Explainer(model.model, rule).attribute(inputs, model.info.output_of(target))
    except InputError as error:
        return str(error)
    return None


def kind_of(model: LoadedModel) -> tuple[str, int, int]:
    """What models must have in common to share their untrained networks: architecture and number of outputs."""
    own = 0 if _is_known(model.info.arch) else id(model.model)
    return model.info.arch, len(model.info.classes), own


def untrained_maps(model: LoadedModel, rule: str, inputs: Tensor, target: int) -> dict[str, Tensor]:
    """Draw the maps of the untrained networks of a model's architecture.

    Args:
        model: The model.
        rule: Key of `RULES`.
        inputs: Float (N, 3, H, W).
        target: The output that is asked about.

    Returns:
        `untrained-0` and so on -> relevance (N, 3, H, W); empty where none can be built, without those that give none.
    """
    if why_no_untrained(model, rule):
        return {}
    found: dict[str, Tensor] = {}
    for number, explainer in enumerate(untrained_explainers(model, rule)):
        found |= _answer_or_nothing(f"untrained-{number}", explainer, inputs, target)
    return found


def why_no_untrained(model: LoadedModel, rule: str) -> str | None:
    """Say why a model has no untrained network as its control, or None if it has."""
    try:
        untrained_explainers(model, rule)
    except InputError as error:
        return str(error)
    return None
