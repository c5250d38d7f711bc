"""Randomness of a corruption: drawn from an image's seed alone, never from its place in a batch."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from dr_core.seeds import derive_seed

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What a corruption draws for a batch.

    Numbers are drawn on the CPU, so that they are the same on every device, and have no state: the same purpose gives
    the same numbers, at every severity.

    Attributes:
        seeds: One seed for all images of the batch, or one an image.
        name: Name of the corruption.
        device: Where the images lie.
        memory: What was drawn so far; see `once`.
    """

    seeds: tuple[int, ...]
    name: str
    device: torch.device
    memory: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """What `make` gives, kept: two levels that are mixed, or the parts of a large batch, draw it only once.

        Nobody may write to it.
        """
        if key not in self.memory:
            self.memory[key] = make()
        kept: Result = self.memory[key]
        return kept

    def each(self, purpose: str, draw: Callable[[np.random.Generator], Result]) -> list[Result]:
        """What `draw` makes of a fresh numpy generator, for each seed."""
        return [draw(np.random.default_rng(derive_seed(seed, self.name, purpose))) for seed in self.seeds]

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal, float32 (K, *shape), K the number of seeds."""
        return self.once(
            ("normal", purpose, shape),
            lambda: self._fill(lambda out, generator: out.normal_(generator=generator), purpose, shape),
        )

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Uniform in [0, 1), float32 (K, *shape)."""
        return self.once(
            ("uniform", purpose, shape),
            lambda: self._fill(lambda out, generator: out.uniform_(generator=generator), purpose, shape),
        )

    def _fill(self, draw: Callable[[Tensor, torch.Generator], Tensor], purpose: str, shape: tuple[int, ...]) -> Tensor:
        numbers = torch.empty(len(self.seeds), *shape)
        for seed, out in zip(self.seeds, numbers, strict=True):
            draw(out, torch.Generator().manual_seed(derive_seed(seed, self.name, purpose)))
        return numbers.to(self.device)

    def spread(self, images: Tensor) -> list[Tensor]:
        """Images (N, ...) in groups of one seed: the whole batch, or one by one."""
        return [images] if len(self.seeds) == 1 else list(torch.split(images, 1))
