"""What is measured while an epoch runs."""

import math

import numpy as np
import torch
from torch import Tensor

from dr_core.training.execution import Share


class EpochMeasures:
    """Measures of an epoch's batches, left on the device until they are looked at: a look makes a GPU wait.

    Args:
        device: Where the measures are.
        step: The epoch's first step.
        share: This process.
    """

    LOOK = 16
    """Steps between two looks on a GPU."""

    def __init__(self, device: torch.device, step: int, share: Share) -> None:
        self.every = 1 if device.type == "cpu" else self.LOOK
        self.share = share
        self.unseen: list[tuple[int, dict[str, Tensor]]] = []
        self.seen: list[dict[str, float]] = []
        self.rates: list[float] = []

    def add(self, step: int, measures: dict[str, Tensor], rate: float) -> None:
        """Add the measures of a part of a batch.

        Raises:
            FloatingPointError: If a loss, of this step or of one that was not looked at yet, is not finite.
        """
        self.unseen.append((step, measures))
        self.rates.append(rate)
        if len(self.unseen) >= self.every:
            self.look()

    def look(self) -> None:
        """Bring the measures to the host; raises as `add`."""
        for step, measures in self.unseen:
            values = {name: float(value) for name, value in measures.items()}
            if not math.isfinite(values["loss"]):
                raise FloatingPointError(f"The loss became {values['loss']} at step {step + 1}.")
            self.seen.append(values)
        self.unseen = []

    def mean(self) -> dict[str, float]:
        """Mean over the epoch and over the processes."""
        names = list(self.seen[0])
        means = np.array([[np.mean([measures[name] for measures in self.seen]) for name in names]])
        means = self.share.gather(means, self.share.world).mean(axis=0)
        return dict(zip(names, map(float, means), strict=True)) | {"learning_rate": float(np.mean(self.rates))}
