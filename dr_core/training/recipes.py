"""The recipes of every training in one place: the paper's, MoCo v2's own, and one for a laptop."""

from typing import Literal

from dr_core.models.setups import Setup
from dr_core.training.classification import FinetuneConfig
from dr_core.training.contrastive import ContrastiveConfig
from dr_core.training.loop import LoopConfig

Preset = Literal["paper", "quick"]

FINETUNE: dict[Preset, dict[str, FinetuneConfig]] = {
    "paper": {
        "none": FinetuneConfig(epochs=500, learning_rate=1e-4),
        "imagenet": FinetuneConfig(epochs=50, learning_rate=1e-3),
    },
    "quick": {
        "none": FinetuneConfig(epochs=10, small_epochs=7, learning_rate=1e-3, weight_decay=0.05, batch_size=16),
        "imagenet": FinetuneConfig(epochs=8, small_epochs=5, learning_rate=1e-3, weight_decay=0.05, batch_size=16),
    },
}
"""Preset -> initialization of the set-up -> recipe on graded eyes.

`"paper"`: epochs, learning rates, AdamW with weight decay, best validation AUC kept (section 3.2). The paper names
neither the value of the weight decay, nor batch size, schedule, augmentation, class weights: those are ours.
`"quick"`: for slim networks on a laptop; the demo's.
"""

CONTRASTIVE: dict[Preset, ContrastiveConfig] = {
    "paper": ContrastiveConfig(
        epochs=200, learning_rate=0.03, weight_decay=1e-4, batch_size=256, warmup_epochs=0.0, optimizer="sgd"
    ),
    "quick": ContrastiveConfig(epochs=6, learning_rate=2e-4, queue=512, momentum=0.996, norm_groups=2, view_size=96),
}
"""Preset -> recipe of MoCo v2.

`"paper"`: its authors' defaults (Chen et al. 2020, arXiv:2003.04297, and their code: SGD with learning rate .03 for
batches of 256, weight decay 1e-4, cosine, 200 epochs). `"quick"`: minutes instead of days: small views, a queue as
short as the training; the demo's.
"""

SUPERVISED: dict[Preset, LoopConfig] = {
    "paper": LoopConfig(
        epochs=90, learning_rate=0.1, weight_decay=1e-4, batch_size=256, warmup_epochs=0.0, optimizer="sgd"
    ),
    "quick": LoopConfig(epochs=6, learning_rate=1e-3, weight_decay=0.05),
}
"""Preset -> recipe on images with labels, in the place of ImageNet's published weights.

`"paper"`: torchvision's reference recipe for ResNet-50, with a cosine in place of its steps. `"quick"`: the demo's.
"""


def choose_finetuning(preset: Preset, setup: Setup) -> FinetuneConfig:
    """The recipe of a set-up's finetuning: long from scratch, short from weights of external data."""
    return FINETUNE[preset]["none" if setup.initialization == "none" else "imagenet"]
