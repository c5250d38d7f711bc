"""Augmentation of whole batches on any device: parameters are drawn first, then applied in a few tensor operations.

Geometry is one affine sampling and color one 3x3 matrix per image, so that an image costs about a millisecond on one
core; a chain of separate color operations costs eight times as much.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import filter2d_separable, get_gaussian_kernel1d
from torch import Tensor

from dr_core.seeds import derive_seed

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Ranges from which each image's parameters are drawn, uniformly unless said otherwise.

    Attributes:
        crop_area: Share of the image's area that stays in view.
        crop_aspect: Width over height of the view, log-uniform.
        rotation_degrees: Largest rotation to either side.
        shift: Largest displacement as a share of the image's side, beyond what the crop leaves free.
        flip: Whether half of the images are mirrored.
        brightness: Largest relative change of brightness.
        contrast: Largest relative change of contrast.
        saturation: Largest relative change of saturation.
        hue: Largest rotation of the hue, as a share of the circle.
        channel_gain: Largest relative change of each channel by itself (white balance of another camera).
        gamma: Largest |log2| of the exponent of gray levels.
        color_chance: Chance that an image's colors change at all.
        gray_chance: Chance that an image loses its color.
        blur_sigma: Standard deviation of the blur in pixels.
        blur_chance: Chance of a blur.
        noise: Largest standard deviation of added Gaussian noise, of 1.
    """

    crop_area: Range = (1.0, 1.0)
    crop_aspect: Range = (1.0, 1.0)
    rotation_degrees: float = 0.0
    shift: float = 0.0
    flip: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    channel_gain: float = 0.0
    gamma: float = 0.0
    color_chance: float = 1.0
    gray_chance: float = 0.0
    blur_sigma: Range = (0.1, 2.0)
    blur_chance: float = 0.0
    noise: float = 0.0


MOCO_V2 = AugmentConfig(
    crop_area=(0.2, 1.0),
    crop_aspect=(3 / 4, 4 / 3),
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    color_chance=0.8,
    gray_chance=0.2,
    blur_chance=0.5,
)
"""The two-crop augmentation of MoCo v2. Source: Chen et al. 2020, arXiv:2003.04297, and the authors' code."""

FUNDUS = AugmentConfig(
    crop_area=(0.85, 1.1),
    crop_aspect=(0.95, 1.05),
    rotation_degrees=30.0,
    shift=0.03,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.02,
    channel_gain=0.1,
    gamma=0.3,
    blur_sigma=(0.2, 0.8),
    blur_chance=0.25,
    noise=0.01,
)
"""For supervised training on eyes: another camera, another position, never another lesion. The paper names none."""

POSITION = AugmentConfig(
    crop_area=FUNDUS.crop_area,
    crop_aspect=FUNDUS.crop_aspect,
    rotation_degrees=FUNDUS.rotation_degrees,
    shift=FUNDUS.shift,
)
"""Another position alone: for eyes of many cameras whose colors the preprocessing makes alike (docs/demo.md)."""

FUNDUS_VIEWS = AugmentConfig(
    crop_area=(0.5, 1.0),
    crop_aspect=(0.9, 1.1),
    rotation_degrees=180.0,
    shift=0.03,
    brightness=0.3,
    contrast=0.3,
    saturation=0.2,
    channel_gain=0.1,
    gamma=0.3,
    blur_sigma=(0.1, 0.6),
    blur_chance=0.3,
    noise=0.01,
)
"""Two views of an eye that keep what its grade rests on: at least half of the field stays in view, at any angle and
mirrored, no hue is turned and no color is taken away, since lesions are told apart by color, and the blur is narrower
than the smallest lesions. Brightness, contrast, white balance and gamma are those of another camera. The paper
suspects the views of MoCo v2 (section 5); it names no others."""

PRETRAINING_AUGMENTATIONS: Mapping[str, AugmentConfig] = {"moco": MOCO_V2, "fundus": FUNDUS_VIEWS}
"""Augmentations of pretraining by their names in options and study files."""


