"""Heatmaps as files: a picture for people and the raw relevance for programs, for each photograph and set-up."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from dr_core.analysis.localization import pool
from dr_core.data.photographs import Rectangle
from dr_core.files import replacing
from dr_core.publish.overlay import encode_png, render_overlay, shared_scale_end

_PICTURE_SIDE = 448
"""A smaller heatmap is enlarged by a whole number to at least this side."""


def write_heatmaps(
    folder: Path,
    views: Mapping[str, np.ndarray],
    relevances: Mapping[str, np.ndarray],
    parts: Mapping[str, Rectangle],
    targets: Mapping[str, int],
    reasons: Mapping[str, str],
) -> None:
    """Write `<set-up>.png`, the heatmap over the eye, and `<set-up>.npz`, the relevance, of one photograph.

    Args:
        folder: Where to; made if it is not there.
        views: Set-up -> the photograph as it sees it, uint8 (S, S, 3) RGB.
        relevances: Set-up -> float32 (3, S, S).
        parts: Set-up -> the part of the photograph that is seen.
        targets: Set-up -> the grade that is explained, or `POSITIVE`.
        reasons: Set-up -> why it has no heatmap of this photograph, which `<set-up>.txt` says.

    Raises:
        OSError: If the disk is full; no half file is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for setup, reason in reasons.items():
        with replacing(folder / f"{setup}.txt") as temporary:
            temporary.write_text(f"{reason}\n", encoding="utf-8")
    if not relevances:
        return
    pooled = {setup: pool(torch.from_numpy(each)[None], "sum_pos")[0].numpy() for setup, each in relevances.items()}
    end = shared_scale_end(pooled.values())
    for setup, relevance in relevances.items():
        with replacing(folder / f"{setup}.npz") as temporary:
            np.savez_compressed(temporary, relevance=relevance, target=targets[setup], part=np.array(parts[setup]))
        with replacing(folder / f"{setup}.png") as temporary:
            temporary.write_bytes(encode_png(render_overlay(views[setup], pooled[setup], end, _PICTURE_SIDE)))
