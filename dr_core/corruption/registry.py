"""Every corruption by name, and the one function that applies them."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dr_core.corruption import blur, clinic, digital, extra, noise, weather
from dr_core.corruption.draws import Draws
from dr_core.errors import InputError

MAX_SEVERITY = 5
_CACHED_PIXELS = 4 * 224 * 224
"""Four views of a model: 2.4 MB of float32."""
Operation = Callable[[Tensor, float, Draws], Tensor]
"""Images float32 (N, 3, H, W) in 0..1, severity in (0, 5], draws -> images, which may leave 0..1."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One way to damage a picture.

    Attributes:
        name: Key of the registry.
        family: `noise`, `blur`, `weather`, `digital`, `extra`, `fundus` or `clinic`.
        label: Name for people.
        description: One sentence that a photographer would recognize.
        operation: Applies it.
        random: Whether it draws random numbers.
    """

    name: str
    family: str
    label: str
    description: str
    operation: Operation
    random: bool = False


def _graded(function: Callable[[Tensor, float, Draws], Tensor], at_zero: float, *levels: float) -> Operation:
    """One parameter, interpolated between its value of no effect and the five published ones."""
    table = (at_zero, *levels)
    return lambda images, severity, draws: function(images, float(np.interp(severity, range(6), table)), draws)


def _graded_pair(function: Callable[..., Tensor], at_zero: tuple[float, ...], *levels: tuple[float, ...]) -> Operation:
    """Several continuous parameters, interpolated each by itself."""
    columns = list(zip(at_zero, *levels, strict=True))

    def operate(images: Tensor, severity: float, draws: Draws) -> Tensor:
        return function(images, *(float(np.interp(severity, range(6), column)) for column in columns), draws)

    return operate


def _blended(apply: Callable[[Tensor, int, Draws], Tensor]) -> Operation:
    """Whole-numbered parameters: between two levels, the two pictures of the same draws are mixed."""

    def operate(images: Tensor, severity: float, draws: Draws) -> Tensor:
        low, share = math.floor(severity), severity - math.floor(severity)
        below = apply(images, low, draws).clamp(0, 1) if low else images
        return torch.lerp(below, apply(images, low + 1, draws).clamp(0, 1), share) if share else below

    return operate


def _clinical(function: Operation) -> Operation:
    return lambda images, severity, draws: function(images, severity / MAX_SEVERITY, draws)


_DISKS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
_GLASS: tuple[tuple[float, int, int], ...] = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
_MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
_FUNDUS_DISKS = ((4, 0.1), (5, 0.2), (6, 0.3), (7, 0.4), (8, 0.5))
_FUNDUS_MOTION = ((8, 5), (15, 5), (15, 8), (15, 12), (20, 15))
"""Both as RetinaMNIST-C has them: medmnistc 0.1.0, registry entry `retinamnist`."""
_SNOW: tuple[tuple[float, float, float, float, int, float, float], ...] = (
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
_SPATTER = (
    (0.65, 0.3, 4, 0.69, 0.6),
    (0.65, 0.3, 3, 0.68, 0.6),
    (0.65, 0.3, 2, 0.68, 0.5),
    (0.65, 0.3, 1, 0.65, 1.5),
    (0.67, 0.4, 1, 0.65, 1.5),
)


def _spatter(images: Tensor, level: int, draws: Draws) -> Tensor:
    function = extra.spatter_water if level <= 3 else extra.spatter_mud
    return function(images, *_SPATTER[level - 1], draws)


def _inverse(*photons: float) -> tuple[float, ...]:
    """Shot noise is graded by 1 / photons, so that no noise has a value: zero."""
    return tuple(1 / each for each in photons)


def _entry(family: str, name: str, label: str, description: str, operation: Operation, *, draws: bool) -> Corruption:
    return Corruption(name=name, family=family, label=label, description=description, operation=operation, random=draws)


_ENTRIES = (
    _entry("noise", "gaussian_noise", "Gaussian noise", "Sensor grain in low light.",
           _graded(noise.add_gaussian, 0, 0.08, 0.12, 0.18, 0.26, 0.38), draws=True),
    _entry("noise", "shot_noise", "Shot noise", "Too few photons: grain that grows with the light.",
           _graded(noise.add_shot, 0, *_inverse(60, 25, 12, 5, 3)), draws=True),
    _entry("noise", "impulse_noise", "Impulse noise", "Dead and hot pixels: single dots of pure color.",
           _graded(noise.add_impulse, 0, 0.03, 0.06, 0.09, 0.17, 0.27), draws=True),
    _entry("blur", "defocus_blur", "Defocus blur", "The lens is out of focus: every point becomes a disk.",
           _blended(lambda images, level, draws: blur.defocus(images, *_DISKS[level - 1])), draws=False),
    _entry("blur", "glass_blur", "Glass blur", "Seen through frosted glass: pixels change places with neighbors.",
           _blended(lambda images, level, draws: blur.glass(images, *_GLASS[level - 1], draws)), draws=True),
    _entry("blur", "motion_blur", "Motion blur", "Camera or eye moved in a straight line during the exposure.",
           _blended(lambda images, level, draws: blur.shake(images, *_MOTION[level - 1], draws)), draws=True),
    _entry("blur", "zoom_blur", "Zoom blur", "The camera moved towards the eye during the exposure.",
           _blended(lambda images, level, draws: blur.zoom(images, *blur.ZOOMS[level - 1])), draws=False),
    _entry("weather", "snow", "Snow", "White streaks and a whitened picture.",
           _blended(lambda images, level, draws: weather.snow(images, *_SNOW[level - 1], draws)), draws=True),
    _entry("weather", "frost", "Frost", "Ice on the lens.",
           _graded_pair(weather.frost, (1, 0), (1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)), draws=True),
    _entry("weather", "fog", "Fog", "Drifting clouds that take the contrast away.",
           _graded_pair(weather.fog, (0, 2), (1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)), draws=True),
    _entry("weather", "brightness", "Brightness", "Everything brighter, colors kept.",
           _graded(weather.brighten, 0, 0.1, 0.2, 0.3, 0.4, 0.5), draws=False),
    _entry("digital", "contrast", "Contrast", "A flat picture: light and dark move towards their mean.",
           _graded(digital.flatten_contrast, 1, 0.4, 0.3, 0.2, 0.1, 0.05), draws=False),
    _entry("digital", "elastic_transform", "Elastic transform", "Straight vessels bend, as under a wavy lens.",
           _graded(digital.warp, 0, 12.5, 16.25, 21.25, 25, 30), draws=True),
    _entry("digital", "pixelate", "Pixelate", "Enlarged from too few pixels: blocks.",
           _graded(digital.pixelate, 1, 0.6, 0.5, 0.4, 0.3, 0.25), draws=False),
    _entry("digital", "jpeg_compression", "JPEG compression", "Compressed hard: 8-pixel blocks and ringing.",
           _graded(digital.compress_jpeg, 95, 25, 18, 15, 10, 7), draws=False),
    _entry("extra", "speckle_noise", "Speckle noise", "Grain in the bright parts.",
           _graded(noise.add_speckle, 0, 0.15, 0.2, 0.35, 0.45, 0.6), draws=True),
    _entry("extra", "gaussian_blur", "Gaussian blur", "Soft all over.",
           _graded(blur.gaussian_blur, 0, 1, 2, 3, 4, 6), draws=False),
    _entry("extra", "spatter", "Spatter", "Drops of water, then mud, on the lens.", _blended(_spatter), draws=True),
    _entry("extra", "saturate", "Saturate", "Colors washed out (1, 2) or glaring (3 to 5).",
           _graded_pair(lambda images, factor, offset, draws: extra.saturate(images, factor, offset),
                        (1, 0), (0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)), draws=False),
    _entry("fundus", "fundus_pixelate", "Pixelate (fundus)", "A small picture enlarged: blocks.",
           _graded(digital.pixelate, 1, 0.8, 0.6, 0.5, 0.4, 0.35), draws=False),
    _entry("fundus", "fundus_jpeg", "JPEG (fundus)", "Compressed for storage: blocks around vessels.",
           _graded(digital.compress_jpeg, 95, 30, 25, 20, 10, 5), draws=False),
    _entry("fundus", "fundus_gaussian_noise", "Gaussian noise (fundus)", "Grain of a retinal camera at high gain.",
           _graded(noise.add_gaussian, 0, 0.04, 0.08, 0.12, 0.16, 0.2), draws=True),
    _entry("fundus", "fundus_speckle_noise", "Speckle noise (fundus)", "Grain that follows the light.",
           _graded(noise.add_speckle, 0, 0.1, 0.15, 0.2, 0.25, 0.3), draws=True),
    _entry("fundus", "fundus_defocus", "Defocus (fundus)", "Wrong diopter setting: points become disks.",
           _blended(lambda images, level, draws: blur.defocus(images, *_FUNDUS_DISKS[level - 1])), draws=False),
    _entry("fundus", "fundus_motion", "Motion (fundus)", "The eye drifted in a straight line.",
           _blended(lambda images, level, draws: blur.shake(images, *_FUNDUS_MOTION[level - 1], draws)), draws=True),
    _entry("fundus", "fundus_brightness_down", "Darker (fundus)", "At worst, half the light is missing.",
           _graded(digital.dim, 1, 0.9, 0.8, 0.7, 0.6, 0.5), draws=False),
    _entry("fundus", "fundus_contrast_down", "Less contrast (fundus)", "Everything moves towards one gray.",
           _graded(digital.fade, 1, 0.9, 0.8, 0.7, 0.6, 0.4), draws=False),
    _entry("clinic", "camera_defocus", "Camera out of focus", "Vessel edges soft, small red dots gone.",
           _clinical(clinic.defocus_camera), draws=False),
    _entry("clinic", "eye_motion", "Eye moved", "The eye jumped during the flash: small dots become streaks.",
           _clinical(clinic.move_eye), draws=True),
    _entry("clinic", "uneven_flash", "Uneven flash", "One side bright, the other and the rim in shade.",
           _clinical(clinic.flash_unevenly), draws=True),
    _entry("clinic", "small_pupil", "Small pupil", "Not dilated: a dark ring closes in from the rim.",
           _clinical(clinic.narrow_pupil), draws=True),
    _entry("clinic", "cataract_haze", "Cataract haze", "A clouded lens: milky, yellowish, low contrast.",
           _clinical(clinic.haze_cataract), draws=False),
    _entry("clinic", "lens_dust", "Dust on the lens", "Soft dark and pale spots that could pass for lesions.",
           _clinical(clinic.scatter_dust), draws=True),
    _entry("clinic", "lens_reflection", "Lens reflection", "A pale ghost of the flash and a crescent at the rim.",
           _clinical(clinic.reflect_lens), draws=True),
    _entry("clinic", "color_cast", "Another camera's colors", "The same retina, redder, greener or bluer.",
           _clinical(clinic.cast_color), draws=True),
    _entry("clinic", "overexposure", "Overexposure", "Flash too strong: disc and bright lesions burn out.",
           _clinical(clinic.overexpose), draws=False),
    _entry("clinic", "underexposure", "Underexposure", "Flash too weak: dark, with grain.",
           _clinical(clinic.underexpose), draws=True),
    _entry("clinic", "low_resolution", "Lower resolution", "An old camera: fine vessels blur away.",
           _clinical(clinic.lower_resolution), draws=False),
    _entry("clinic", "telemedicine_jpeg", "Telemedicine JPEG", "Sent over a slow connection: blocks around vessels.",
           _clinical(clinic.send_jpeg), draws=False),
)  # fmt: skip

CORRUPTIONS: dict[str, Corruption] = {entry.name: entry for entry in _ENTRIES}
"""Name -> corruption, in the order of the families."""

FAMILIES: dict[str, str] = {
    "noise": "Noise", "blur": "Blur", "weather": "Weather", "digital": "Digital", "extra": "Extra",
    "fundus": "RetinaMNIST-C", "clinic": "Clinic",
}  # fmt: skip
"""Family -> name for people."""

IMAGENET_C = tuple(entry.name for entry in _ENTRIES if entry.family in {"noise", "blur", "weather", "digital", "extra"})
"""The 19 of the paper's Figure 4."""


