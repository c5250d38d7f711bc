"""Digital processing. Images are float32 (N, 3, H, W) in 0..1."""

from functools import lru_cache
from io import BytesIO

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image
from torch import Tensor

from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_gaussian
from dr_core.corruption.weather import gray


def flatten_contrast(images: Tensor, keep: float, draws: Draws) -> Tensor:
    """Pull every channel towards its mean over the image."""
    means = images.mean((2, 3), keepdim=True)
    return (images - means) * keep + means


def fade(images: Tensor, keep: float, draws: Draws) -> Tensor:
    """Pull everything towards one gray, the mean luma, as Pillow's contrast does."""
    mean = gray(images).mean((2, 3), keepdim=True)
    return (images - mean) * keep + mean


def dim(images: Tensor, keep: float, draws: Draws) -> Tensor:
    """Keep a share of the light."""
    return images * keep


def warp(images: Tensor, alpha: float, draws: Draws) -> Tensor:
    """Elastic deformation by a smooth random field; amplitude follows the image's height."""
    height, width = images.shape[-2:]
    field = draws.once(("smooth", height, width), lambda: _draw_field(height, width, draws)) * alpha
    rows = torch.arange(height, device=images.device)[:, None] + field[:, 1]
    columns = torch.arange(width, device=images.device) + field[:, 0]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    grid = grid.expand(len(images), -1, -1, -1)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _draw_field(height: int, width: int, draws: Draws) -> Tensor:
    """Smooth shifts, (K, 2, H, W), by columns and by rows. One sigma for both axes: model views are square."""
    field = (draws.uniform("field", 2, height, width) * 2 - 1) * (0.005 * height)
    return blur_gaussian(field, 0.01 * height, truncate=3.0, mode="symmetric")


def pixelate(images: Tensor, share: float, draws: Draws) -> Tensor:
    """Shrink to a share of the size by area, enlarge by repeating pixels, as Pillow's BOX and NEAREST do."""
    height, width = (max(1, int(side * share)) for side in images.shape[-2:])
    down, across = _weigh_boxes(images.shape[-2], height), _weigh_boxes(images.shape[-1], width)
    small = torch.round(images @ across.T.to(images) * 255)
    small = torch.round(down.to(images) @ small) / 255
    return functional.interpolate(small, size=images.shape[-2:], mode="nearest-exact")


@lru_cache(maxsize=32)
def _weigh_boxes(source: int, target: int) -> Tensor:
    """Weights of Pillow's box filter, (target, source)."""
    scale = source / target
    offsets = (np.arange(source) + 0.5 - (np.arange(target)[:, None] + 0.5) * scale) / scale
    weights = ((offsets > -0.5) & (offsets <= 0.5)).astype(np.float32)
    return torch.from_numpy(weights / weights.sum(1, keepdims=True))


def compress_jpeg(images: Tensor, quality: float, draws: Draws) -> Tensor:
    """Write and read as JPEG, by Pillow on the CPU, image by image."""
    planes = (images * 255).round().byte().cpu().numpy()
    decoded = np.empty_like(planes)
    for source, target in zip(planes, decoded, strict=True):
        buffer = BytesIO()
        Image.fromarray(cv2.merge(list(source))).save(buffer, "JPEG", quality=round(quality))
        cv2.split(np.asarray(Image.open(buffer)), list(target))
    return torch.from_numpy(decoded).to(images) / 255
