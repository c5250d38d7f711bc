"""ImageNet-C's held-out corruptions that are not noise or blur. Images are float32 (N, 3, H, W) in 0..1."""

import cv2
import numpy as np
import torch
from torch import Tensor

from dr_core.corruption.draws import Draws
from dr_core.corruption.filters import blur_gaussian

_WATER, _MUD = (175 / 255, 238 / 255, 238 / 255), (63 / 255, 42 / 255, 20 / 255)


def saturate(images: Tensor, factor: float, offset: float) -> Tensor:
    """Scale and raise the saturation of HSV; hue and value stay. Gray counts as red, as in scikit-image."""
    value = images.amax(1, keepdim=True)
    saturation = (value - images.amin(1, keepdim=True)) / value.clamp_min(1e-6)
    wanted = (saturation * factor + offset).clamp(0, 1)
    colored = value - (value - images) * wanted / saturation.clamp_min(1e-6)
    red = torch.cat([value, value * (1 - wanted), value * (1 - wanted)], dim=1)
    return torch.where(saturation > 0, colored, red)


def spatter_water(
    images: Tensor, mean: float, spread: float, sigma: float, least: float, amount: float, draws: Draws
) -> Tensor:
    """Drops of water with a shaded edge."""
    size = images.shape[-2:]
    drops = draws.once(
        ("drops", mean, spread, sigma, least),
        lambda: torch.from_numpy(_draw_drops(size, mean, spread, sigma, least, draws.on_host())).to(images),
    )
    drops = drops[:, None] * amount
    return images + drops * images.new_tensor(_WATER)[:, None, None]


def spatter_mud(
    images: Tensor, mean: float, spread: float, sigma: float, least: float, soften: float, draws: Draws
) -> Tensor:
    """Splashes of mud that hide what lies beneath."""
    liquid = _draw_liquid(images.shape[-2:], mean, spread, sigma, draws)[:, None]
    mud = blur_gaussian((liquid > least).to(images), soften)
    mud = torch.where(mud < 0.8, 0, mud)
    return images * (1 - mud) + mud * images.new_tensor(_MUD)[:, None, None]


def _draw_liquid(size: tuple[int, ...], mean: float, spread: float, sigma: float, draws: Draws) -> Tensor:
    """Smooth noise, (K, H, W)."""
    noise = mean + spread * draws.normal("liquid", 1, *size)
    return blur_gaussian(noise, sigma)[:, 0]


def _draw_drops(
    size: tuple[int, ...], mean: float, spread: float, sigma: float, least: float, draws: Draws
) -> np.ndarray:
    """Embossed drops, float32 (K, H, W) in 0..1; OpenCV shades them, so they are drawn on the CPU as a whole."""
    return np.stack([_shade_drops(layer, least) for layer in _draw_liquid(size, mean, spread, sigma, draws).numpy()])


def _shade_drops(liquid: np.ndarray, least: float) -> np.ndarray:
    """Emboss the drops by their distance from the edge, as the original does with OpenCV; float32 (H, W) in 0..1."""
    layer = (np.where(liquid < least, 0, liquid) * 255).clip(0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.equalizeHist(cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8))
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    shaded = cv2.blur(cv2.filter2D(distance, cv2.CV_8U, emboss), (3, 3)).astype(np.float32)
    drops = layer * shaded
    return np.asarray(drops / max(float(drops.max()), 1e-6), np.float32)
