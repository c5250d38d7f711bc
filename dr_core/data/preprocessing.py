"""From a photograph to a model's input: one description that training, checkpoints and the app share."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dr_core.data.fundus import FieldOfView, find_field_of_view
from dr_core.data.fundus.resize import resize_to_field_of_view, squash
from dr_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Color = tuple[float, float, float]

Crop = Literal["field_of_view", "squash"]

Contrast = Literal["none", "local", "graham"]

IMAGENET_MEAN: Color = (0.485, 0.456, 0.406)
IMAGENET_STD: Color = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a photograph becomes a model's input.

    Attributes:
        size: Side of the input in pixels.
        crop: `"squash"`: the whole image is squashed to a square (protocol `paper`); `"field_of_view"`: the square
            around the field of view (protocol `fine`).
        mean: Mean of each channel that is subtracted.
        std: Standard deviation of each channel by which is divided.
        contrast: `"none"`: the model meets the colors as they are; `"local"`: each pixel relative to its surroundings
            (`local_contrast`), so that overall color and uneven light tell nothing; `"graham"`: the local mean
            subtracted (`graham_contrast`), as the winner of Kaggle's competition did.
    """

    size: int = 224
    crop: Crop = "field_of_view"
    mean: Color = IMAGENET_MEAN
    std: Color = IMAGENET_STD
    contrast: Contrast = "none"

    def __post_init__(self) -> None:
        if self.contrast not in ("none", "local", "graham"):
            raise InputError(f'`contrast` must be "none", "local" or "graham", not {self.contrast!r}.')
        if self.crop not in ("field_of_view", "squash"):
            raise InputError(f'`crop` must be "field_of_view" or "squash", not {self.crop!r}.')
        if not isinstance(self.size, int) or not 16 <= self.size <= 2048:
            raise InputError(f"`size` must be a whole number between 16 and 2048 pixels, not {self.size}.")
        colors = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, colors)) or min(self.std) <= 0:
            raise InputError("`mean` and `std` must be three finite numbers each, those of `std` above 0.")

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Preprocessing":
        """Build from plain values, as JSON holds them."""
        return Preprocessing(**values | {name: tuple(values[name]) for name in ("mean", "std")})

    def to_model_view(self, image: np.ndarray, field: FieldOfView | None = None) -> np.ndarray:
        """Bring a photograph to model size, as the model sees it.

        Args:
            image: Uint8 (H, W, 3) RGB.
            field: Its field of view where the caller has found it already; otherwise it is found here if needed.

        Returns:
            Uint8 (S, S, 3) RGB, averaged over areas where it is made smaller, black where the crop reaches beyond the
            image.
        """
        if self.crop == "squash":
            return squash(image, self.size)
        return resize_to_field_of_view(image, field or find_field_of_view(image), self.size)

    def to_display(self, view: np.ndarray) -> np.ndarray:
        """Show a view, uint8 (S, S, 3), as the model meets it: the view, or its local contrast around middle gray.

        Where the contrast is nil by definition, outside the field of view, the picture is left black.
        """
        if self.contrast == "none":
            return view
        import torch  # not above: a page that names the models need not wait for it

        from dr_core.data.contrast import graham_contrast, local_contrast

        pixels = torch.from_numpy(np.ascontiguousarray(view)).permute(2, 0, 1)[None].float() / 255
        if self.contrast == "graham":
            return (graham_contrast(pixels)[0].permute(1, 2, 0) * 255).round().byte().numpy()
        contrast = local_contrast(pixels)[0].permute(1, 2, 0).numpy()
        shown = np.clip(_GRAY + _GRAY_PER_CONTRAST * contrast, 0, 255).astype(np.uint8)
        shown[(contrast == 0).all(axis=2)] = 0
        return shown

    def normalize(self, views: np.ndarray) -> "Tensor":
        """Turn views, uint8 (N, S, S, 3), into inputs, float32 (N, 3, S, S)."""
        import torch

        return self.standardize(torch.from_numpy(np.ascontiguousarray(views)).permute(0, 3, 1, 2).float() / 255)

    def standardize(self, pixels: "Tensor") -> "Tensor":
        """Turn pixels, float (N, 3, H, W) in [0, 1], on any device, into inputs of the same shape."""
        import torch

        from dr_core.data.contrast import graham_contrast, local_contrast

        if self.contrast == "local":
            pixels = local_contrast(pixels)
        elif self.contrast == "graham":
            pixels = graham_contrast(pixels)
        mean = torch.tensor(self.mean, device=pixels.device)[:, None, None]
        std = torch.tensor(self.std, device=pixels.device)[:, None, None]
        return (pixels - mean) / std

    def __call__(self, image: np.ndarray) -> "Tensor":
        """Bring a photograph, uint8 (H, W, 3) RGB, to the model's input, float32 (3, S, S)."""
        return self.normalize(self.to_model_view(image)[None])[0]


_GRAY, _GRAY_PER_CONTRAST = 128.0, 36.0
"""Gray level of no contrast on a screen, and gray levels for the typical contrast of an eye."""

SURROUND = 10
"""Gray level up to which a pixel belongs to the black surround."""

STANDARD_COLOR: tuple[Color, Color] = ((130.0, 75.0, 40.0), (38.0, 24.0, 16.0))
"""Mean and standard deviation of each channel to which colors are made alike: a plain orange fundus."""


def standardize_color(view: np.ndarray) -> np.ndarray:
    """Give an eye the mean and spread of each color that every other gets, so that overall color tells nothing.

    Args:
        view: Uint8 (H, W, 3) RGB.

    Returns:
        Uint8 (H, W, 3); the black surround stays as it is.
    """
    inside = view.max(axis=2) > SURROUND
    if not inside.any():
        return view.copy()
    pixels = view[inside].astype(np.float32)
    mean, std = (np.array(values, np.float32) for values in STANDARD_COLOR)
    alike = (pixels - pixels.mean(axis=0)) / np.maximum(pixels.std(axis=0), 1.0) * std + mean
    result = view.copy()
    result[inside] = np.clip(alike + 0.5, 0, 255).astype(np.uint8)
    return result
