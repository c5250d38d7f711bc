"""What the loop trains: a task with a network and a loss, and the batches that it is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from dr_core.training.execution import Share


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch, or the part of it that one process computes at once.

    Attributes:
        rows: Rows of the data in this part, int (n,).
        size: Number of images of the whole batch.
        seed: Seed of the batch's augmentation.
        epoch: The epoch, from 0.
        progress: Share of all steps that are done, 0..1.
        part: Which part this is: every `parts`-th image from this one on.
        parts: Number of parts.
        first: Whether it is the first part that this process computes of the batch.
    """

    rows: np.ndarray
    size: int
    seed: int
    epoch: int
    progress: float = 0.0
    part: int = 0
    parts: int = 1
    first: bool = True


class Task(Protocol):
    """What is trained: a network, a loss on rows of its data, and what is measured after an epoch.

    Attributes:
        images: Number of rows of the data.
        held_out: Number of images that are looked at after an epoch.
    """

    images: int
    held_out: int

    @property
    def network(self) -> nn.Module:
        """What is optimized."""
        ...

    @property
    def monitor(self) -> str | None:
        """The measure whose highest value marks the best epoch; None keeps the last one."""
        ...

    def draw_order(self, generator: np.random.Generator) -> np.ndarray:
        """Rows in the order in which an epoch meets them, int (images,)."""
        ...

    def read(self, rows: np.ndarray) -> Tensor:
        """Images of some rows, uint8 (n, 3, H, W), in memory; called from another thread."""
        ...

    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a part of a batch.

        Args:
            network: The network, perhaps wrapped for many processes.
            images: Uint8 (n, 3, H, W), the part's images on the network's device.
            batch: Which they are.

        Returns:
            The mean over the part, a scalar with gradient; and measures to average over the epoch, scalars.
        """
        ...

    def evaluate(self, share: Share) -> dict[str, float]:
        """Measures after an epoch, on what is held out; the same in every process."""
        ...

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """Write the network as a checkpoint that `metrics` describes."""
        ...
