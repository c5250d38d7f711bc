"""SimCLR as a method of pretraining."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.models.simclr import SimCLR, nt_xent
from dr_core.seeds import derive_seed
from dr_core.training.pretraining.config import SelfSupervisedConfig
from dr_core.training.pretraining.method import TWO_VIEWS, Loss, Method


@dataclass(frozen=True, kw_only=True)
class SimCLRConfig(SelfSupervisedConfig):
    """How an encoder is pretrained with SimCLR.

    Attributes:
        temperature: Temperature of the softmax, tau.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise InputError(f"`temperature` must be above 0, not {self.temperature}.")


def _build(encoder: nn.Module, head: str, config: SimCLRConfig) -> SimCLR:
    return SimCLR(encoder, config.dim, head=head, seed=derive_seed(config.seed, "projection"))


def _loss(network: nn.Module, _simclr: SimCLR, views: Sequence[Tensor], config: SimCLRConfig) -> Loss:
    first, second = network(*views)
    cosine = F.cosine_similarity(first.detach().float(), second.detach().float()).mean()
    return nt_xent(first, second, config.temperature), {"cosine": cosine}


def _find_doubts(config: SimCLRConfig, images: int) -> list[str]:
    del images
    if config.batch_size >= _FEW_NEGATIVES:
        return []
    return [
        f"A batch of {config.batch_size} gives each view {2 * config.batch_size - 2} negatives; the authors find small "
        "batches to need more epochs (section 5.2)."
    ]


_FEW_NEGATIVES = 256
"""Least batch of the authors' figure 9."""

SIMCLR = Method(
    name="simclr",
    label=PRETRAINING_LABELS["simclr"],
    summary="Two views of an image are distinguished from all other views of the batch.",
    source="Chen et al. 2020, arXiv:2002.05709",
    recipes={
        "paper": SimCLRConfig(
            epochs=200, learning_rate=0.06, weight_decay=1e-6, batch_size=256, warmup_epochs=10.0, optimizer="sgd"
        ),
        "quick": SimCLRConfig(epochs=6, learning_rate=1e-3, temperature=0.2, view_size=96),
    },
    encoder="encoder.",
    build=_build,
    views=lambda _: TWO_VIEWS,
    loss=_loss,
    doubts=_find_doubts,
)
"""SimCLR. `"paper"`: its authors' temperature, weight decay and warm-up (section 2.2 and appendix B.6); their optimizer
is LARS for batches of 4096, ours SGD for 256 with the learning rate of lightly's example. `"quick"`: minutes instead
of days."""
