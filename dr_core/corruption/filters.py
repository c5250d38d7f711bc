"""Filters that several corruptions share, on float32 (N, C, H, W).

On the CPU OpenCV filters plane by plane; elsewhere tensor operations do the same, up to rounding.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

_BORDERS = {"edge": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101, "symmetric": cv2.BORDER_REFLECT}


def pad(images: Tensor, rows: int, columns: int, mode: str) -> Tensor:
    """Pad as `numpy.pad` does (`edge`, `reflect`, `symmetric`), by any number of pixels on both sides."""
    height, width = images.shape[-2:]
    index = [
        torch.from_numpy(np.pad(np.arange(side), by, mode=mode)).to(images.device)  # type: ignore[call-overload]
        for side, by in ((height, rows), (width, columns))
    ]
    return images[..., index[0], :][..., index[1]]


def filter_planes(
    images: Tensor, apply: Callable[[np.ndarray, np.ndarray], object], size: tuple[int, int] | None = None
) -> Tensor:
    """Let `apply(source, target)` fill each plane, float32 (H, W) or `size`, of the result; on the CPU only."""
    images = images.contiguous()
    result = images.new_empty(*images.shape[:-2], *(size or images.shape[-2:]))
    for source, target in zip(images.flatten(0, -3).numpy(), result.flatten(0, -3).numpy(), strict=True):
        apply(source, target)
    return result


def blur_gaussian(images: Tensor, sigma: float, *, truncate: float = 4.0, mode: str = "edge") -> Tensor:
    """Gaussian blur with a kernel cut at `truncate` sigma, as scipy's; sigma in pixels."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return images
    kernel = weigh_gaussian(sigma, radius)
    if images.device.type != "cpu":
        return convolve_separable(images, torch.from_numpy(kernel), mode)
    border = _BORDERS[mode]
    return filter_planes(images, lambda plane, out: cv2.sepFilter2D(plane, -1, kernel, kernel, out, borderType=border))


def weigh_gaussian(sigma: float, radius: int) -> np.ndarray:
    """A Gaussian's weights at the pixels up to `radius` from its center, of sum 1, float32 (2 * radius + 1,)."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def convolve_separable(images: Tensor, kernel: Tensor, mode: str) -> Tensor:
    """Correlate rows and columns with one odd kernel (k,), by tensor operations."""
    radius = len(kernel) // 2
    kernel = kernel.to(images)
    flat = pad(images, radius, radius, mode).flatten(0, 1).unsqueeze(1)
    flat = functional.conv2d(functional.conv2d(flat, kernel[None, None, :, None]), kernel[None, None, None])
    return flat.reshape(images.shape)


def convolve(images: Tensor, kernel: np.ndarray) -> Tensor:
    """Correlate with an odd square kernel, float32 (k, k), symmetric about its center, borders mirrored."""
    if images.device.type != "cpu":
        return convolve_fourier(images, torch.from_numpy(kernel))
    border = _BORDERS["reflect"]
    return filter_planes(images, lambda plane, out: cv2.filter2D(plane, -1, kernel, out, borderType=border))


def convolve_fourier(images: Tensor, kernel: Tensor) -> Tensor:
    """What `convolve` does, by tensor operations."""
    radius, (height, width) = len(kernel) // 2, images.shape[-2:]
    padded = pad(images, radius, radius, "reflect")
    size = padded.shape[-2:]
    product = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel.to(images), s=size)
    filtered: Tensor = torch.fft.irfft2(product, s=size)[
        ..., 2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width
    ]
    return filtered


def blur_motion(images: Tensor, radius: int, sigma: float, angle: float) -> Tensor:
    """Smear along a line, one-sided, with Gaussian weights; angle in degrees.

    Source: ImageNet-C's motion blur (ImageMagick's), as in imagecorruptions: rounded shifts, edges repeated.
    """
    width = 2 * radius + 1
    weights = np.exp(-0.5 * (np.arange(width) / sigma) ** 2)
    weights /= weights.sum()
    down, right = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    padded = functional.pad(images, (width, width, width, width), mode="replicate")
    height, breadth = images.shape[-2:]
    result = torch.zeros_like(images)
    for step, weight in enumerate(weights):
        top = width + math.ceil(step * down - 0.5)
        left = width + math.ceil(step * right - 0.5)
        result.add_(padded[..., top : top + height, left : left + breadth], alpha=float(weight))
    return result


def zoom_center(images: Tensor, factor: float) -> Tensor:
    """Enlarge the middle, linearly; the result may be a pixel smaller or larger than the images."""
    if images.device.type != "cpu":
        return interpolate_center(images, factor)
    rows, columns = (math.ceil(side / factor) for side in images.shape[-2:])
    top, left = (images.shape[-2] - rows) // 2, (images.shape[-1] - columns) // 2
    height, width = round(rows * factor), round(columns * factor)
    source = np.array([[(columns - 1) / (width - 1), 0, left], [0, (rows - 1) / (height - 1), top]])
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, _BORDERS["edge"]
    return filter_planes(
        images, lambda plane, out: cv2.warpAffine(plane, source, (width, height), out, flags, border), (height, width)
    )


def interpolate_center(images: Tensor, factor: float) -> Tensor:
    """What `zoom_center` does, by tensor operations."""
    rows, columns = (math.ceil(side / factor) for side in images.shape[-2:])
    top, left = (images.shape[-2] - rows) // 2, (images.shape[-1] - columns) // 2
    middle = images[..., top : top + rows, left : left + columns]
    size = (round(rows * factor), round(columns * factor))
    return functional.interpolate(middle, size=size, mode="bilinear", align_corners=True)
