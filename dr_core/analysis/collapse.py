"""Whether representations have collapsed: their spread and their effective rank, beside a random network's."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from dr_core.errors import InputError

COLLAPSED = 0.1
"""Share of what a network with random weights measures below which a representation counts as collapsed."""

_EPSILON = 1e-7
"""Source: Garrido et al. 2023, eq. 1: for float32."""


def spread_of(vectors: Tensor) -> float:
    """Spread of directions: the standard deviation of z / ||z|| in each coordinate, averaged, times sqrt(d).

    1: directions are spread evenly over the sphere; 0: all are one.

    Args:
        vectors: Float (N, d), N >= 2.

    Raises:
        InputError: If there are fewer than two vectors.

    Source: Chen and He 2021, arXiv:2011.10566, section 4.1 (1 / sqrt(d) for an even spread, here brought to 1).
    """
    _check(vectors)
    unit = F.normalize(vectors.double(), dim=1)
    return float(unit.std(dim=0, correction=0).mean() * math.sqrt(vectors.shape[1]))


def rankme(vectors: Tensor) -> float:
    """Effective rank: RankMe(Z) = exp(-sum over k of p_k log p_k), p_k = sigma_k(Z) / ||sigma(Z)||_1 + epsilon.

    Args:
        vectors: Float (N, d), N >= 2.

    Returns:
        1 (all on one line through 0) to about min(N, d).

    Raises:
        InputError: If there are fewer than two vectors.

    Source: Garrido et al. 2023, arXiv:2210.02885, eq. 1; Roy and Vetterli 2007 without epsilon.
    """
    _check(vectors)
    values = torch.linalg.svdvals(vectors.double())
    shares = values / values.sum().clamp(min=torch.finfo(torch.float64).tiny) + _EPSILON
    return float(torch.exp(-(shares * shares.log()).sum()))


def _check(vectors: Tensor) -> None:
    if vectors.ndim != 2 or len(vectors) < 2:
        raise InputError(f"`vectors` must be of the shape (N, d) with N of at least 2, not {tuple(vectors.shape)}.")


def measure_collapse(features: Tensor, projection: Tensor) -> dict[str, float]:
    """Spread and effective rank of an encoder's features, and of what the loss compares.

    Args:
        features: Float (N, C).
        projection: Float (N, d), of the same images.

    Returns:
        `feature_spread`, `feature_rankme`, `projection_spread`, `projection_rankme`, as `spread_of` and `rankme`.

    Raises:
        InputError: If there are fewer than two images.

    Source: as `spread_of` and `rankme`.
    """
    return {
        "feature_spread": spread_of(features),
        "feature_rankme": rankme(features),
        "projection_spread": spread_of(projection),
        "projection_rankme": rankme(projection),
    }


def describe_collapse(measures: Mapping[str, float]) -> str:
    """Say that a representation has collapsed.

    It has where the spread of features or projection, or the effective rank of the projection, is below a tenth of that
    of the network as it began (`COLLAPSED`).

    Args:
        measures: What `measure_collapse` gave, and the same of the network as it began under names that end in
            `_random`; or measures without these.

    Returns:
        A sentence; empty where nothing has collapsed, or nothing was measured.

    Source: a threshold of our own; docs/training.md says what healthy trainings measure.
    """
    for name in ("feature_spread", "projection_spread", "projection_rankme"):
        value, control = measures.get(name), measures.get(f"{name}_random")
        if value is not None and control is not None and value < COLLAPSED * control:
            what, _, measure = name.partition("_")
            word = {"spread": "spread", "rankme": "effective rank"}[measure]
            return (
                f"The {what}s have collapsed: their {word} is {value:.3g}, and {control:.3g} with random weights (the "
                f"warning comes below {COLLAPSED:.0%} of that). The encoder tells eyes apart less than before it was "
                "trained; lower the learning rate, or choose another method."
            )
    return ""
