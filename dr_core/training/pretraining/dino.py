"""DINO as a method of pretraining."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.models.dino import DINO, TEACHER_TEMPERATURE, dino_loss
from dr_core.models.projection import raise_momentum
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.seeds import derive_seed
from dr_core.training.pretraining.config import SelfSupervisedConfig, check_range
from dr_core.training.pretraining.method import TWO_VIEWS, Loss, Method, View
from dr_core.training.task import Batch


@dataclass(frozen=True, kw_only=True)
class DinoConfig(SelfSupervisedConfig):
    """How an encoder is pretrained with DINO; the defaults are its authors'.

    Attributes:
        hidden: Width within the head.
        bottleneck: Length of what enters the head's last layer.
        momentum: Momentum of the teacher at the first step; it rises to 1 at the last.
        temperature: Temperature of the student, tau_s.
        teacher_temperature: Temperature of the teacher, tau_t, lower: it sharpens.
        frozen_epochs: First epochs in which the head's last layer does not learn.
        local_views: Number of small crops that the student alone sees; 0 has none.
        local_area: Largest share of the image's area in such a crop; those of the global views begin here.
    """

    dim: int = 65536
    hidden: int = 2048
    bottleneck: int = 256
    momentum: float = 0.996
    temperature: float = 0.1
    teacher_temperature: float = TEACHER_TEMPERATURE
    frozen_epochs: int = 1
    local_views: int = 8
    local_area: float = 0.14

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, {"momentum": (0, 1), "hidden": (1, 2**20), "bottleneck": (1, 2**20), "local_area": (0.01, 1)})
        check_range(self, {"local_views": (0, 64), "frozen_epochs": (0, self.epochs)})
        if not 0 < self.teacher_temperature <= self.temperature:
            raise InputError(
                f"`teacher_temperature` must be above 0 and at most `temperature`, {self.temperature:g}, not "
                f"{self.teacher_temperature:g}; a teacher that does not sharpen collapses."
            )


def _build(encoder: nn.Module, head: str, config: DinoConfig) -> DINO:
    seed = derive_seed(config.seed, "projection")
    return DINO(encoder, config.dim, config.hidden, config.bottleneck, head=head, seed=seed)


def _choose_views(config: DinoConfig) -> Sequence[View]:
    """Two global views; where there are local ones, they part the areas at `local_area`."""
    if not config.local_views:
        return TWO_VIEWS
    border, least, most = config.local_area, *config.augment.crop_area
    shown = (max(border, least), max(border, most))
    whole = [replace(view, crop_area=shown) for view in TWO_VIEWS]
    small = (min(_LEAST_AREA, border), border)
    return (
        *whole,
        *(View(name=f"local {n}", crop_area=small, scale=_LOCAL_SCALE) for n in range(config.local_views)),
    )


_LEAST_AREA = 0.05
"""Least share of the area in a local view. Source: Caron et al. 2021, section 3.2."""

_LOCAL_SCALE = 96 / 224
"""Side of a local view, of a global one's. Source: Caron et al. 2021, section 3.1."""


def _begin_step(dino: DINO, batch: Batch, config: DinoConfig) -> None:
    dino.freeze_last_layer(batch.epoch < config.frozen_epochs)
    dino.move_target(raise_momentum(config.momentum, batch.progress))


def _loss(network: nn.Module, dino: DINO, views: Sequence[Tensor], config: DinoConfig) -> Loss:
    student, teacher = network(*views)
    loss = dino_loss(student, teacher, dino.center, config.temperature, config.teacher_temperature)
    logits = torch.cat(teacher)
    sharp = torch.softmax((logits.float() - dino.center) / config.teacher_temperature, dim=1)
    dino.move_center(logits)
    return loss, {"teacher_entropy": -(sharp * sharp.clamp(min=1e-12).log()).sum(dim=1).mean()}


DINO_METHOD = Method(
    name="dino",
    label=PRETRAINING_LABELS["dino"],
    summary="A student learns the distribution that its own moving average gives to other crops of the image.",
    source="Caron et al. 2021, arXiv:2104.14294",
    recipes={
        "paper": DinoConfig(
            epochs=100, learning_rate=0.03, weight_decay=1e-4, batch_size=256, warmup_epochs=10.0, optimizer="sgd"
        ),
        "quick": DinoConfig(
            epochs=6,
            learning_rate=1e-3,
            dim=1024,
            hidden=512,
            bottleneck=128,
            momentum=0.99,
            local_views=0,
            view_size=96,
        ),
    },
    encoder="teacher_encoder.",
    build=_build,
    views=_choose_views,
    loss=_loss,
    begin_step=_begin_step,
)
"""DINO. `"paper"`: its authors' recipe for ResNet-50 (their code: SGD with learning rate .03 for batches of 256, weight
decay 1e-4, crops from 14 % of the area on), gradients not clipped. `"quick"`: minutes instead of days, no local
crops."""
