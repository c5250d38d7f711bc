"""Supervised pretraining on labeled images of any kind: what ImageNet's labels are for IFI-FS."""

from dataclasses import dataclass

from dr_core.data.augment import AugmentConfig
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.training.loop import LoopConfig
from dr_core.training.pretraining.method import Method

LABEL = "label"
"""Column of the store's table with the class numbers, from 0."""

LABELED_IMAGES = AugmentConfig(
    crop_area=(0.5, 1.0), brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05, blur_chance=0.2, noise=0.02
)
"""Its augmentation where the recipe names none."""


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(LoopConfig):
    """How an encoder is pretrained on labeled images.

    Attributes:
        augment: Augmentation; None takes `LABELED_IMAGES`.
    """

    augment: AugmentConfig | None = None


SUPERVISED = Method(
    name="supervised",
    label=PRETRAINING_LABELS["supervised"],
    summary="Classes of labeled images are distinguished, in place of ImageNet's.",
    source="torchvision's reference recipe for ResNet-50",
    recipes={
        "paper": SupervisedConfig(
            epochs=90, learning_rate=0.1, weight_decay=1e-4, batch_size=256, warmup_epochs=0.0, optimizer="sgd"
        ),
        "quick": SupervisedConfig(epochs=6, learning_rate=1e-3, weight_decay=0.05),
    },
    encoder="",
)
"""`"paper"`: torchvision's reference recipe for ResNet-50, with a cosine in place of its steps. `"quick"`: the
demo's."""
