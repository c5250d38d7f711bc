"""A method of pretraining: what it is called, what it trains, by which loss and recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dr_core.data.augment import Range
from dr_core.models.architectures import build_network, find_architecture
from dr_core.seeds import derive_seed
from dr_core.training.recipes import Preset
from dr_core.training.task import Batch

Loss = tuple[Tensor, dict[str, Tensor]]
"""Loss of a part of a batch, a scalar with gradient, and measures to average over the epoch."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One of the views that a method draws of each image.

    Attributes:
        name: From which its seed is derived.
        crop_area: Share of the image's area that stays in view, in place of the augmentation's; None keeps that.
        scale: Side of the view, of the recipe's.
    """

    name: str
    crop_area: Range | None = None
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of pretraining.

    Attributes:
        name: Name in options, study files and run folders.
        label: Name for people.
        summary: What it does, in a sentence.
        source: The paper.
        recipes: Preset -> recipe.
        encoder: What stands before the names of the kept encoder's weights in the state of a training.
        build: From an encoder, the path of its last layer and the recipe to what is trained, whose `encode` gives
            features and their projection; None for the method that needs labels.
        views: From the recipe to the views of each image.
        loss: From the network, perhaps wrapped for many processes, the network itself, the views, float (n, 3, H, W)
            each, and the recipe to the loss.
        begin_step: What is done once before each step, such as moving a target.
        doubts: From the recipe and the number of images to sentences on what is likely to go wrong.
    """

    name: str
    label: str
    summary: str
    source: str
    recipes: Mapping[Preset, Any]
    encoder: str
    build: Callable[[nn.Module, str, Any], nn.Module] | None = None
    views: Callable[[Any], Sequence[View]] = lambda _: ()
    loss: Callable[[nn.Module, Any, Sequence[Tensor], Any], Loss] | None = None
    begin_step: Callable[[Any, Batch, Any], None] = lambda network, batch, config: None
    doubts: Callable[[Any, int], list[str]] = lambda config, images: []

    @property
    def needs_labels(self) -> bool:
        """Whether it is trained on a class for each image."""
        return self.build is None


TWO_VIEWS = (View(name="query"), View(name="key"))
"""The two views of an image that most methods compare."""


def build_encoder(arch: str, seed: int, size: int) -> nn.Module:
    """The encoder with which a pretraining begins.

    Args:
        arch: As in `dr_core.models.architectures.find_architecture`.
        seed: Seed of the recipe.
        size: Side of the views in pixels.

    Raises:
        InputError: As `find_architecture`.
    """
    return build_network(arch, 1, derive_seed(seed, "weights", "none"), size)


def build_pretraining(method: Method, arch: str, config: Any, size: int) -> nn.Module:  # noqa: ANN401 - its recipe
    """What a self-supervised method trains, as it begins: the encoder with random weights and its heads.

    Args:
        method: The method.
        arch: As in `build_encoder`.
        config: The recipe.
        size: Side of the views in pixels.
    """
    assert method.build is not None  # for the type checker: the caller has asked `needs_labels`
    return method.build(build_encoder(arch, config.seed, size), find_architecture(arch).head, config)
