"""Learning rates over a training."""

import math
from typing import Literal

Schedule = Literal["constant", "cosine"]


def learning_rate(base: float, step: int, steps: int, *, schedule: Schedule, warmup_steps: int = 0) -> float:
    """Learning rate of one step.

    Args:
        base: The rate after the warm-up.
        step: The step, from 0.
        steps: Number of steps of the whole training.
        schedule: `"constant"`, or `"cosine"`: half a cosine from `base` down to 0.
        warmup_steps: Steps over which the rate first rises linearly to `base`.

    Returns:
        The rate.
    """
    if step < warmup_steps:
        return base * (step + 1) / warmup_steps
    if schedule == "constant":
        return base
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return base * 0.5 * (1.0 + math.cos(math.pi * progress))
