"""The contrast of an eye relative to its surroundings, in which some models see it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from dr_core.data.preprocessing import SURROUND


def local_contrast(pixels: Tensor) -> Tensor:
    """Express each pixel relative to its surroundings inside the field of view.

    c = (x - m) / (m + 0.1), where m is the mean of the surroundings, about a tenth of the side wide, in which the black
    surround does not count; then c over the mean of |c| in this eye. Blood and vessels absorb a share of the light, so
    this is the same for any overall color, under uneven light, and in a hazy picture as in a clear one.

    Args:
        pixels: Float (N, 3, H, W) in [0, 1].

    Returns:
        Float (N, 3, H, W), 0 outside the field of view.

    Source: The idea is Graham 2015 (Kaggle diabetic retinopathy competition report), who subtracts the local
        mean; dividing by it and by the eye's own contrast is ours.
    """
    # between two gray levels, so that no device's rounding decides about one
    bright = (pixels.amax(dim=1, keepdim=True) > (SURROUND + 0.5) / 255).to(pixels.dtype)
    field = 1 - F.max_pool2d(1 - bright, 5, stride=1, padding=2)  # without the half-dark rim
    height, width = pixels.shape[-2:]
    small = (max(1, height // _POOL), max(1, width // _POOL))
    mean = _smooth(F.adaptive_avg_pool2d(pixels * field, small))
    share = _smooth(F.adaptive_avg_pool2d(field, small))
    mean = F.interpolate(mean / (share + 1e-3), (height, width), mode="bilinear", align_corners=False)
    contrast = (pixels - mean) / (mean + 0.1) * field
    typical = contrast.abs().sum(dim=(1, 2, 3), keepdim=True) / (3 * field.sum(dim=(1, 2, 3), keepdim=True) + 1)
    return contrast / (typical + 0.01)


def graham_contrast(pixels: Tensor) -> Tensor:
    """Subtract the local mean and map it to middle gray, with the outermost tenth of the disc left out.

    Args:
        pixels: Float (N, 3, S, S) in [0, 1], the square around the field of view.

    Returns:
        Float (N, 3, S, S) in [0, 1]: 0.5 + 4 (x - m), m a Gaussian mean with a sigma of a thirtieth of the radius;
        0.5 beyond nine tenths of the radius.

    Source: Graham 2015, Kaggle diabetic retinopathy detection competition report, section 2.
    """
    from kornia.filters import gaussian_blur2d  # all of kornia, for the few models that see eyes so

    side = pixels.shape[-1]
    sigma = side / 2 / 30
    width = 2 * math.ceil(3 * sigma) + 1
    mean = gaussian_blur2d(pixels, (width, width), (sigma, sigma), border_type="replicate")
    line = torch.arange(side, device=pixels.device) - (side - 1) / 2
    inside = line[:, None] ** 2 + line**2 < (0.9 * side / 2) ** 2
    return torch.where(inside, (0.5 + 4 * (pixels - mean)).clamp(0, 1), 0.5)


def _smooth(maps: Tensor) -> Tensor:
    """Blur by three box filters a tenth of the side wide, which is close to a Gaussian."""
    width = max(1, min(maps.shape[-2:]) // 10) // 2 * 2 + 1
    for _ in range(3):
        maps = F.avg_pool2d(maps, width, stride=1, padding=width // 2, count_include_pad=False)
    return maps


_POOL = 8
"""The local mean is taken on maps this many times smaller."""
