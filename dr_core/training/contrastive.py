"""MoCo v2 pretraining on images without their labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.data.augment import MOCO_V2, AugmentConfig, augment, sample_parameters
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.models.moco import MoCo
from dr_core.seeds import derive_seed
from dr_core.training.execution import Share
from dr_core.training.loop import LoopConfig
from dr_core.training.neighbors import measure_neighbors
from dr_core.training.task import Batch


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig(LoopConfig):
    """How an encoder is pretrained with MoCo v2; the defaults are its authors'.

    Attributes:
        dim: Length of the representation.
        queue: Number of keys in the queue, K.
        momentum: Momentum of the key encoder, m.
        temperature: Temperature of the softmax, T.
        norm_groups: Groups of a batch for batch norm, over all devices; the least is one a device.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.dim, self.queue, self.norm_groups) < 1:
            raise InputError("`dim`, `queue` and `norm_groups` must be at least 1.")
        if not (0 <= self.momentum <= 1 and self.temperature > 0):
            raise InputError("`momentum` must be between 0 and 1, and `temperature` above 0.")
        if self.batch_size < 2 * self.norm_groups:
            raise InputError(
                f"A batch of {self.batch_size} leaves fewer than 2 images in each of {self.norm_groups} groups for "
                "batch norm; lower `norm_groups` or raise the batch."
            )


class ContrastiveTask:
    """Tell two views of an image from views of other images.

    Args:
        moco: The two encoders with their queue.
        train: Images; labels are not read.
        preprocessing: Gives mean and standard deviation of the input.
        config: The recipe; its augmentation is drawn twice for each image.
        labeled: Graded eyes on which the features are tried by nearest neighbors after each epoch; none are trained on
            their grades.
    """

    monitor: str | None = None

    def __init__(
        self,
        moco: MoCo,
        train: Store,
        *,
        preprocessing: Preprocessing,
        config: ContrastiveConfig,
        labeled: Store | None = None,
    ) -> None:
        self.network = moco
        self.images, self.held_out = len(train), len(labeled) if labeled else 0
        self.train, self.labeled = train, labeled
        self.preprocessing = preprocessing
        self.config = config

    def draw_order(self, generator: np.random.Generator) -> np.ndarray:
        """Every image once."""
        return generator.permutation(self.images)

    def read(self, rows: np.ndarray) -> Tensor:
        """Images of some rows, uint8 (n, 3, H, W)."""
        return torch.from_numpy(self.train.read(rows))

    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """InfoNCE loss (He et al. 2020, eq. 1), accuracy among 1+K, and cosine of query and key."""
        logits, labels = network(self._view(images, batch, "query"), self._view(images, batch, "key"))
        measures = {
            "contrast_accuracy": (logits.detach().argmax(dim=1) == 0).float().mean(),
            "cosine": logits[:, 0].detach().mean() * self.network.T,
        }
        return F.cross_entropy(logits, labels), measures

    def _view(self, images: Tensor, batch: Batch, name: str) -> Tensor:
        drawn = sample_parameters(self.config.augment, batch.size, derive_seed(batch.seed, name))
        pixels = augment(images, drawn.take(batch.part, batch.parts), self.config.view_size)
        return self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)

    def evaluate(self, share: Share) -> dict[str, float]:
        """Spread of the queue's keys (1/sqrt(dim) when healthy, 0 when collapsed), and how well neighbors agree."""
        measures = {"feature_std": float(self.network.queue.std(dim=1).mean())}
        if self.labeled is None:
            return measures
        features = share.gather(self._features(self.labeled, share.rows(len(self.labeled))), len(self.labeled))
        index = self.labeled.index
        return measures | measure_neighbors(features, index["grade"].to_numpy(np.int64), index["patient"].to_numpy(str))

    @torch.no_grad()
    def _features(self, store: Store, rows: np.ndarray, batch_size: int = 128) -> np.ndarray:
        """Pooled features of the query encoder, before the head, float32 (n, C)."""
        encoder = self.network.encoder_q
        head, encoder.fc = encoder.fc, nn.Identity()
        try:
            parts = []
            for start in range(0, len(rows), batch_size):
                images = torch.from_numpy(store.read(rows[start : start + batch_size]))
                pixels = images.to(self.network.queue.device).float().div_(255)
                inputs = self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)
                parts.append(encoder(inputs).float().cpu().numpy())
            return np.concatenate(parts)
        finally:
            encoder.fc = head

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """A pretrained network has no checkpoint of its own; the run folder's last state holds it."""
