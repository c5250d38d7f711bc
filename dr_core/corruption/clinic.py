"""What goes wrong in a clinic. Images are float32 (N, 3, H, W) in 0..1; `amount` runs from 0 to 1 (severity / 5).

Designed by this project; no measured clinic stands behind the numbers.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor

from dr_core.corruption.blur import shake
from dr_core.corruption.digital import compress_jpeg
from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_gaussian
from dr_core.corruption.weather import gray


def _grid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (H, 1) and columns (1, W), -1 to 1."""
    height, width = images.shape[-2:]
    rows = torch.linspace(-1, 1, height, device=images.device)[:, None]
    return rows, torch.linspace(-1, 1, width, device=images.device)[None]


def _inside(images: Tensor) -> Tensor:
    """Soft mask of what is not the black surround, whose JPEG noise stays below 8 of 255."""
    return ((gray(images) - 0.03) / 0.05).clamp(0, 1)


def defocus_camera(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Blur that scales with the picture: up to a 56th of its width."""
    return blur_gaussian(images, amount * images.shape[-1] / 56) if amount > 0 else images


def move_eye(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """A saccade during the flash."""
    radius = max(1, round(amount * images.shape[-1] / 16))
    return shake(images, radius, radius / 1.5, draws)


def flash_unevenly(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """A gradient of light across the picture, corners dark."""
    rows, columns = _grid(images)
    angle = draws.uniform("side", 1, 1, 1) * 6.2832
    slope = torch.cos(angle) * columns + torch.sin(angle) * rows
    light = (1 + 0.7 * amount * slope) * (1 - 0.45 * amount * (rows**2 + columns**2).clamp(0, 1))
    return images * light


def narrow_pupil(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Shade from the rim inwards, off center."""
    rows, columns = _grid(images)
    off = (draws.uniform("off", 2, 1, 1, 1) - 0.5) * 0.4 * amount
    distance = torch.sqrt((rows - off[:, 0]) ** 2 + (columns - off[:, 1]) ** 2)
    return images * torch.sigmoid((1.25 - 0.75 * amount - distance) * 9).clamp(0.02, 1)


def haze_cataract(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Straylight: blur, a yellowish veil, and less blue."""
    soft = blur_gaussian(images, 0.3 + amount * images.shape[-1] / 120)
    retina = _inside(soft)
    veil = (gray(soft) * retina).sum((2, 3), keepdim=True) / retina.sum((2, 3), keepdim=True).clamp_min(1) + 0.25
    tint = images.new_tensor((1.0, 0.93, 0.74))[:, None, None]
    mixed = soft + amount * 0.7 * retina * (veil * tint - soft)
    return torch.lerp(images, mixed, min(1.0, amount * 5))


def scatter_dust(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Dark or light specks, out of focus, at the same place in every picture of a session."""
    noise = blur_gaussian(draws.normal("dust", 1, *images.shape[-2:]), images.shape[-1] / 75)
    noise = noise / noise.std((2, 3), keepdim=True)
    specks = torch.cat([noise - 2.9, -noise - 3.1], dim=1) + 1.2 * amount
    dark, light = torch.split(blur_gaussian((specks * 2).clamp(0, 1), images.shape[-1] / 150), 1, dim=1)
    specked: Tensor = images * (1 - 0.75 * dark) + 0.35 * light * _inside(images)
    return specked


def reflect_lens(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """A pale ghost of the flash and an arc at the rim."""
    rows, columns = _grid(images)
    center = draws.uniform("place", 2, 1, 1, 1) * 1.0 - 0.5
    spot = torch.exp(-((rows - center[:, 0]) ** 2 + (columns - center[:, 1]) ** 2) / (0.02 + 0.06 * amount))
    radius = torch.sqrt(rows**2 + columns**2)
    side = ((columns * torch.sign(center[:, 1])) - 0.2).clamp(0, 1)
    arc = torch.exp(-(((radius - 0.86) / 0.07) ** 2)) * side
    color = images.new_tensor((0.85, 0.95, 1.0))[:, None, None]
    return images + amount * (0.8 * spot + 0.6 * arc) * color * _inside(images)


def cast_color(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Gains of the three channels of another camera."""
    gains = (draws.uniform("gains", 3, 1, 1) * 2 - 1) * 0.45 * amount
    return images * (1 + gains)


def overexpose(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Up to 1.6 stops too bright."""
    return images * 2 ** (1.6 * amount)


def underexpose(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Up to 2.2 stops too dark, with the noise of a sensor that is turned up."""
    noise = draws.normal("noise", *images.shape[1:]) * 0.03 * amount
    return images * 2 ** (-2.2 * amount) + noise * _inside(images)


def lower_resolution(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """Down to a fifth of the pixels a side, enlarged smoothly."""
    size = [max(1, round(side * (1 - 0.8 * amount))) for side in images.shape[-2:]]
    small = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=images.shape[-2:], mode="bicubic", align_corners=False)


def send_jpeg(images: Tensor, amount: float, draws: Draws) -> Tensor:
    """JPEG of quality 60 falling to 8."""
    return compress_jpeg(images, 60 - 52 * amount, draws)
