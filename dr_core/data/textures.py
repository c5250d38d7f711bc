"""The procedural stand-in for ImageNet: drawn textures and shapes with class labels.

ImageNet may not be shipped, so the demo's "ImageNet initialization" is learned from these images instead. They hold
edges, corners, blobs, curves, colors and scales as photographs of things do, and nothing of an eye.
"""

from collections.abc import Callable

import cv2
import numpy as np

from dr_core.errors import InputError
from dr_core.seeds import numpy_generator

_Generator = np.random.Generator


def draw_texture(label: int, size: int, seed: int) -> np.ndarray:
    """Draw one image of a class.

    Args:
        label: Number of the class in `TEXTURE_CLASSES`.
        size: Side in pixels, S, 16..1024.
        seed: Seed of everything; the same seed gives the same bytes.

    Returns:
        Uint8 (S, S, 3) RGB.

    Raises:
        InputError: If the label or the size is out of range.
    """
    if label not in range(len(TEXTURE_CLASSES)):
        raise InputError(f"`label` must be an integer 0..{len(TEXTURE_CLASSES) - 1}, not {label!r}.")
    if not 16 <= size <= 1024:
        raise InputError(f"`size` must be between 16 and 1024 pixels, not {size!r}.")
    generator = numpy_generator(seed, "texture", label)
    image: np.ndarray = _DRAWERS[TEXTURE_CLASSES[label]](generator, size).astype(np.float32)
    light = cv2.resize(
        generator.normal(1, 0.15, (3, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    image = cv2.GaussianBlur(image * light[:, :, None], (0, 0), generator.uniform(0.3, 1.0))
    image = image + generator.normal(0, generator.uniform(0, 12), image.shape)
    texture: np.ndarray = np.clip(image, 0, 255).astype(np.uint8)
    return texture


def _colors(generator: _Generator, count: int) -> np.ndarray:
    """Colors around a common hue, float (count, 3)."""
    base, spread = generator.uniform(30, 225, 3), generator.uniform(20, 90)
    return np.clip(base + generator.normal(0, spread, (count, 3)), 0, 255)


def _color(generator: _Generator) -> tuple[float, float, float]:
    red, green, blue = generator.uniform(0, 255, 3)
    return float(red), float(green), float(blue)


def _ground(generator: _Generator, size: int) -> np.ndarray:
    return np.full((size, size, 3), _color(generator), np.float32)


def _grid(generator: _Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Turned and shifted coordinates, a unit a side."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - generator.uniform(0.2, 0.8)
    angle = generator.uniform(0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _mix(generator: _Generator, weight: np.ndarray) -> np.ndarray:
    """Blend two colors by a weight 0..1, float (S, S)."""
    first, second = _colors(generator, 2)
    blended: np.ndarray = first + (second - first) * weight[:, :, None]
    return blended


def _dead_leaves(generator: _Generator, size: int, sides: int | None) -> np.ndarray:
    """Shapes of many sizes that cover one another; a polygon's number of sides, or None for discs."""
    image = _ground(generator, size)
    palette = _colors(generator, 8)
    for radius in np.sort(size * 0.02 / generator.power(1.0, 120).clip(0.06))[::-1]:
        center = generator.uniform(0, size, 2)
        color = tuple(float(v) for v in palette[generator.integers(8)])
        if sides is None:
            cv2.circle(image, (int(center[0]), int(center[1])), int(radius) + 1, color, -1, cv2.LINE_AA)
        else:
            angles = generator.uniform(0, 6.3) + np.arange(sides) * 2 * np.pi / sides
            points = center + radius * 1.3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            cv2.fillPoly(image, [points.astype(np.int32)], color, cv2.LINE_AA)
    return image


def _gratings(generator: _Generator, size: int) -> np.ndarray:
    x, _ = _grid(generator, size)
    return _mix(generator, 0.5 + 0.5 * np.sin(x * generator.uniform(20, 140)))


def _plaids(generator: _Generator, size: int) -> np.ndarray:
    x, y = _grid(generator, size)
    wave = np.sin(x * generator.uniform(15, 80)) + np.sin(y * generator.uniform(15, 80))
    return _mix(generator, 0.5 + 0.25 * wave)


def _checkers(generator: _Generator, size: int) -> np.ndarray:
    x, y = _grid(generator, size)
    step = generator.uniform(0.04, 0.2)
    return _mix(generator, ((np.floor(x / step) + np.floor(y / step)) % 2).astype(np.float32))


def _rings(generator: _Generator, size: int) -> np.ndarray:
    x, y = _grid(generator, size)
    return _mix(generator, 0.5 + 0.5 * np.sin(np.hypot(x, y) * generator.uniform(30, 140)))


def _rays(generator: _Generator, size: int) -> np.ndarray:
    x, y = _grid(generator, size)
    return _mix(generator, 0.5 + 0.5 * np.sign(np.sin(np.arctan2(y, x) * generator.integers(4, 18))))


def _clouds(generator: _Generator, size: int) -> np.ndarray:
    weight = np.zeros((size, size), np.float32)
    for octave in range(2, 7):
        noise = generator.standard_normal((2**octave, 2**octave)).astype(np.float32)
        weight += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC) / 2 ** (octave - 1)
    return _mix(generator, 1 / (1 + np.exp(-2 * weight)))


def _spots(generator: _Generator, size: int) -> np.ndarray:
    noise = cv2.GaussianBlur(
        generator.standard_normal((size, size)).astype(np.float32), (0, 0), size * generator.uniform(0.01, 0.04)
    )
    return _mix(generator, (noise > noise.std() * generator.uniform(0.6, 1.4)).astype(np.float32))


def _cells(generator: _Generator, size: int) -> np.ndarray:
    """Voronoi cells with dark borders."""
    seeds = generator.uniform(0, size, (generator.integers(15, 60), 2)).astype(np.float32)
    marks = np.full((size, size), 255, np.uint8)
    marks[seeds[:, 1].astype(int), seeds[:, 0].astype(int)] = 0
    distance, labels = cv2.distanceTransformWithLabels(marks, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    image = _colors(generator, int(labels.max()) + 1)[labels].astype(np.float32)
    shaded: np.ndarray = image * (0.55 + 0.45 * np.exp(-distance / (0.1 * size)))[:, :, None]
    return shaded


def _curves(generator: _Generator, size: int) -> np.ndarray:
    image = _ground(generator, size)
    for _ in range(generator.integers(8, 40)):
        angles = generator.uniform(0, 6.3) + np.cumsum(generator.normal(0, 0.25, 40))
        steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size * 0.03
        points = generator.uniform(0, size, 2) + np.cumsum(steps, axis=0)
        cv2.polylines(
            image, [points.astype(np.int32)], False, _color(generator), int(generator.integers(1, 5)), cv2.LINE_AA
        )
    return image


def _stars(generator: _Generator, size: int) -> np.ndarray:
    image = _ground(generator, size)
    for _ in range(generator.integers(4, 18)):
        tips = int(generator.integers(4, 8))
        angles = generator.uniform(0, 6.3) + np.arange(2 * tips) * np.pi / tips
        reach = np.where(np.arange(2 * tips) % 2, 0.4, 1.0) * size * generator.uniform(0.04, 0.2)
        points = generator.uniform(0, size, 2) + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.fillPoly(image, [points.astype(np.int32)], _color(generator), cv2.LINE_AA)
    return image


_DRAWERS: dict[str, Callable[[_Generator, int], np.ndarray]] = {
    "discs": lambda generator, size: _dead_leaves(generator, size, None),
    "triangles": lambda generator, size: _dead_leaves(generator, size, 3),
    "squares": lambda generator, size: _dead_leaves(generator, size, 4),
    "gratings": _gratings,
    "plaids": _plaids,
    "checkers": _checkers,
    "rings": _rings,
    "rays": _rays,
    "clouds": _clouds,
    "spots": _spots,
    "cells": _cells,
    "curves": _curves,
    "stars": _stars,
}

TEXTURE_CLASSES: tuple[str, ...] = tuple(_DRAWERS)
"""Names of the classes, in the order of their labels."""
