"""Noise of a sensor. Images are float32 (N, 3, H, W) in 0..1; a level is one published parameter."""

import math

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
    rate, share = images * photons, draws.uniform("noise", *images.shape[1:])
    if photons > 60.001:
        return (rate + rate.sqrt() * torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6))).round() / photons
    chance = torch.exp(-rate)
    reached, counts = chance.clone(), torch.zeros_like(rate)
    for count in range(1, int(photons + 6 * math.sqrt(photons)) + 3):
        counts += reached < share
        chance = chance * rate / count
        reached += chance
    return counts / photons


def add_impulse(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Salt and pepper in a share `amount` of the values."""
    hit = draws.uniform("hit", *images.shape[1:]) <= amount
    salt = (draws.uniform("salt", *images.shape[1:]) <= 0.5).to(images)
    return torch.where(hit, salt, images)


def add_speckle(images: Tensor, scale: float, draws: Draws) -> Tensor:
    """Noise that grows with brightness."""
    return images + images * (scale * draws.normal("noise", *images.shape[1:]))
