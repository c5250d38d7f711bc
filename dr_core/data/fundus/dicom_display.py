"""How the samples of a DICOM file are shown: colors by the stream, gray by rescaling, window and presentation."""

import copy
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

Colors = Literal["RGB", "YBR"]

_DARK, _NEUTRAL, _NEAR, _LEAST_SHARE = 20, 128, 16, 0.005


def find_colors(samples: npt.NDArray[np.uint8], label: str, notes: list[str]) -> Colors:
    """Say of what colors samples are whose stream does not state it.

    What surrounds the retina is black: (0, 0, 0) in RGB and (0, 128, 128) in YCbCr. Where there is no black, the label
    decides.

    Args:
        samples: Uint8 (H, W, 3), as stored.
        label: Photometric interpretation.
        notes: Takes a sentence where samples and label differ.

    Returns:
        `"RGB"` or `"YBR"`.
    """
    labeled: Colors = "YBR" if label.startswith("YBR") else "RGB"
    dark = samples[..., 0] <= _DARK
    if dark.mean() < _LEAST_SHARE:
        return labeled
    others = np.median(samples[dark][:, 1:], axis=0)
    found: Colors = labeled
    if (abs(others - _NEUTRAL) <= _NEAR).all():
        found = "YBR"
    elif (others <= _DARK + _NEAR).all():
        found = "RGB"
    if found != labeled:
        notes.append(
            f"The file calls its colors {label}; its black surround shows that they are "
            f"{'YCbCr' if found == 'YBR' else 'RGB'}, as which they were read."
        )
    return found


def to_rgb_colors(samples: npt.NDArray[np.uint8], colors: Colors) -> npt.NDArray[np.uint8]:
    """Bring uint8 (H, W, 3) of full range to RGB."""
    if colors == "RGB":
        return samples
    result: npt.NDArray[np.uint8] = cv2.cvtColor(
        np.ascontiguousarray(samples[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB
    ).astype(np.uint8, copy=False)
    return result


def needs_table(tags: Dataset) -> bool:
    """Whether gray samples pass a rescaling, window or table before they are shown."""
    has_window = tags.get("WindowCenter") is not None and tags.get("WindowWidth") is not None
    return bool(has_window or tags.get("VOILUTSequence") or _falls(tags) or tags.get("ModalityLUTSequence"))


def _falls(tags: Dataset) -> bool:
    slope = tags.get("RescaleSlope")
    return slope is not None and float(slope) < 0


def display_gray(samples: np.ndarray, tags: Dataset, stored: int) -> npt.NDArray[np.uint8]:
    """Show gray samples as the file wants it, by pydicom's own rescaling and window.

    Each of the 2**bits sample values is sent through once, so that a large picture costs one look-up.

    Args:
        samples: Uint8 or uint16 (H, W).
        tags: The file's tags.
        stored: Bits of a sample that are used.

    Returns:
        Uint8 (H, W).

    Raises:
        ValueError: The tags contradict each other.
    """
    tags = copy.copy(tags)
    tags.PixelRepresentation = 0
    highest = 2**stored - 1
    levels = np.arange(highest + 1, dtype=np.uint8 if stored <= 8 else np.uint16).reshape(1, -1)
    rescaled = np.asarray(apply_modality_lut(levels, tags))
    shown = np.asarray(apply_voi_lut(rescaled, tags), np.float64).ravel()
    low, high = _output_range(tags, rescaled.astype(np.float64), highest)
    if not (np.isfinite(shown).all() and high > low):
        raise ValueError("no window")
    table = np.clip(np.rint((shown - low) * 255 / (high - low)), 0, 255).astype(np.uint8)
    result: npt.NDArray[np.uint8] = table[np.minimum(samples, highest)]
    return result


def _output_range(tags: Dataset, rescaled: np.ndarray, highest: int) -> tuple[float, float]:
    """Darkest and brightest value that may come out, as PS3.3 C.11.2 has them."""
    if tags.get("VOILUTSequence"):
        return 0.0, float(2 ** int(tags.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    if tags.get("ModalityLUTSequence"):
        return 0.0, float(2 ** int(tags.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    if tags.get("RescaleSlope") is not None:
        return float(rescaled.min()), float(rescaled.max())
    return 0.0, float(highest)
