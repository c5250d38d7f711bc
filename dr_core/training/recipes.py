"""The recipes of the finetunings: the paper's, and one for a laptop. A pretraining's stand with its method."""

from functools import partial
from typing import Literal

from dr_core.data.augment import POSITION
from dr_core.models.setups import Setup
from dr_core.training.classification import FinetuneConfig

Preset = Literal["paper", "quick"]

_quick = partial(FinetuneConfig, learning_rate=1e-3, weight_decay=0.05, batch_size=16, augment=POSITION)

FINETUNE: dict[Preset, dict[str, FinetuneConfig]] = {
    "paper": {
        "none": FinetuneConfig(epochs=500, learning_rate=1e-4),
        "imagenet": FinetuneConfig(epochs=50, learning_rate=1e-3),
    },
    "quick": {
        "none": _quick(epochs=10, small_epochs=7),
        "imagenet": _quick(epochs=8, small_epochs=5),
    },
}
"""Preset -> initialization of the set-up -> recipe on graded eyes.

`"paper"`: epochs, learning rates, AdamW with weight decay, best validation AUC kept (section 3.2). The paper names
neither the value of the weight decay, nor batch size, schedule, augmentation, class weights: those are ours.
`"quick"`: for slim networks on a laptop; the demo's.
"""


def choose_finetuning(preset: Preset, setup: Setup) -> FinetuneConfig:
    """The recipe of a set-up's finetuning: long from scratch, short from weights of external data."""
    return FINETUNE[preset]["none" if setup.initialization == "none" else "imagenet"]
