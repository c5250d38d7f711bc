"""The camera: light, lens, sensor, frame and file."""

import cv2
import numpy as np

from dr_core.data.phantom.anatomy import Anatomy, Style
from dr_core.data.phantom.canvas import Canvas


def expose(
    canvas: Canvas, pixels: np.ndarray, anatomy: Anatomy, style: Style, generator: np.random.Generator
) -> np.ndarray:
    """Photograph a retina.

    Args:
        canvas: The picture's geometry.
        pixels: Light from the retina, float32 (S, S, 3), of 1.
        anatomy: The eye; says where the light falls.
        style: The camera.
        generator: Source of the noise.

    Returns:
        Uint8 (S, S, 3) RGB with the black surround, notch and JPEG traces of a camera's file.
    """
    pixels = pixels * _light(canvas, anatomy, style)[:, :, None]
    pixels = _tint_rim(canvas, pixels, style, generator)
    pixels = pixels + style.haze * (np.array([0.6, 0.5, 0.38], np.float32) - 0.6 * pixels)
    pixels = canvas.soften(pixels, style.blur)
    pixels = np.clip(pixels, 1e-4, 1) ** np.float32(style.gamma)
    pixels += style.noise * generator.standard_normal((canvas.size, canvas.size, 3), np.float32)
    image = np.clip(pixels * _frame(canvas, style, generator)[:, :, None] * 255 + 0.5, 0, 255).astype(np.uint8)
    return _through_jpeg(image, style.jpeg_quality)


def _light(canvas: Canvas, anatomy: Anatomy, style: Style) -> np.ndarray:
    """Uneven illumination: brightest at one place, darker toward the rim."""
    squared = (canvas.x - float(anatomy.light[0])) ** 2 + (canvas.y - float(anatomy.light[1])) ** 2
    return 1.15 - style.vignette * np.minimum(squared, 1.6) * 0.6


def _tint_rim(canvas: Canvas, pixels: np.ndarray, style: Style, generator: np.random.Generator) -> np.ndarray:
    """Stray light along one side of the rim, in some cameras: a narrow reflection or a broad gray veil."""
    if generator.random() > 0.45:
        return pixels
    broad = generator.random() < 0.5
    direction = generator.uniform(0, 2 * np.pi)
    distance = np.sqrt(canvas.x**2 + canvas.y**2)
    toward = (canvas.x * np.cos(direction) + canvas.y * np.sin(direction)) * 0.5 + 0.5
    width = generator.uniform(0.15, 0.4) if broad else generator.uniform(0.02, 0.12)
    veil = np.exp(-(((1 - distance) / width) ** 2)) * np.clip(toward, 0, 1) ** 2
    color = generator.uniform(0.25, 0.6) * np.array([1.0, *generator.uniform(0.75, 1.05, 2)], np.float32)
    strength = (generator.uniform(0.2, 0.8) * veil)[:, :, None].astype(np.float32)
    veiled: np.ndarray = pixels + strength * (color.astype(np.float32) - (0.7 * pixels if broad else 0))
    return veiled


def _frame(canvas: Canvas, style: Style, generator: np.random.Generator) -> np.ndarray:
    """What the camera shows, 0..1: the field of view, cut by the frame, with its notch."""
    field = canvas.blank()
    canvas.disc(field, np.zeros(2), 1.0)
    if style.notch is not None:
        angle = style.notch + np.array([-0.045, -0.02, 0.02, 0.045])
        reach = np.array([0.99, 1.035, 1.035, 0.99])
        canvas.patch(field, np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1))
    field[(np.abs(canvas.y) >= style.cut)[:, 0]] = 0
    frame: np.ndarray = cv2.GaussianBlur(field, (0, 0), max(0.5, 0.002 * canvas.size)).astype(np.float32) / 255
    return frame


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(buffer, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(decoded[:, :, ::-1])
