"""Weather. Images are float32 (N, 3, H, W) in 0..1."""

import numpy as np
import torch
from torch import Tensor

from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_motion, zoom_center
from dr_core.corruption.ice import cut_ice

LUMA = (0.299, 0.587, 0.114)
"""Weights of gray."""


def gray(images: Tensor) -> Tensor:
    """Luma, (N, 1, H, W)."""
    return (images * images.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def snow(  # noqa: PLR0913 - the seven published parameters
    images: Tensor, mean: float, spread: float, size: float, least: float, radius: int, sigma: float, keep: float,
    draws: Draws,
) -> Tensor:  # fmt: skip
    """Flakes that fall slantwise over a whitened picture."""
    height, width = images.shape[-2:]

    def draw() -> Tensor:
        layer = zoom_center(mean + spread * draws.normal("flakes", 1, height, width), size)
        layer = torch.where(layer < least, 0, layer).clamp(0, 1)
        angles = (draws.numbers("angle") * 90 - 135).tolist()
        smeared = [blur_motion(flakes[None], radius, sigma, angle) for flakes, angle in zip(layer, angles, strict=True)]
        layer = torch.round(torch.cat(smeared) * 255)[..., :height, :width] / 255
        return layer + layer.flip(-1, -2)

    flakes = draws.once(("flakes", mean, spread, size, least, radius, sigma, height, width), draw)
    white = keep * images + (1 - keep) * torch.maximum(images, gray(images) * 1.5 + 0.5)
    return white + flakes


def fog(images: Tensor, amount: float, decay: float, draws: Draws) -> Tensor:
    """Clouds of a plasma fractal, the whole kept within the brightness that the image had."""
    height, width = images.shape[-2:]
    side = 1 << (max(height, width) - 1).bit_length()
    maps = draws.once(
        ("plasma", side, decay), lambda: np.stack(draws.each("clouds", lambda each: _draw_plasma(side, decay, each)))
    )
    clouds = torch.from_numpy(maps[:, None, :height, :width]).to(images)
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + amount * clouds) * brightest / (brightest + amount)


def _draw_plasma(side: int, decay: float, generator: np.random.Generator) -> np.ndarray:
    """Diamond-square heights, float32 (side, side) in 0..1; `side` a power of two."""
    heights = np.zeros((side, side), np.float32)
    step, wibble = side, 100.0

    def jitter(total: np.ndarray) -> np.ndarray:
        return total / 4 + wibble * generator.uniform(-wibble, wibble, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        total = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = jitter(total + np.roll(total, -1, 1))
        centers, corners = heights[half::step, half::step], heights[::step, ::step]
        heights[::step, half::step] = jitter(
            centers + np.roll(centers, 1, 0) + corners + np.roll(corners, -1, 1)
        )  # mid-points of rows
        heights[half::step, ::step] = jitter(centers + np.roll(centers, 1, 1) + corners + np.roll(corners, -1, 0))
        step, wibble = half, wibble / decay
    heights -= heights.min()
    return heights / max(float(heights.max()), 1e-9)


def frost(images: Tensor, keep: float, amount: float, draws: Draws) -> Tensor:
    """Ice over the lens: a random piece of one of six sheets; see `ice.render_ice`."""
    height, width = images.shape[-2:]
    ice = draws.once(
        ("ice", height, width), lambda: np.stack(draws.each("ice", lambda each: cut_ice(height, width, each)))
    )
    return keep * images + amount * torch.from_numpy(ice).to(images.device)


def brighten(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Raise the value of HSV; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    raised = (value + amount).clamp(0, 1)
    return torch.where(value > 0, images * raised / value.clamp_min(1e-6), raised)
