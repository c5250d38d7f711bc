"""Randomness of a corruption: drawn from an image's seed alone, never from its place in a batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dr_core.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What a corruption draws for a batch.

    Numbers are drawn on the CPU, so that they are the same on every device, and have no state: the same purpose gives
    the same numbers, at every severity.

    Attributes:
        seeds: One seed for all images of the batch, or one an image.
        name: Name of the corruption.
        device: Where the images lie.
    """

    seeds: tuple[int, ...]
    name: str
    device: torch.device

    def generators(self, purpose: str) -> list[torch.Generator]:
        """A fresh CPU generator for each seed."""
        return [torch.Generator().manual_seed(derive_seed(seed, self.name, purpose)) for seed in self.seeds]

    def numpy(self, purpose: str) -> list[np.random.Generator]:
        """A fresh numpy generator for each seed."""
        return [np.random.default_rng(derive_seed(seed, self.name, purpose)) for seed in self.seeds]

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal, float32 (K, *shape), K the number of seeds."""
        return torch.stack([torch.randn(shape, generator=each) for each in self.generators(purpose)]).to(self.device)

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Uniform in [0, 1), float32 (K, *shape)."""
        return torch.stack([torch.rand(shape, generator=each) for each in self.generators(purpose)]).to(self.device)

    def spread(self, images: Tensor) -> list[Tensor]:
        """Images (N, ...) in groups of one seed: the whole batch, or one by one."""
        return [images] if len(self.seeds) == 1 else list(images.split(1))
