"""The sensor and the file: color, tone, resolution, sharpening, noise and JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.data.phantom.canvas import Canvas

_LEVELS = 4096
"""Entries of the tone curve."""

_BRIGHTEST = 2.25
"""Light, of 1, at which the tone curve ends."""

_KNEE = 0.65
"""Light from which the tone curve bends, so that a bright optic disc keeps its vessels."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A camera's sensor and what becomes of its signal.

    Attributes:
        color: Red, green and blue to which an average retina is brought, of 1.
        mixing: Float (3, 3): share of each channel's light that each channel of the file gets.
        blue_black: Level of blue, of 1, up to which the file shows none.
        gamma: Exponent of the tone curve.
        contrast: Strength of its S shape.
        headroom: Light, of 1, at which the file is saturated.
        lines: Pixels across the field that the camera resolves.
        sharpening: Strength of the unsharp mask.
        sharpening_reach: Its standard deviation, radii of the field.
        noise: Standard deviation of the noise of a middle gray, of 1.
        color_noise: Share of it that differs between the channels.
        jpeg_qualities: Quality of each generation of the file.
    """

    color: tuple[float, float, float]
    mixing: tuple[tuple[float, float, float], ...]
    blue_black: float
    gamma: float
    contrast: float
    headroom: float
    lines: int
    sharpening: float
    sharpening_reach: float
    noise: float
    color_noise: float
    jpeg_qualities: tuple[int, ...]


def sample_sensor(generator: np.random.Generator) -> Sensor:
    """Draw a sensor."""
    chance, uniform = generator.random, generator.uniform
    red, green_share, blue_share = sample_color(generator)
    faded = uniform(0, 0.6) * float(np.clip((green_share - 0.45) / 0.35, 0, 1))
    mixing = np.eye(3) * (1 - faded) + faded / 3 + generator.normal(0, 0.025, (3, 3))
    small = chance() < 0.2
    return Sensor(
        color=(red, red * green_share, red * green_share * blue_share),
        mixing=tuple(tuple(float(value) for value in row) for row in mixing),  # type: ignore[misc]
        blue_black=red * green_share * blue_share * _sample_black(generator, blue_share),
        gamma=uniform(0.75, 1.35),
        contrast=uniform(0.0, 0.5) if chance() < 0.4 else 0.0,
        headroom=uniform(0.88, 1.15) if chance() < 0.6 else uniform(1.15, 2.2),
        lines=int(uniform(180, 300)) if small else int(np.exp(uniform(np.log(350), np.log(3000)))),
        sharpening=uniform(0.2, 0.9) if chance() < 0.4 else 0.0,
        sharpening_reach=uniform(0.004, 0.012),
        noise=float(np.exp(uniform(np.log(0.002), np.log(0.025)))),
        color_noise=uniform(0.2, 0.8),
        jpeg_qualities=tuple(int(q) for q in generator.integers(45, 97, 1 + int(chance() < 0.3))),
    )


def sample_color(generator: np.random.Generator) -> tuple[float, float, float]:
    """Draw a camera's rendering of an average retina: red, of 1, green over red and blue over green."""
    red = generator.uniform(0.45, 0.88)
    kind = generator.choice(["orange", "pale", "olive", "red"], p=[0.46, 0.31, 0.1, 0.13])
    if kind == "orange":
        green_share, blue_share = generator.normal(0.49, 0.07), generator.normal(0.38, 0.18)
    elif kind == "pale":  # gray, pink, teal
        green_share, blue_share = generator.uniform(0.55, 1.02), generator.uniform(0.4, 0.92)
    elif kind == "olive":
        green_share, blue_share = generator.uniform(0.5, 0.9), np.exp(generator.uniform(np.log(0.02), np.log(0.4)))
    else:
        green_share, blue_share = generator.uniform(0.26, 0.4), generator.uniform(0.1, 0.75)
    return float(red), float(np.clip(green_share, 0.26, 1.02)), float(np.clip(blue_share, 0.02, 0.95))


