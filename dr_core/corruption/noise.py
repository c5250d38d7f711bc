"""Noise of a sensor. Images are float32 (N, 3, H, W) in 0..1; a level is one published parameter."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from dr_core.corruption.draws import Draws


def add_gaussian(images: Tensor, scale: float, draws: Draws) -> Tensor:
    """Normal noise of the given standard deviation."""
    return images + scale * draws.normal("noise", *images.shape[1:])


def add_shot(images: Tensor, inverse: float, draws: Draws) -> Tensor:
    """Poisson noise of 1 / `inverse` photons at full brightness.

    Counts are quantiles of one uniform draw, so that they change little while the severity slides. Beyond 60 photons,
    below the first published level, the normal distribution stands for Poisson's.
    """
    photons = 1 / max(inverse, 1e-6)
    share = draws.uniform("noise", *images.shape[1:])
    if photons > 60.001:
        rate, normal = images * photons, math.sqrt(2) * torch.erfinv(2 * share.clamp(1e-6, 1 - 1e-6) - 1)
        return (rate + rate.sqrt() * normal).round() / photons
    gray = (images * 255 + 0.5).to(torch.int32)
    reached, guide = (table.to(images.device) for table in _tabulate_poisson(photons))
    counts = (_count_by_guide if images.device.type == "cpu" else count_by_search)(gray, share, reached, guide)
    return counts / photons


def count_by_search(gray: Tensor, share: Tensor, reached: Tensor, guide: Tensor) -> Tensor:
    """What `_count_by_guide` does, without waiting for a device to say which counts are unsure."""
    rows = torch.arange(len(reached), device=reached.device, dtype=torch.float64)
    steps = (rows[:, None] + reached.clamp(max=1)).flatten()  # rises from row to row, so that one search serves all
    found = torch.searchsorted(steps, gray + share.double())
    return (found - gray * reached.shape[1]).to(guide.dtype)


def _count_by_guide(gray: Tensor, share: Tensor, reached: Tensor, guide: Tensor) -> Tensor:
    """Photons of each value.

    Args:
        gray: Int32 (N, 3, H, W), gray levels 0..255.
        share: Float32 (K, 3, H, W) in [0, 1), K 1 or N.
        reached: Chance of at most 0, 1, ... photons, float32 (256, K).
        guide: Count of each 1024th of the draw, int16 (256, 1024), -1 where it is unsure.

    Returns:
        Int16 (N, 3, H, W).
    """
    buckets = guide.shape[1]
    counts = guide.flatten()[gray * buckets + (share * buckets).to(torch.int32)]
    unsure = (counts < 0).nonzero(as_tuple=True)
    chosen = share.expand_as(gray)[unsure]
    counts[unsure] = (reached[gray[unsure]] < chosen[:, None]).sum(1).to(counts.dtype)
    return counts


@lru_cache(maxsize=16)
def _tabulate_poisson(photons: float, buckets: int = 1024) -> tuple[Tensor, Tensor]:
    """Poisson's distribution for each of the 256 gray levels of an image.

    Returns:
        The chance of at most 0, 1, ... photons, float32 (256, K); and the count that belongs to each 1024th of the
        uniform draw, int16 (256, 1024), -1 where a step lies within it.
    """
    rate = torch.arange(256, dtype=torch.float64)[:, None] / 255 * photons
    counts = torch.arange(1, int(photons + 6 * math.sqrt(photons)) + 3)
    reached = torch.cat([torch.exp(-rate), rate / counts], dim=1).cumprod(1).cumsum(1).float()
    steps = torch.zeros(256, buckets + 1, dtype=torch.int16)
    steps.scatter_add_(1, (reached * buckets).long().clamp(max=buckets), torch.ones_like(reached, dtype=torch.int16))
    steps = steps[:, :buckets]
    below = steps.cumsum(1).to(torch.int16) - steps
    return reached, torch.where(steps > 0, -1, below)


def add_impulse(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Salt and pepper in a share `amount` of the values."""
    draw = draws.uniform("hit", *images.shape[1:])
    salt = draw >= 0.5  # the first bit; the others, twice the rest, say whether it is hit
    hit = draw - 0.5 * salt <= 0.5 * amount
    return torch.where(hit, salt.to(images), images)


def add_speckle(images: Tensor, scale: float, draws: Draws) -> Tensor:
    """Noise that grows with brightness."""
    return images + images * (scale * draws.normal("noise", *images.shape[1:]))