@dataclass(frozen=True)
class AugmentParameters:
    """What was drawn for a batch; applying it is deterministic.

    Attributes:
        geometry: Float (N, 2, 3), affine maps in the coordinates of `torch.nn.functional.affine_grid`.
        color: Float (N, 3, 3), applied to RGB in 0..1.
        contrast: Float (N,), applied around each image's mean gray.
        exponent: Float (N,), of the gray levels.
        blur_sigma: Float (N,), 0 where the image stays sharp.
        noise: Float (N,), standard deviation of the noise.
        noise_seed: Seed of the noise; None where the recipe has none.
    """

    geometry: Tensor
    color: Tensor
    contrast: Tensor
    exponent: Tensor
    blur_sigma: Tensor
    noise: Tensor
    noise_seed: int | None

    def take(self, part: int, parts: int) -> "AugmentParameters":
        """What was drawn for every `parts`-th image from `part` on; the noise of each part is another."""
        if parts == 1:
            return self
        values = {name: value[part::parts] for name, value in vars(self).items() if name != "noise_seed"}
        seed = None if self.noise_seed is None else derive_seed(self.noise_seed, "part", part)
        return AugmentParameters(**values, noise_seed=seed)


class _Draws:
    """Draws of n independent numbers from one generator."""

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> Tensor:
        return torch.rand(self.n, generator=self.generator) * (high - low) + low

    def symmetric(self, bound: float) -> Tensor:
        return self.uniform(-bound, bound)

    def chance(self, probability: float) -> Tensor:
        return (torch.rand(self.n, generator=self.generator) < probability).float()


def sample_parameters(config: AugmentConfig, n: int, seed: int) -> AugmentParameters:
    """Draw the parameters of n images from a seed."""
    draws = _Draws(n, seed)
    geometry = _sample_geometry(config, draws)
    blur_sigma = draws.chance(config.blur_chance) * draws.uniform(*config.blur_sigma)
    noise, noise_seed = draws.uniform(0, config.noise), int(torch.randint(2**62, (), generator=draws.generator))
    return AugmentParameters(
        geometry=geometry,
        blur_sigma=blur_sigma,
        noise=noise,
        noise_seed=noise_seed if config.noise else None,
        **_sample_color(config, draws),
    )


