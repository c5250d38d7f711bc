"""MoCo v2 pretraining on images without their labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dr_core.data.augment import MOCO_V2, AugmentConfig, augment, draw_parameters
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.moco import MoCo
from dr_core.seeds import derive_seed
from dr_core.training.loop import LoopConfig


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig(LoopConfig):
    """How an encoder is pretrained with MoCo v2; the defaults are its authors'.

    Attributes:
        dim: Length of the representation.
        queue: Number of keys in the queue, K.
        momentum: Momentum of the key encoder, m.
        temperature: Temperature of the softmax, T.
        norm_groups: Groups of a batch for batch norm on one device.
        augment: The two-crop augmentation.
        view_size: Side of the two views in pixels; None keeps the images' own.
    """

    dim: int = 128
    queue: int = 65536
    momentum: float = 0.999
    temperature: float = 0.2
    norm_groups: int = 4
    augment: AugmentConfig = MOCO_V2
    view_size: int | None = None


class ContrastiveTask:
    """Tell two views of an image from views of other images.

    Args:
        moco: The two encoders with their queue.
        train: Images; labels are not read.
        preprocessing: Gives mean and standard deviation of the input.
        config: The recipe; its augmentation is drawn twice for each image.
    """

    monitor: str | None = None

    def __init__(self, moco: MoCo, train: Store, *, preprocessing: Preprocessing, config: ContrastiveConfig) -> None:
        self.network = moco
        self.images = len(train)
        self.train = train
        self.preprocessing = preprocessing
        self.config = config

    def loss(self, rows: np.ndarray, seed: int, epoch: int) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE loss (He et al. 2020, eq. 1), accuracy among 1+K, and cosine of query and key."""
        images = torch.from_numpy(self.train.images[rows]).to(self.network.queue.device)
        logits, labels = self.network(self._view(images, seed, "query"), self._view(images, seed, "key"))
        measures = {
            "contrast_accuracy": float((logits.argmax(dim=1) == 0).float().mean()),
            "cosine": float(logits[:, 0].detach().mean()) * self.network.T,
        }
        return F.cross_entropy(logits, labels), measures

    def _view(self, images: Tensor, seed: int, name: str) -> Tensor:
        parameters = draw_parameters(self.config.augment, len(images), derive_seed(seed, name))
        pixels = augment(images, parameters, self.config.view_size)
        return self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)

    def evaluate(self) -> dict[str, float]:
        """Spread of the queue's keys: near 1/sqrt(dim) when healthy, 0 when collapsed."""
        return {"feature_std": float(self.network.queue.std(dim=1).mean())}

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """A pretrained network has no checkpoint of its own; the run folder's last state holds it."""
