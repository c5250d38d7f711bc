"""What is measured while an epoch runs."""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dr_core.training.execution import Share


class EpochMeasures:
    """Measures of an epoch's batches, left on the device until they are looked at: a look makes a GPU wait.

    Args:
        device: Where the measures are.
        share: This process.
        begun: What `state` gave when the epoch was stopped; empty for one that begins.

    Attributes:
        steps: Steps that are done.
        waited: Seconds in which nothing was computed, since images were still being read.
    """

    LOOK = 16
    """Steps between two looks on a GPU."""

    def __init__(self, device: torch.device, share: Share, begun: Mapping[str, Any]) -> None:
        self.every = 1 if device.type == "cpu" else self.LOOK
        self.share = share
        self.unseen: list[tuple[int, dict[str, Tensor]]] = []
        self.seen: list[dict[str, float]] = list(begun.get("seen", ()))
        self.rates: list[float] = list(begun.get("rates", ()))
        self.steps: int = begun.get("steps", 0)
        self.waited: float = begun.get("waited", 0.0)
        self._started = time.perf_counter() - begun.get("seconds", 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the epoch began, without those in which it was stopped."""
        result: float = time.perf_counter() - self._started
        return result

    def state(self) -> dict[str, Any]:
        """What a stopped epoch needs to go on; measures as the mean over the processes. Raises as `add`."""
        self.look()
        names = list(self.seen[0])
        mine = np.array([[[past[name] for name in names] for past in self.seen]])
        seen = self.share.gather(mine, self.share.world).mean(axis=0).tolist()
        return {
            "steps": self.steps,
            "seen": [dict(zip(names, values, strict=True)) for values in seen],
            "rates": self.rates,
            "waited": self.waited,
            "seconds": self.seconds,
        }

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
