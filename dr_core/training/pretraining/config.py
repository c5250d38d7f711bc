"""What all methods of pretraining without labels have in a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass

from dr_core.data.augment import MOCO_V2, AugmentConfig
from dr_core.errors import InputError
from dr_core.training.loop import LoopConfig


@dataclass(frozen=True, kw_only=True)
class SelfSupervisedConfig(LoopConfig):
    """How an encoder is pretrained without labels.

    Attributes:
        dim: Length of the representation that the loss compares.
        augment: Augmentation, drawn for each view.
        view_size: Side of the views in pixels; None keeps the images' own.
    """

    dim: int = 128
    augment: AugmentConfig = MOCO_V2
    view_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim < 1:
            raise InputError(f"`dim` must be at least 1, not {self.dim}.")


def check_range(config: LoopConfig, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Make sure that values of a recipe lie within bounds, both included.

    Raises:
        InputError: If one does not.
    """
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        if not low <= value <= high:
            raise InputError(f"`{name}` must be between {low:g} and {high:g}, not {value}.")