def _sample_black(generator: np.random.Generator, blue_share: float) -> float:
    """Share of the average blue that the file shows as black: much of it where a camera shows little blue at all."""
    if generator.random() > (0.75 if blue_share < 0.25 else 0.15):
        return 0.0
    return float(generator.uniform(0.3, 1.1) if blue_share < 0.25 else generator.uniform(0.1, 0.7))


def mix_channels(sensor: Sensor, pixels: np.ndarray) -> np.ndarray:
    """What each channel of the file gets of the light, float32 (3, S, S)."""
    matrix = np.array(sensor.mixing, np.float32)
    mixed: np.ndarray = np.matmul(matrix, pixels.reshape(3, -1)).reshape(pixels.shape)
    return mixed


def gains(sensor: Sensor, retina: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Gain of each channel, (3,), that brings a retina's mean color to the camera's rendering of it.

    Args:
        sensor: The sensor.
        retina: Mean color of the retina before the camera, (3,).
        exposure: By how much this eye's picture is brighter than the camera's average, (3,).
    """
    wanted = np.minimum(np.array(sensor.color) * exposure, 0.97) ** (1 / sensor.gamma)
    gain: np.ndarray = wanted / np.maximum(np.array(sensor.mixing) @ retina, 1e-3)
    return gain


def resolve(sensor: Sensor, canvas: Canvas, pixels: np.ndarray, blur: float) -> np.ndarray:
    """Blur by lens and focus, `blur` in radii of the field; lose what the sensor cannot resolve; sharpen."""
    sigma = float(np.hypot(blur, 0.8 / sensor.lines)) * canvas.field
    halo = sensor.sharpening_reach * canvas.field
    for plane in pixels:
        if sigma >= 0.25:
            cv2.GaussianBlur(plane, (0, 0), sigma, dst=plane)
        if sensor.sharpening and halo >= 0.5:
            plane += sensor.sharpening * (plane - cv2.GaussianBlur(plane, (0, 0), halo))
    return pixels


def develop(sensor: Sensor, pixels: np.ndarray) -> np.ndarray:
    """Bring light to levels by the tone curve, float32 (3, S, S), 0..1."""
    light = np.linspace(0, _BRIGHTEST, _LEVELS)
    beyond = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    end = (sensor.headroom - _KNEE) / (1 - _KNEE)
    bent = np.minimum(beyond / (1 + beyond) * (1 + end) / end, 1)
    curve = (np.minimum(light, _KNEE) + (1 - _KNEE) * bent) ** sensor.gamma
    curve += sensor.contrast * (curve * curve * (3 - 2 * curve) - curve)
    index = np.clip(pixels * np.float32((_LEVELS - 1) / _BRIGHTEST), 0, _LEVELS - 1).astype(np.uint16)
    developed: np.ndarray = np.take(curve.astype(np.float32), index)
    developed[2] -= np.float32(sensor.blue_black)
    return developed


def add_noise(sensor: Sensor, pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Add the noise of brightness and that of color, which is coarser, as demosaicing leaves it."""
    side = pixels.shape[1]
    gray = sensor.noise * (1 - sensor.color_noise) * _grains(generator, (side, side))
    half = (side + 1) // 2
    for plane in pixels:
        coarse = sensor.noise * sensor.color_noise * _grains(generator, (half, half))
        plane += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
        plane += gray
    return pixels


def _grains(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Noise of mean 0 and standard deviation 1, the sum of two uniform draws, float32."""
    bytes_ = generator.integers(0, 256, (2, *shape), np.uint8).astype(np.float32)
    grains: np.ndarray = (bytes_[0] + bytes_[1] - 255) * np.float32(1 / 104.5)
    return grains


def store(sensor: Sensor, image: np.ndarray) -> np.ndarray:
    """Save and read a picture, uint8 (S, S, 3) RGB, once a generation."""
    picture = image[:, :, ::-1]
    for quality in sensor.jpeg_qualities:
        buffer = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.asarray(cv2.imdecode(buffer, cv2.IMREAD_COLOR))
    stored: np.ndarray = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2RGB)
    return stored