def _sample_geometry(config: AugmentConfig, draws: _Draws) -> Tensor:
    width, height = _sample_view(config, draws)
    angle = draws.symmetric(math.radians(config.rotation_degrees))
    mirror = 1.0 - 2.0 * draws.chance(0.5 if config.flip else 0.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    shift_x = draws.symmetric(1.0) * ((1 - width).clamp(min=0) + 2 * config.shift)
    shift_y = draws.symmetric(1.0) * ((1 - height).clamp(min=0) + 2 * config.shift)
    first = torch.stack([mirror * width * cosine, -height * sine, shift_x], dim=1)
    second = torch.stack([mirror * width * sine, height * cosine, shift_y], dim=1)
    return torch.stack([first, second], dim=1)  # (N, 2, 3)


def _sample_view(config: AugmentConfig, draws: _Draws) -> tuple[Tensor, Tensor]:
    """Width and height of the view, float (N,); the image is 1 x 1.

    A view that asks for no more than the image's area never sticks out of it: up to ten times area and aspect are drawn
    again, then the whole image is taken. Where views may be larger than the image (zooming out), none is drawn again.

    Source: torchvision's RandomResizedCrop, which MoCo v2 uses.
    """
    width = height = torch.ones(draws.n)
    waiting = torch.ones(draws.n, dtype=torch.bool)
    within = config.crop_area[1] <= 1
    for _ in range(_VIEW_TRIES if within and config.crop_area[1] * config.crop_aspect[1] > 1 else 1):
        area = draws.uniform(*config.crop_area)
        aspect = torch.exp(draws.uniform(*(math.log(bound) for bound in config.crop_aspect)))
        wide, high = (area * aspect).sqrt(), (area / aspect).sqrt()
        fits = waiting & ((wide <= 1) & (high <= 1) if within else waiting)
        width, height = torch.where(fits, wide, width), torch.where(fits, high, height)
        waiting = waiting & ~fits
    return width, height


_VIEW_TRIES = 10
"""Views drawn before the whole image is taken, as torchvision does."""


def _sample_color(config: AugmentConfig, draws: _Draws) -> dict[str, Tensor]:
    changed = draws.chance(config.color_chance)
    colorful = 1.0 - draws.chance(config.gray_chance)
    saturation = colorful * (1.0 + changed * draws.symmetric(config.saturation))
    brightness = 1.0 + changed * draws.symmetric(config.brightness)
    gains = torch.stack([1.0 + changed * draws.symmetric(config.channel_gain) for _ in range(3)], dim=1)  # (N, 3)
    matrix = _hue_rotation(changed * draws.symmetric(config.hue)) @ _saturation(saturation)
    return {
        "color": matrix * (brightness[:, None] * gains)[:, :, None],
        "contrast": 1.0 + changed * draws.symmetric(config.contrast),
        "exponent": torch.exp2(changed * draws.symmetric(config.gamma)),
    }


_LUMA = torch.tensor([0.299, 0.587, 0.114])
_RGB_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def _saturation(factor: Tensor) -> Tensor:
    factor = factor[:, None, None]
    return factor * torch.eye(3) + (1 - factor) * _LUMA.expand(3, 3)  # (N, 3, 3)


def _hue_rotation(turn: Tensor) -> Tensor:
    """Rotate the chroma plane of YIQ: gray stays gray."""
    cosine, sine = torch.cos(2 * math.pi * turn), torch.sin(2 * math.pi * turn)
    rotation = torch.eye(3).repeat(len(turn), 1, 1)
    rotation[:, 1, 1] = rotation[:, 2, 2] = cosine
    rotation[:, 1, 2], rotation[:, 2, 1] = -sine, sine
    hue_matrix: Tensor = torch.linalg.inv(_RGB_TO_YIQ) @ rotation @ _RGB_TO_YIQ
    return hue_matrix


def augment(images: Tensor, parameters: AugmentParameters, size: int | None = None) -> Tensor:
    """Apply drawn parameters.

    Args:
        images: Uint8 (N, 3, H, W), on any device.
        parameters: As many as there are images.
        size: Side of the result where it is to be another than the images'.

    Returns:
        Float32 (N, 3, H, W), or (N, 3, size, size), in [0, 1]. What lies outside the image is black, as around a
        field of view.
    """
    device = images.device
    sides = (size, size) if size else images.shape[-2:]
    pixels = _resample(images.float().div_(255), parameters.geometry.to(device), *sides)
    field = (pixels.amax(dim=1, keepdim=True) > _BLACK).float()
    pixels = _recolor(pixels, parameters)
    pixels = _blur(pixels, parameters.blur_sigma)
    if parameters.noise_seed is not None:
        noise = _draw_noise(pixels.shape, parameters.noise_seed, device)
        pixels = pixels + noise.mul_(parameters.noise.to(device)[:, None, None, None]) * field
    return pixels.clamp_(0, 1)


def _draw_noise(shape: tuple[int, ...], seed: int, device: torch.device) -> Tensor:
    """Standard normal, drawn where the pixels lie: other kinds of device draw other numbers."""
    return torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


_BLACK = 0.04
"""Gray level up to which a pixel is taken for the black surround, which no camera colors."""


def _resample(pixels: Tensor, geometry: Tensor, height: int, width: int) -> Tensor:
    x = (torch.arange(width, device=pixels.device) * 2 + 1) / width - 1  # (W,), pixel centers in -1..1
    y = (torch.arange(height, device=pixels.device) * 2 + 1) / height - 1
    along_x = geometry[:, None, :, 0] * x[:, None]  # (N, W, 2)
    along_y = geometry[:, None, :, 1] * y[:, None] + geometry[:, None, :, 2]  # (N, H, 2)
    grid = along_y[:, :, None] + along_x[:, None]  # (N, H, W, 2), a third of the cost of F.affine_grid
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _recolor(pixels: Tensor, parameters: AugmentParameters) -> Tensor:
    n, _, height, width = pixels.shape
    device = pixels.device
    exponent = parameters.exponent.to(device)[:, None, None, None]
    contrast = parameters.contrast.to(device)[:, None, None, None]
    pixels = torch.bmm(parameters.color.to(device), pixels.reshape(n, 3, -1)).reshape(n, 3, height, width)
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return (pixels - mean).mul_(contrast).add_(mean).clamp_(1e-6, 1).pow_(exponent)


def _blur(pixels: Tensor, sigma: Tensor) -> Tensor:
    chosen, kernels = (torch.from_numpy(values).to(pixels.device) for values in weigh_blur(sigma))
    if len(chosen):
        pixels[chosen] = filter2d_separable(pixels[chosen], kernels, kernels, "reflect")
    return pixels


def weigh_blur(sigma: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Which images are blurred, int64 (M,), and by which weights, float32 (M, k).

    On the CPU, where the draws are: a device would have to be waited for to say which.
    """
    chosen = (sigma > 0).nonzero().flatten()
    return chosen.numpy(), get_gaussian_kernel1d(_BLUR_PIXELS, sigma[chosen, None]).numpy()


_BLUR_PIXELS = 9
"""Side of the blur's kernel: 2 standard deviations to either side at the largest sigma in use."""
