"""Ice flowers on a pane, drawn: feathers of needles that grow over a bluish haze."""

from functools import lru_cache

import cv2
import numpy as np

from dr_core.seeds import numpy_generator

SHEETS = 6
SIDE = 512
"""Pixels of a sheet; larger pictures get a piece that is enlarged."""
_MEANS = (0.53, 0.81, 0.78, 0.6, 0.48, 0.4)
"""Mean brightness of the sheets, 0..1: about those of ImageNet-C's six photographs."""
_SHARPNESS = 0.16
"""Standard deviation of a sheet's brightness."""


def cut_ice(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """A random piece of a random sheet, mirrored by chance, float32 (3, H, W) in 0..1."""
    sheet = render_ice(int(generator.integers(SHEETS)))
    scale = max(1.0, max(height, width) / SIDE)
    rows, columns = round(height / scale), round(width / scale)
    top, left = generator.integers(SIDE - rows + 1), generator.integers(SIDE - columns + 1)
    piece = sheet[top : top + rows, left : left + columns]
    piece = piece[:, ::-1] if generator.integers(2) else piece
    if scale > 1:
        piece = cv2.resize(piece, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return np.ascontiguousarray(piece.transpose(2, 0, 1))


@lru_cache(maxsize=SHEETS)
def render_ice(number: int) -> np.ndarray:
    """One of the six sheets, float32 (512, 512, 3) RGB in 0..1."""
    generator = numpy_generator(number, "ice")
    needles = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(420):
        _grow_feather(needles, generator)
    needles = cv2.GaussianBlur(needles, (0, 0), 0.6)
    haze = cv2.GaussianBlur(generator.standard_normal((SIDE, SIDE), dtype=np.float32), (0, 0), SIDE / 24)
    grain = cv2.GaussianBlur(generator.standard_normal((SIDE, SIDE), dtype=np.float32), (0, 0), 0.8)
    light = needles / needles.std() + 0.6 * haze / haze.std() + 0.25 * grain / grain.std()
    light = (light - light.mean()) / light.std() * _SHARPNESS + _MEANS[number]
    tint = np.array((0.94, 1.0, 1.06), np.float32)
    return np.asarray((light[..., None] * tint).clip(0, 1), np.float32)


def _grow_feather(needles: np.ndarray, generator: np.random.Generator) -> None:
    """A bent spine with side needles that shorten towards its tip, drawn into `needles`."""
    count = int(generator.integers(7, 37))
    steps = np.arange(count)
    angles = generator.uniform(0, 2 * np.pi) + steps * generator.normal(0, 0.018)
    spine = generator.uniform(0, SIDE, 2) + np.cumsum(3 * _point(angles), axis=0)
    reach = (count - steps) * generator.uniform(0.5, 1, count)
    fan, glow = generator.uniform(0.6, 1.1), generator.uniform(0.25, 1)
    for side in (-fan, fan):
        tips = spine + reach[:, None] * _point(angles + side)
        _draw_lines(needles, np.stack([spine, tips], axis=1), glow * generator.uniform(0.4, 0.8))
    _draw_lines(needles, spine[None], glow)


def _point(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def _draw_lines(needles: np.ndarray, lines: np.ndarray, glow: float) -> None:
    """Thin lines through points, float (L, P, 2) as x, y, placed to an eighth of a pixel."""
    cv2.polylines(needles, list(np.round(8 * lines).astype(np.int32)), False, glow, 1, cv2.LINE_8, 3)
