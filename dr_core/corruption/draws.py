"""Randomness of a corruption: drawn from an image's seed alone, never from its place in a batch."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
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

    def on_host(self) -> "Draws":
        """The same draws, kept on the CPU, for what is worked out there before anything is copied to the device."""
        return self if self.device.type == "cpu" else replace(self, device=torch.device("cpu"), memory={})

    def each(self, purpose: str, draw: Callable[[np.random.Generator], Result]) -> list[Result]:
        """What `draw` makes of a fresh numpy generator, for each seed."""
        return [draw(np.random.default_rng(derive_seed(seed, self.name, purpose))) for seed in self.seeds]

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal, float32 (K, *shape), K the number of seeds."""
        return self.once(
            ("normal", purpose, shape),
            lambda: torch.from_numpy(draw_numbers(self, torch.Tensor.normal_, purpose, shape)).to(self.device),
        )

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Uniform in [0, 1), float32 (K, *shape)."""
        return self.once(
            ("uniform", purpose, shape),
            lambda: torch.from_numpy(draw_numbers(self, torch.Tensor.uniform_, purpose, shape)).to(self.device),
        )

    def numbers(self, purpose: str) -> np.ndarray:
        """What `uniform` gives without a shape, on the CPU for Python to read: float32 (K,)."""
        return draw_numbers(self, torch.Tensor.uniform_, purpose, ())

    def spread(self, images: Tensor) -> list[Tensor]:
        """Images (N, ...) in groups of one seed: the whole batch, or one by one."""
        return [images] if len(self.seeds) == 1 else list(torch.split(images, 1))


def draw_numbers(draws: Draws, fill: Callable[..., Tensor], purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Fill float32 (K, *shape) on the CPU, each of the K seeds from a generator of its own."""
    numbers = torch.empty(len(draws.seeds), *shape, device="cpu")
    for seed, out in zip(draws.seeds, numbers, strict=True):
        fill(out, generator=torch.Generator().manual_seed(derive_seed(seed, draws.name, purpose)))
    return numbers.numpy()
