"""Protocols: how an eye and its lesion masks are brought to model size.

The paper states no input size. Its control rows do: the mass that a random heatmap puts on a mask is the mask's share
of the image, and the shares of its Table 3 are those of whole images squashed to 224 pixels with masks that PIL's
bilinear filter has widened. That is our inference, kept as protocol `paper`. It enlarges a microaneurysm of 5 pixels
some fifteen times; protocol `fine` keeps the shares nearly as they are in the photograph.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from dr_core.data.fundus import FieldOfView, find_field_of_view
from dr_core.data.fundus.field_of_view import cut_square, square_of
from dr_core.data.preprocessing import Crop, Preprocessing
from dr_core.errors import InputError

MaskRule = Literal["touched", "half"]
"""When a pixel of a scaled mask is on; see `Protocol`."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How an eye and its masks are brought to model size.

    Attributes:
        name: `"paper"` or `"fine"`.
        size: Side S of the result in pixels.
        crop: Which part of the photograph fills it, as in `Preprocessing`.
        mask_rule: `"touched"`: a pixel is on where PIL's bilinear filter leaves anything of the lesion, the rule of
            CLEVR-XAI; `"half"`: where the lesion covers at least half of the pixel's area.
        title: What it does, for people.
    """

    name: str
    size: int
    crop: Crop
    mask_rule: MaskRule
    title: str

    def view(self, image: np.ndarray, field: FieldOfView | None = None) -> np.ndarray:
        """Bring a photograph, uint8 (H, W, 3) RGB, to uint8 (S, S, 3); `field` as in `to_model_view`."""
        return Preprocessing(size=self.size, crop=self.crop).to_model_view(image, field)

    def mask(self, mask: np.ndarray, field: FieldOfView | None = None) -> np.ndarray:
        """Bring a lesion mask to model size.

        Args:
            mask: Bool (H, W), of the photograph's height and width.
            field: The photograph's field of view; needed where the protocol crops to it.

        Returns:
            Bool (S, S).

        Raises:
            InputError: If the mask is not two-dimensional.

        Source:
            `"touched"`: Arras et al. 2022, CLEVR-XAI, Information Fusion 81:14-40.
        """
        if mask.ndim != 2:
            raise InputError(f"A mask must have two axes, height and width, not {mask.ndim}.")
        return scale_mask(mask, self.size, crop=self.crop, rule=self.mask_rule, field=field)


PROTOCOLS: dict[str, Protocol] = {
    "paper": Protocol(
        name="paper", size=224, crop="squash", mask_rule="touched", title="whole image squashed to 224 px, as the paper"
    ),
    "fine": Protocol(
        name="fine", size=512, crop="field_of_view", mask_rule="half", title="field of view at 512 px, unbiased masks"
    ),
}
"""Name -> protocol."""


def scale_mask(
    mask: np.ndarray, size: int, *, crop: Crop, rule: MaskRule, field: FieldOfView | None = None
) -> np.ndarray:
    """Bring a lesion mask to a model's view, whatever crop, size and rule.

    Args:
        mask: Bool (H, W).
        size: Side S of the result in pixels.
        crop: Which part of the photograph the model is shown.
        rule: When a pixel is on, as in `Protocol`.
        field: The photograph's field of view, for crop `"field_of_view"`.

    Returns:
        Bool (S, S).

    Raises:
        InputError: If the crop needs a field of view and none is given.
    """
    pixels = mask.astype(np.uint8) * 255
    if crop == "field_of_view":
        if field is None:
            raise InputError("A mask that is cropped to the field of view needs the photograph's `field`.")
        pixels = cut_square(pixels, *square_of(field))
    if rule == "touched":
        return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)) > 0
    shrinks = min(pixels.shape) >= size
    share = cv2.resize(
        pixels.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    result: np.ndarray = share >= 127.5
    return result


def view_with_masks(
    protocol: Protocol, image: np.ndarray, masks: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bring a photograph and its masks to model size together.

    Args:
        protocol: How.
        image: Uint8 (H, W, 3) RGB.
        masks: Lesion -> bool (H, W).

    Returns:
        Uint8 (S, S, 3), and lesion -> bool (S, S).

    Raises:
        InputError: If a mask has another height or width than the photograph.
    """
    field = find_field_of_view(image) if protocol.crop == "field_of_view" else None
    for lesion, mask in masks.items():
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"The mask of {lesion.replace('_', ' ')} has {mask.shape[1]}x{mask.shape[0]} pixels, the photograph "
                f"{image.shape[1]}x{image.shape[0]}; it must be drawn on the same photograph."
            )
    return protocol.view(image, field), {lesion: protocol.mask(mask, field) for lesion, mask in masks.items()}