def find_corruption(name: str) -> Corruption:
    """The corruption of this name.

    Raises:
        InputError: If there is none; it says the nearest.
    """
    if name in CORRUPTIONS:
        return CORRUPTIONS[name]
    near = difflib.get_close_matches(name, CORRUPTIONS, n=1, cutoff=0)[0]
    raise InputError(f"There is no corruption {name!r}; the nearest is {near!r}. All: {', '.join(CORRUPTIONS)}.")


@torch.no_grad()
def corrupt(images: Tensor, name: str, severity: float, seed: int | Sequence[int]) -> Tensor:
    """Damage a batch of pictures.

    What happens to an image follows from the image, the name, the severity and its seed alone, so
    `corrupt(batch)[i]` equals `corrupt(batch[i : i + 1])` for the same seed.

    Args:
        images: Uint8 (N, 3, H, W) RGB. Kernels are in pixels of 224, so pass images at model size.
        name: A key of `CORRUPTIONS`.
        severity: 0 (the identity) to 5; the published levels are 1..5, real numbers lie between them.
        seed: One integer, which all images share (the same dust on all), or one for each image.

    Returns:
        Uint8 (N, 3, H, W), a new tensor on the same device.

    Raises:
        InputError: If the name is unknown, the severity out of range, or the images are not uint8 (N, 3, H, W).

    Source: Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    2019; fractions are cut off when turned into uint8, as there.
    """
    entry = find_corruption(name)
    if isinstance(severity, bool) or not isinstance(severity, int | float | np.integer | np.floating):
        raise InputError(f"`severity` must be a number from 0 to {MAX_SEVERITY}, not {severity!r}.")
    if not 0 <= severity <= MAX_SEVERITY:
        raise InputError(f"`severity` must be between 0 and {MAX_SEVERITY}, not {severity}; 0 changes nothing.")
    _check_images(images)
    seeds = (seed,) if isinstance(seed, int | np.integer) else tuple(seed)
    if len(seeds) != 1 and len(seeds) != len(images):
        raise InputError(f"`seed` must be one integer or {len(images)}, one an image, not {len(seeds)}.")
    if severity == 0 or len(images) == 0:
        return images.clone()
    draws = Draws(seeds=tuple(int(each) for each in seeds), name=name, device=images.device)
    damaged = torch.empty_like(images, memory_format=torch.contiguous_format)
    for part in _split(images):
        own = draws if len(seeds) == 1 else replace(draws, seeds=draws.seeds[part], memory={})
        picture = entry.operation(images[part].contiguous().float() / 255, float(severity), own)
        # A thousandth of a gray level keeps rounding of float32 from costing a whole one.
        damaged[part] = picture.clamp(0, 1).mul_(255).add_(1e-3)
    return damaged


def _split(images: Tensor) -> list[slice]:
    """Parts of a batch that fit a processor's cache; another device takes it whole."""
    count = max(1, _CACHED_PIXELS // images[0, 0].numel()) if images.device.type == "cpu" else len(images)
    return [slice(start, start + count) for start in range(0, len(images), count)]


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise InputError(
            f"`images` must be a torch tensor, not {type(images).__name__}; "
            "torch.from_numpy(image).permute(2, 0, 1)[None] makes one of an RGB picture."
        )
    if images.dtype != torch.uint8:
        raise InputError(f"`images` must be uint8 in 0..255, not {images.dtype}; multiply by 255 and convert.")
    if images.ndim != 4 or images.shape[1] != 3:
        raise InputError(
            f"`images` must be (N, 3, H, W) in RGB, not {tuple(images.shape)}; repeat a gray channel three times."
        )
    if min(images.shape[-2:]) < 16:
        raise InputError(f"`images` must be at least 16 pixels a side, not {tuple(images.shape[-2:])}; enlarge them.")
