"""What lens and light do to a picture: uneven light, halos at the rim with their colors, reflexes, haze and shadows."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.phantom.canvas import Canvas

Color = tuple[float, float, float]

HALO_COLORS: tuple[Color, ...] = (
    (0.95, 0.93, 0.88),  # white
    (0.95, 0.85, 0.6),  # cream
    (0.55, 0.85, 0.85),  # teal
    (0.5, 0.7, 0.9),  # blue
    (0.62, 0.7, 0.42),  # olive
    (0.8, 0.6, 0.65),  # pink
    (0.95, 0.6, 0.2),  # orange
)
"""Colors of the stray light at the rim, of 1."""


@dataclass(frozen=True, kw_only=True)
class Optics:
    """A camera's lens and light; lengths in radii of the field.

    Attributes:
        vignette: Loss of light at the rim.
        vignette_tint: By which share more red and less blue is lost there.
        vignette_power: How late the loss begins: with this power of the distance.
        blur: Standard deviation of the lens's point spread.
        halo: Chance that an eye's rim is flooded with stray light.
        halo_color: Its color.
        halo_width: How far in it reaches.
        rainbow: How far its red and blue reach differ, as a share of the width.
        all_around: Whether it follows the whole rim, not one side.
        reflex: Chance of a flash reflex near the center.
        reflex_color: Its color.
        haze_gray: How far the veil of scattered light has lost the retina's color, 0..1.
        streaks: Whether a scanning light leaves horizontal bands.
    """

    vignette: float
    vignette_tint: float
    vignette_power: float
    blur: float
    halo: float
    halo_color: Color
    halo_width: float
    rainbow: float
    all_around: bool
    reflex: float
    reflex_color: Color
    haze_gray: float
    streaks: bool


def sample_optics(generator: np.random.Generator, wide: bool) -> Optics:
    """Draw a camera's optics; `wide` for a wide-field scanner."""
    chance, uniform = generator.random, generator.uniform
    color = np.array(HALO_COLORS[int(generator.integers(len(HALO_COLORS)))]) * uniform(0.85, 1.05, 3)
    bluish = uniform(0, 1)
    return Optics(
        vignette=uniform(0.32, 0.68)
        if chance() < 0.75
        else generator.choice([uniform(0.0, 0.25), uniform(0.65, 0.88)]),
        vignette_tint=float(np.clip(generator.normal(0, 0.37), -0.9, 0.9)),
        vignette_power=uniform(1.4, 2.6),
        blur=float(np.exp(uniform(np.log(0.0004), np.log(0.004)))),
        halo=generator.choice([0.05, 0.35, 0.9], p=[0.5, 0.34, 0.16]),
        halo_color=(float(color[0]), float(color[1]), float(color[2])),
        halo_width=uniform(0.05, 0.4) if chance() < 0.75 else uniform(0.05, 0.12),
        rainbow=uniform(0.1, 0.7) if chance() < 0.35 else uniform(0.0, 0.1),
        all_around=bool(chance() < 0.45),
        reflex=generator.choice([0.02, 0.2, 0.6], p=[0.45, 0.35, 0.2]),
        reflex_color=(1.0 - 0.3 * bluish, 0.95, 0.8 + 0.2 * bluish),
        haze_gray=uniform(0.1, 0.95),
        streaks=bool(wide and chance() < 0.5),
    )


class Light:
    """An affine map of each pixel's light, `gain * light + veil`, built up effect by effect on a coarse canvas.

    Args:
        canvas: The coarse canvas.
        gain: Gain of each channel.

    Attributes:
        gain: Float32 (3, M, M).
        veil: Float32 (3, M, M), of 1.
    """

    def __init__(self, canvas: Canvas, gain: np.ndarray) -> None:
        self.canvas = canvas
        shape = (3, canvas.size, canvas.size)
        self.gain = np.broadcast_to(gain.astype(np.float32)[:, None, None], shape).copy()
        self.veil = np.zeros(shape, np.float32)

    def dim(self, share: np.ndarray) -> None:
        """Let through a share of all light, float (M, M) or (3, M, M)."""
        self.gain *= share
        self.veil *= share

    def cover(self, opacity: np.ndarray, color: np.ndarray, lost: float = 1.0) -> None:
        """Lay a veil of a color, (3,), over it; `lost` is the share of the light behind it that is lost."""
        self.dim(1 - lost * opacity)
        self.veil += opacity * color.astype(np.float32)[:, None, None]

    def apply(self, canvas: Canvas, pixels: np.ndarray) -> np.ndarray:
        """The light that falls on the sensor, float32 (3, S, S)."""
        for channel in range(3):
            pixels[channel] *= canvas.enlarge(self.gain[channel])
            pixels[channel] += canvas.enlarge(self.veil[channel])
        return pixels


def fall_off(canvas: Canvas, optics: Optics, brightest: np.ndarray) -> np.ndarray:
    """Illumination of the field, float32 (3, M, M): 1 at its brightest, less toward the rim."""
    distance = np.hypot(canvas.u - np.float32(brightest[0]), canvas.v - np.float32(brightest[1]))
    lost = np.minimum(distance, 1.3) ** np.float32(optics.vignette_power)
    losses = optics.vignette * (1 + optics.vignette_tint * np.array([0.7, 0.0, -0.7]))
    return np.stack([np.maximum(1 - np.float32(loss) * lost, 0.06) for loss in losses])


def ring(canvas: Canvas, optics: Optics, direction: float, width: float) -> np.ndarray:
    """Stray light along the rim, float32 (3, M, M), 0..1: red, green and blue reach in by different widths."""
    depth = 1 - np.hypot(canvas.u, canvas.v)
    side = 1.0 if optics.all_around else _one_sided(canvas, direction)
    widths = width * (1 + optics.rainbow * np.array([-0.6, 0.0, 0.6]))
    glow = np.stack([np.exp(-((np.maximum(depth, 0) / share) ** 2)) for share in widths])
    return (glow * side).astype(np.float32)


def _one_sided(canvas: Canvas, direction: float) -> np.ndarray:
    toward = (canvas.u * np.cos(direction) + canvas.v * np.sin(direction)) * 0.5 + 0.5
    share: np.ndarray = np.clip(toward, 0, 1) ** 3
    return share
