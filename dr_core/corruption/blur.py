"""Blur. Images are float32 (N, 3, H, W) in 0..1; kernels are in pixels of 224."""

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_gaussian, blur_motion, convolve, weigh_gaussian, zoom_center

ZOOMS = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
"""End and step of the zoom factors at each level."""


def gaussian_blur(images: Tensor, sigma: float, draws: Draws) -> Tensor:
    """Gaussian blur; sigma in pixels."""
    return blur_gaussian(images, sigma)


def defocus(images: Tensor, radius: int, alias: float) -> Tensor:
    """Convolve with a disk; radius and the smoothing of its edge in pixels."""
    return convolve(images, _draw_disk(radius, alias))


@lru_cache(maxsize=32)
def _draw_disk(radius: int, alias: float) -> np.ndarray:
    reach, support = max(8, radius), 1 if radius <= 8 else 2
    steps = np.arange(-reach, reach + 1)
    disk = ((steps[:, None] ** 2 + steps[None] ** 2) <= radius**2).astype(np.float32)
    kernel = weigh_gaussian(alias, int(support + 0.5))
    disk = cv2.sepFilter2D(disk / disk.sum(), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    empty = max(0, reach - radius - support)  # zeros that would cost time
    return np.ascontiguousarray(disk[empty : len(disk) - empty, empty : len(disk) - empty])


def shake(images: Tensor, radius: int, sigma: float, draws: Draws) -> Tensor:
    """Motion blur in a direction within 45 degrees of the horizontal."""
    angles = (draws.numbers("angle") * 90 - 45).tolist()
    groups = zip(draws.spread(images), angles, strict=True)
    return torch.cat([blur_motion(group, radius, sigma, angle) for group, angle in groups])


def zoom(images: Tensor, end: float, step: float) -> Tensor:
    """Mean over zoom factors from 1 to `end`."""
    factors = np.arange(1, end, step)
    total = images * 2  # itself and the factor 1
    for factor in factors[1:]:
        layer = zoom_center(images, float(factor))[..., : images.shape[-2], : images.shape[-1]]
        total[..., : layer.shape[-2], : layer.shape[-1]] += layer
    return total / (len(factors) + 1)


def glass(images: Tensor, sigma: float, reach: int, rounds: int, draws: Draws) -> Tensor:
    """Blur, move pixels to neighbors up to `reach` away, blur again."""
    height, width = images.shape[-2:]
    soft = torch.floor(blur_gaussian(images, sigma) * 255) / 255
    orders = draws.once(
        ("order", reach, rounds, height, width),
        lambda: np.stack(draws.each("swaps", lambda each: _shuffle(height, width, reach, rounds, each))),
    )
    order = torch.from_numpy(orders).to(images.device)[:, None].expand(len(images), images.shape[1], -1)
    return blur_gaussian(soft.flatten(2).gather(2, order).reshape(images.shape), sigma)


def _shuffle(height: int, width: int, reach: int, rounds: int, generator: np.random.Generator) -> np.ndarray:
    """Where each pixel comes from, int64 (H * W,).

    The original goes from the last pixel to the first and means to swap each with a neighbor, but NumPy's views make it
    a copy of the neighbor, as here. A neighbor that had its turn before hands on what it got: such chains are followed
    for all pixels at once, by steps of doubling length.
    """
    pixels = np.arange(height * width)
    inner = np.zeros((height, width), bool)
    inner[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1] = True
    touched = inner.ravel()
    down, right = np.divmod(np.arange((2 * reach) ** 2), 2 * reach)
    moves = (down - reach) * width + right - reach
    order = pixels
    for _ in range(rounds):
        drawn = generator.integers(len(moves), size=height * width, dtype=np.uint8)
        source = pixels + moves[drawn] * touched
        chained = (source > pixels) & touched[source]
        waiting = np.flatnonzero(chained)
        while len(waiting):
            ahead = source[waiting]
            more = chained[ahead]
            source[waiting], chained[waiting] = source[ahead], more
            waiting = waiting[more]
        order = order[source]
    return order
