"""Filters that several corruptions share, on float32 (N, C, H, W)."""

import math

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor


def pad(images: Tensor, rows: int, columns: int, mode: str) -> Tensor:
    """Pad as `numpy.pad` does (`edge`, `reflect`, `symmetric`), by any number of pixels on both sides."""
    height, width = images.shape[-2:]
    index = [
        torch.from_numpy(np.pad(np.arange(side), by, mode=mode)).to(images.device)  # type: ignore[call-overload]
        for side, by in ((height, rows), (width, columns))
    ]
    return images[..., index[0], :][..., index[1]]


def blur_gaussian(images: Tensor, sigma: float, *, truncate: float = 4.0, mode: str = "edge") -> Tensor:
    """Gaussian blur with a kernel cut at `truncate` sigma, as scipy's; sigma in pixels."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return images
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (weights / weights.sum()).to(images)
    flat = pad(images, radius, radius, mode).flatten(0, 1).unsqueeze(1)
    flat = functional.conv2d(functional.conv2d(flat, kernel[None, None, :, None]), kernel[None, None, None])
    return flat.reshape(images.shape)


def convolve(images: Tensor, kernel: Tensor) -> Tensor:
    """Correlate with an odd square kernel (k, k), symmetric about its center, borders mirrored; by FFT."""
    radius, (height, width) = len(kernel) // 2, images.shape[-2:]
    padded = pad(images, radius, radius, "reflect")
    size = padded.shape[-2:]
    product = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel.to(images), s=size)
    return torch.fft.irfft2(product, s=size)[..., 2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width]


def blur_motion(images: Tensor, radius: int, sigma: float, angle: float) -> Tensor:
    """Smear along a line, one-sided, with Gaussian weights; angle in degrees.

    Source: ImageNet-C's motion blur (ImageMagick's), as in imagecorruptions: rounded shifts, edges repeated.
    """
    width = 2 * radius + 1
    weights = np.exp(-0.5 * (np.arange(width) / sigma) ** 2)
    weights /= weights.sum()
    down, right = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    padded, (height, breadth) = pad(images, width, width, "edge"), images.shape[-2:]
    result = torch.zeros_like(images)
    for step, weight in enumerate(weights):
        top = width + math.ceil(step * down - 0.5)
        left = width + math.ceil(step * right - 0.5)
        result.add_(padded[..., top : top + height, left : left + breadth], alpha=float(weight))
    return result


def zoom_center(images: Tensor, factor: float) -> Tensor:
    """Enlarge the middle, linearly; the result may be a pixel smaller or larger than the images."""
    crop = [math.ceil(side / factor) for side in images.shape[-2:]]
    top, left = ((side - kept) // 2 for side, kept in zip(images.shape[-2:], crop, strict=True))
    middle = images[..., top : top + crop[0], left : left + crop[1]]
    size = [round(side * factor) for side in crop]
    return functional.interpolate(middle, size=size, mode="bilinear", align_corners=True)
