"""Weather. Images are float32 (N, 3, H, W) in 0..1."""

import numpy as np
import torch
from torch import Tensor

from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_gaussian, blur_motion, zoom_center

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
    layer = zoom_center(mean + spread * draws.normal("flakes", 1, height, width), size)
    layer = torch.where(layer < least, 0, layer).clamp(0, 1)
    angles = (draws.uniform("angle") * 90 - 135).tolist()
    smeared = [blur_motion(flakes[None], radius, sigma, angle) for flakes, angle in zip(layer, angles, strict=True)]
    layer = torch.round(torch.cat(smeared) * 255)[..., :height, :width] / 255
    white = keep * images + (1 - keep) * torch.maximum(images, gray(images) * 1.5 + 0.5)
    return white + layer + layer.flip(-1, -2)


def fog(images: Tensor, amount: float, decay: float, draws: Draws) -> Tensor:
    """Clouds of a plasma fractal, the whole kept within the brightness that the image had."""
    height, width = images.shape[-2:]
    side = 1 << (max(height, width) - 1).bit_length()
    maps = np.stack([_draw_plasma(side, decay, each) for each in draws.numpy("clouds")])
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
    """Ice over the lens.

    Deviation: the original crops one of six photographs; here the ice is drawn, needles of smeared noise over a haze,
    with the photographs' mean brightness (about 153 of 255) and a bluish white.
    """
    height, width = images.shape[-2:]
    grain = draws.normal("grain", 1, height, width)
    angles = (draws.uniform("angles", 3) * 180).tolist()
    ice = []
    for noise, three in zip(grain, angles, strict=True):
        needles = torch.stack([blur_motion(noise[None], 12, 6.0, angle) for angle in three]).amax(0)
        haze = blur_gaussian(noise[None], min(height, width) / 16)
        ice.append(needles / needles.std() * 0.16 + haze / haze.std() * 0.14)
    crystals = torch.cat(ice)
    crystals = crystals - crystals.mean((2, 3), keepdim=True)
    tint = images.new_tensor((0.97, 1.0, 1.03))[:, None, None]
    return keep * images + amount * ((0.61 + crystals).clamp(0, 1) * tint)


def brighten(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Raise the value of HSV; hue and saturation stay."""
    value = images.amax(1, keepdim=True)
    raised = (value + amount).clamp(0, 1)
    return torch.where(value > 0, images * raised / value.clamp_min(1e-6), raised)
