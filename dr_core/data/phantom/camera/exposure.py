"""Exposing a retina: from the light that it sends back to the bytes of a camera's file."""

import numpy as np

from dr_core.data.phantom.camera import artifacts as marks
from dr_core.data.phantom.camera import optics, sensor
from dr_core.data.phantom.camera.frame import Frame, draw_frame
from dr_core.data.phantom.camera.model import Camera
from dr_core.data.phantom.camera.shot import Shot
from dr_core.data.phantom.canvas import Canvas

_COARSE = 128
"""Side in pixels at which smooth light is computed."""

_LID_COLOR = np.array([0.62, 0.42, 0.28])


def expose(
    canvas: Canvas,
    pixels: np.ndarray,
    retina: tuple[float, float, float],
    camera: Camera,
    shot: Shot,
    generator: np.random.Generator,
) -> np.ndarray:
    """Photograph a retina.

    Args:
        canvas: The picture's geometry.
        pixels: Light from the retina, float32 (3, S, S), of 1; it is overwritten.
        retina: Mean color of this retina relative to an average one.
        camera: The camera.
        shot: The circumstances of this photograph.
        generator: Source of clouds, holder and noise.

    Returns:
        Uint8 (S, S, 3) RGB with the surround, notch, stamp and JPEG traces of a camera's file.
    """
    light = _gather_light(canvas.coarse(_COARSE), retina, camera, shot, generator)
    pixels = light.apply(canvas, sensor.mix_channels(camera.sensor, pixels))
    glow = 0.9 * np.array(camera.optics.reflex_color)
    pixels = marks.add_reflexes(canvas, pixels, shot.reflexes, glow)
    pixels = marks.add_glints(canvas, pixels, shot.glints, generator)
    pixels = marks.add_dust(canvas, pixels, camera.artifacts)
    pixels = sensor.resolve(camera.sensor, canvas, pixels, float(np.hypot(camera.optics.blur, shot.defocus)))
    pixels = sensor.develop(camera.sensor, pixels)
    pixels = _surround(canvas, pixels, camera, generator)
    pixels = sensor.add_noise(camera.sensor, pixels, generator)
    image = np.empty((canvas.size, canvas.size, 3), np.uint8)
    for channel in range(3):
        image[:, :, channel] = np.clip(pixels[channel] * 255 + 0.5, 0, 255)
    marks.print_stamp(image, camera.artifacts)
    return sensor.store(camera.sensor, image)


def _gather_light(
    coarse: Canvas,
    retina: tuple[float, float, float],
    camera: Camera,
    shot: Shot,
    generator: np.random.Generator,
) -> optics.Light:
    """All that is smooth: uneven light, shadows, haze, halo and lid."""
    exposure = shot.exposure * np.array(retina) ** 0.5 * [1.0, 1.0 - 0.25 * shot.yellowing, 1.0 - 0.7 * shot.yellowing]
    light = optics.Light(coarse, sensor.gains(camera.sensor, np.array(retina) * AVERAGE_RETINA, exposure))
    light.dim(1.15 * optics.fall_off(coarse, camera.optics, shot.brightest))
    for shade in shot.shades:
        light.dim(1 - shade.depth * coarse.spot(shade.center * coarse.reach, shade.spread * coarse.reach))
    wanted = np.minimum(np.array(camera.sensor.color) * exposure, 0.95) ** (1 / camera.sensor.gamma)
    _add_haze(light, camera, shot, wanted, generator)
    if camera.optics.streaks:
        bands = np.repeat(generator.standard_normal((12, 1)), coarse.size, axis=1)
        light.dim(1 + 0.025 * _stretch(bands, coarse.size))
    if shot.halo:
        glow = optics.ring(coarse, camera.optics, shot.halo_direction, camera.optics.halo_width)
        color = np.array(camera.optics.halo_color) * (0.35 + 0.65 * wanted.max())
        light.dim(1 - 0.5 * min(shot.halo, 1.0) * glow)
        light.veil += shot.halo * 0.75 * glow * color.astype(np.float32)[:, None, None]
    if shot.lid is not None:
        across = coarse.u * np.cos(shot.lid) + coarse.v * np.sin(shot.lid)
        edge = 0.72 + 0.05 * coarse.clouds(generator, 2)
        light.cover(np.clip((across - edge) / 0.12, 0, 1), _LID_COLOR * generator.uniform(0.5, 1.5))
    return light


def _add_haze(
    light: optics.Light, camera: Camera, shot: Shot, wanted: np.ndarray, generator: np.random.Generator
) -> None:
    """A veil of scattered light, in blotches, of the retina's color and of gray."""
    clouds = light.canvas.clouds(generator, shot.blotch_cells)
    if shot.haze < 0.01:
        return
    opacity = np.clip(shot.haze * (1 + shot.blotches * clouds), 0, 0.85)
    gray = float(wanted.mean()) * np.array([1.05, 1.0, 0.92])
    color = wanted + camera.optics.haze_gray * (gray - wanted)
    light.cover(opacity, color * generator.uniform(0.75, 1.25))


def _stretch(bands: np.ndarray, size: int) -> np.ndarray:
    rows = np.interp(np.linspace(0, len(bands) - 1, size), np.arange(len(bands)), bands[:, 0])
    return np.repeat(rows[:, None], size, axis=1).astype(np.float32)


def _surround(canvas: Canvas, pixels: np.ndarray, camera: Camera, generator: np.random.Generator) -> np.ndarray:
    """Close the frame around the retina."""
    frame: Frame = camera.frame
    shown = draw_frame(canvas, frame)
    outside = draw_outside(canvas, camera, generator)
    for plane, level, share in zip(pixels, frame.surround, (1.0, 0.95, 0.9), strict=True):
        plane -= level if outside is None else share * outside
        plane *= shown
        plane += level if outside is None else share * outside
    return pixels


def draw_outside(canvas: Canvas, camera: Camera, generator: np.random.Generator) -> np.ndarray | None:
    """What a phone shows around the field, float32 (S, S), of 1; None for other cameras."""
    if not camera.artifacts.holder:
        return None
    return marks.draw_holder(canvas, camera.artifacts.holder, generator)


AVERAGE_RETINA = np.array([0.62, 0.3, 0.13])
"""Color of an average retina before any camera, of 1."""
