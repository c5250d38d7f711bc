"""Blur. Images are float32 (N, 3, H, W) in 0..1; kernels are in pixels of 224."""

import numpy as np
import torch
from torch import Tensor

from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_gaussian, blur_motion, convolve, zoom_center

ZOOMS = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
"""End and step of the zoom factors at each level."""


def gaussian_blur(images: Tensor, sigma: float, draws: Draws) -> Tensor:
    """Gaussian blur; sigma in pixels."""
    return blur_gaussian(images, sigma)


def defocus(images: Tensor, radius: int, alias: float) -> Tensor:
    """Convolve with a disk; radius and the smoothing of its edge in pixels."""
    return convolve(images, _draw_disk(radius, alias))


def _draw_disk(radius: int, alias: float) -> Tensor:
    reach, support = max(8, radius), 1 if radius <= 8 else 2
    steps = torch.arange(-reach, reach + 1)
    disk = ((steps[:, None] ** 2 + steps[None] ** 2) <= radius**2).float()
    disk /= disk.sum()
    return blur_gaussian(disk[None, None], alias, truncate=support / alias, mode="reflect")[0, 0]


def shake(images: Tensor, radius: int, sigma: float, draws: Draws) -> Tensor:
    """Motion blur in a direction within 45 degrees of the horizontal."""
    angles = (draws.uniform("angle") * 90 - 45).tolist()
    groups = zip(draws.spread(images), angles, strict=True)
    return torch.cat([blur_motion(group, radius, sigma, angle) for group, angle in groups])


def zoom(images: Tensor, end: float, step: float) -> Tensor:
    """Mean over zoom factors from 1 to `end`."""
    factors = np.arange(1, end, step)
    total = images.clone()
    for factor in factors:
        layer = zoom_center(images, float(factor))[..., : images.shape[-2], : images.shape[-1]]
        total[..., : layer.shape[-2], : layer.shape[-1]] += layer
    return total / (len(factors) + 1)


def glass(images: Tensor, sigma: float, reach: int, rounds: int, draws: Draws) -> Tensor:
    """Blur, swap pixels with neighbors up to `reach` away, blur again.

    Deviation: the original swaps pixel after pixel in raster order; here lattices of pixels that cannot touch one
    another are swapped together.
    """
    height, width = images.shape[-2:]
    soft = torch.floor(blur_gaussian(images, sigma) * 255) / 255
    groups = []
    for group, generator in zip(draws.spread(soft), draws.numpy("swaps"), strict=True):
        order = torch.from_numpy(_shuffle(height, width, reach, rounds, generator)).to(images.device)
        groups.append(group.flatten(2)[..., order].reshape(group.shape))
    return blur_gaussian(torch.cat(groups), sigma)


def _shuffle(height: int, width: int, reach: int, rounds: int, generator: np.random.Generator) -> np.ndarray:
    """Where each pixel comes from, int64 (H * W,)."""
    order = np.arange(height * width)
    for _ in range(rounds):
        for place in range((2 * reach) ** 2):
            down, right = divmod(place, 2 * reach)
            rows = np.arange(height - reach - down, reach, -2 * reach)
            columns = np.arange(width - reach - right, reach, -2 * reach)
            moves = generator.integers(-reach, reach, size=(2, len(rows), len(columns)))
            here = rows[:, None] * width + columns
            there = (rows[:, None] + moves[0]) * width + columns + moves[1]
            order[here], order[there] = order[there], order[here]
    return order
