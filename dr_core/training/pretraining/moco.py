"""MoCo v2 as a method of pretraining."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.devices import find_job
from dr_core.errors import InputError
from dr_core.models.moco import MoCo
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.training.pretraining.config import SelfSupervisedConfig
from dr_core.training.pretraining.method import TWO_VIEWS, Loss, Method


@dataclass(frozen=True, kw_only=True)
class MoCoConfig(SelfSupervisedConfig):
    """How an encoder is pretrained with MoCo v2; the defaults are its authors'.

    Attributes:
        queue: Number of keys in the queue, K.
        momentum: Momentum of the key encoder, m.
        temperature: Temperature of the softmax, T.
        norm_groups: Groups of a batch for batch norm, over all devices; the least is one a device.
    """

    queue: int = 65536
    momentum: float = 0.999
    temperature: float = 0.2
    norm_groups: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.queue, self.norm_groups) < 1:
            raise InputError("`queue` and `norm_groups` must be at least 1.")
        if not (0 <= self.momentum <= 1 and self.temperature > 0):
            raise InputError("`momentum` must be between 0 and 1, and `temperature` above 0.")
        if self.batch_size < 2 * self.norm_groups:
            raise InputError(
                f"A batch of {self.batch_size} leaves fewer than 2 images in each of {self.norm_groups} groups for "
                "batch norm; lower `norm_groups` or raise the batch."
            )


def _build(encoder: nn.Module, head: str, config: MoCoConfig) -> MoCo:
    return MoCo(
        encoder,
        config.dim,
        config.queue,
        config.momentum,
        config.temperature,
        norm_groups=max(1, config.norm_groups // find_job().world),
        seed=config.seed,
        head=head,
    )


def _loss(network: nn.Module, moco: MoCo, views: Sequence[Tensor], config: MoCoConfig) -> Loss:
    """InfoNCE loss (He et al. 2020, eq. 1), accuracy among 1+K, and cosine of query and key."""
    logits, labels = network(*views)
    measures = {
        "contrast_accuracy": (logits.detach().argmax(dim=1) == 0).float().mean(),
        "cosine": logits[:, 0].detach().mean() * config.temperature,
    }
    return F.cross_entropy(logits, labels), measures


def _find_doubts(config: MoCoConfig, images: int) -> list[str]:
    if config.queue < images:
        return []
    return [
        f"The queue holds {config.queue} keys and there are {images} images: every image meets older keys of itself as "
        "negatives. Choose a `queue` smaller than the number of images."
    ]


MOCO = Method(
    name="moco",
    label=PRETRAINING_LABELS["moco"],
    summary="Two views of an image are distinguished from a queue of other images' views.",
    source="He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297",
    recipes={
        "paper": MoCoConfig(
            epochs=200, learning_rate=0.03, weight_decay=1e-4, batch_size=256, warmup_epochs=0.0, optimizer="sgd"
        ),
        "quick": MoCoConfig(epochs=6, learning_rate=2e-4, queue=512, momentum=0.996, norm_groups=2, view_size=96),
    },
    encoder="encoder_q.",
    build=_build,
    views=lambda _: TWO_VIEWS,
    loss=_loss,
    doubts=_find_doubts,
)
"""MoCo v2. `"paper"`: its authors' defaults (Chen et al. 2020, and their code: SGD with learning rate .03 for batches
of 256, weight decay 1e-4, cosine, 200 epochs). `"quick"`: minutes instead of days: small views, a queue as short as
the training; the demo's."""
