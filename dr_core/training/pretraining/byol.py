"""BYOL as a method of pretraining."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.models.byol import BYOL, byol_loss
from dr_core.models.projection import raise_momentum
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.seeds import derive_seed
from dr_core.training.pretraining.config import SelfSupervisedConfig, check_range
from dr_core.training.pretraining.method import TWO_VIEWS, Loss, Method
from dr_core.training.task import Batch


@dataclass(frozen=True, kw_only=True)
class BYOLConfig(SelfSupervisedConfig):
    """How an encoder is pretrained with BYOL; the defaults are its authors'.

    Attributes:
        hidden: Width within projector and predictor.
        momentum: Momentum of the target at the first step, tau_base; it rises to 1 at the last.
    """

    dim: int = 256
    hidden: int = 4096
    momentum: float = 0.996

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, {"momentum": (0, 1), "hidden": (1, 2**20)})


def _build(encoder: nn.Module, head: str, config: BYOLConfig) -> BYOL:
    return BYOL(encoder, config.dim, config.hidden, head=head, seed=derive_seed(config.seed, "projection"))


def _begin_step(byol: BYOL, batch: Batch, config: BYOLConfig) -> None:
    byol.move_target(raise_momentum(config.momentum, batch.progress))


def _loss(network: nn.Module, _byol: BYOL, views: Sequence[Tensor], _config: BYOLConfig) -> Loss:
    first, second, first_target, second_target = network(*views)
    cosine = F.cosine_similarity(first.detach().float(), second_target.float()).mean()
    return byol_loss(first, second_target) + byol_loss(second, first_target), {"cosine": cosine}


BYOL_METHOD = Method(
    name="byol",
    label=PRETRAINING_LABELS["byol"],
    summary="A network predicts what its own moving average makes of another view; there are no negatives.",
    source="Grill et al. 2020, arXiv:2006.07733",
    recipes={
        "paper": BYOLConfig(
            epochs=200, learning_rate=0.06, weight_decay=1.5e-6, batch_size=256, warmup_epochs=10.0, optimizer="sgd"
        ),
        "quick": BYOLConfig(epochs=6, learning_rate=1e-3, hidden=512, momentum=0.99, view_size=96),
    },
    encoder="encoder.",
    build=_build,
    views=lambda _: TWO_VIEWS,
    loss=_loss,
    begin_step=_begin_step,
)
"""BYOL. `"paper"`: its authors' heads, momentum, weight decay and warm-up (sections 3.2 and 3.3); their optimizer is
LARS for batches of 4096, ours SGD for 256 with the learning rate of lightly's example. `"quick"`: minutes instead of
days."""
