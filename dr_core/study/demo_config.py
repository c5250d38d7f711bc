"""What the demo draws and how long it trains, in one place."""

import dataclasses
from dataclasses import dataclass, field

from dr_core.training.classification import FinetuneConfig
from dr_core.training.contrastive import ContrastiveConfig
from dr_core.training.loop import LoopConfig


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What the demo draws and how long it trains.

    Attributes:
        seed: Seed of everything.
        patients: Number of phantom patients, two eyes each, for training.
        validation_patients: Phantom patients by whom checkpoints are chosen.
        test_patients: Phantom patients held out for the figures.
        textures: Number of images of the procedural stand-in for ImageNet.
        finetune: Initialization -> recipe on labeled phantoms.
        contrastive: Initialization -> recipe of MoCo v2 (`"none"`: on phantoms; `"imagenet"`: on the stand-in).
        supervised: Recipe of the supervised training on the stand-in.
    """

    seed: int = 0
    patients: int = 1700
    validation_patients: int = 150
    test_patients: int = 300
    textures: int = 5000
    finetune: dict[str, FinetuneConfig] = field(
        default_factory=lambda: {
            "none": FinetuneConfig(epochs=8, small_epochs=6, learning_rate=1e-3, weight_decay=0.05, batch_size=16),
            "imagenet": FinetuneConfig(epochs=6, small_epochs=4, learning_rate=1e-3, weight_decay=0.05, batch_size=16),
        }
    )
    contrastive: dict[str, ContrastiveConfig] = field(
        default_factory=lambda: {
            "none": ContrastiveConfig(epochs=8, learning_rate=1e-3, queue=2048, momentum=0.99),
            "imagenet": ContrastiveConfig(epochs=6, learning_rate=1e-3, queue=2048, momentum=0.99),
        }
    )
    supervised: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=6, learning_rate=1e-3, weight_decay=0.05))


def quick_config(seed: int = 0) -> DemoConfig:
    """A demo of minutes for tests: it runs every step and learns next to nothing."""
    plain = DemoConfig()
    return dataclasses.replace(
        plain,
        seed=seed,
        patients=16,
        validation_patients=16,
        test_patients=16,
        textures=32,
        finetune={name: dataclasses.replace(recipe, epochs=1, batch_size=8) for name, recipe in plain.finetune.items()},
        contrastive={
            name: dataclasses.replace(recipe, queue=64, epochs=1, batch_size=8)
            for name, recipe in plain.contrastive.items()
        },
        supervised=dataclasses.replace(plain.supervised, epochs=1, batch_size=8),
    )
