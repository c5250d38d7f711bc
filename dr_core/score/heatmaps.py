"""Heatmaps as files: a picture for people and the raw relevance for programs, for each photograph and set-up."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from dr_core.analysis.localization import pool
from dr_core.data.photographs import Rectangle
from dr_core.files import replacing

_BRIGHTEST = 0.99
"""Quantile of a photograph's heatmaps, all set-ups together, that gets the brightest color: one scale for all."""

_FAINTEST = 1e-30
"""The brightest value of heatmaps that are zero nearly everywhere."""

_PICTURE_SIDE = 448
"""A smaller heatmap is enlarged by a whole number to at least this side."""

_DIM, _OPACITY_POWER = 0.5, 0.35
"""The eye steps back by this share; the map over it is as opaque as it is strong, to this power, as on the pages."""


def write_heatmaps(
    folder: Path,
    views: Mapping[str, np.ndarray],
    relevances: Mapping[str, np.ndarray],
    parts: Mapping[str, Rectangle],
    target: int,
) -> None:
    """Write `<set-up>.png`, the heatmap over the eye, and `<set-up>.npz`, the relevance, of one photograph.

    Args:
        folder: Where to; made if it is not there.
        views: Set-up -> the photograph as it sees it, uint8 (S, S, 3) RGB.
        relevances: Set-up -> float32 (3, S, S).
        parts: Set-up -> the part of the photograph that is seen.
        target: The grade that is explained.

    Raises:
        OSError: If the disk is full; no half file is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pooled = {setup: pool(torch.from_numpy(each)[None], "sum_pos")[0].numpy() for setup, each in relevances.items()}
    top = max(float(np.quantile(np.concatenate([each.ravel() for each in pooled.values()]), _BRIGHTEST)), _FAINTEST)
    for setup, relevance in relevances.items():
        with replacing(folder / f"{setup}.npz") as temporary:
            np.savez_compressed(temporary, relevance=relevance, target=target, part=np.array(parts[setup]))
        with replacing(folder / f"{setup}.png") as temporary:
            temporary.write_bytes(_draw(views[setup], np.minimum(pooled[setup] / top, 1)))


def _draw(view: np.ndarray, strength: np.ndarray) -> bytes:
    """PNG of a map, float (S, S) in [0, 1], over the eye, uint8 (S, S, 3) RGB."""
    colors = cv2.applyColorMap(np.rint(255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (strength**_OPACITY_POWER)[..., None]
    picture = opacity * colors + (1 - opacity) * (1 - _DIM) * view[..., ::-1]
    times = -(-_PICTURE_SIDE // len(view))
    enlarged = cv2.resize(np.rint(picture).astype(np.uint8), None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".png", enlarged)[1].tobytes()
