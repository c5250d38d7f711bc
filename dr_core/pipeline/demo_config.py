"""What the demo draws and how long it trains, in one place."""

import dataclasses
from dataclasses import dataclass, field

from dr_core.training.classification import FinetuneConfig
from dr_core.training.contrastive import ContrastiveConfig
from dr_core.training.loop import LoopConfig, settle
from dr_core.training.recipes import CONTRASTIVE, FINETUNE, SUPERVISED


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What the demo draws and how long it trains.

    Attributes:
        seed: Seed of everything.
        patients: Number of phantom patients, two eyes each, for training.
        validation_patients: Phantom patients by whom checkpoints are chosen.
        test_patients: Phantom patients held out for the figures.
        textures: Number of images of the procedural stand-in for ImageNet.
        fractions: Percentages of the training patients on which each set-up is finetuned as well, for the curve of AUC
            against labels; the checkpoints are those of all patients.
        finetune: Initialization -> recipe on labeled phantoms.
        contrastive: Recipe of MoCo v2, on phantoms (IWNE-CL) and on the stand-in (IFI-CL).
        supervised: Recipe of the supervised training on the stand-in.
    """

    seed: int = 0
    patients: int = 3400
    validation_patients: int = 150
    test_patients: int = 300
    textures: int = 5000
    fractions: tuple[int, ...] = (10, 30)
    finetune: dict[str, FinetuneConfig] = field(default_factory=lambda: dict(FINETUNE["quick"]))
    contrastive: ContrastiveConfig = CONTRASTIVE["quick"]
    supervised: LoopConfig = SUPERVISED["quick"]


def settle_demo(config: DemoConfig) -> DemoConfig:
    """The demo as this machine computes it, with every recipe settled; it trains where Fabric finds a device."""
    return dataclasses.replace(
        config,
        finetune={name: settle(recipe, "auto") for name, recipe in config.finetune.items()},
        contrastive=settle(config.contrastive, "auto"),
        supervised=settle(config.supervised, "auto"),
    )


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
        fractions=(50,),
        finetune={name: dataclasses.replace(recipe, epochs=1, batch_size=8) for name, recipe in plain.finetune.items()},
        contrastive=dataclasses.replace(plain.contrastive, queue=64, epochs=1, batch_size=8),
        supervised=dataclasses.replace(plain.supervised, epochs=1, batch_size=8),
    )
