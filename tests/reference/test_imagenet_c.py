"""Agreement with bethgelab/imagecorruptions c959e65 (numbers in data/) and with imagecorruptions-imaug where it is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_core.corruption import IMAGENET_C, corrupt

REFERENCE = json.loads((Path(__file__).parent / "data" / "corruptions_224.json").read_text())["ref"]
NOISE = {"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"}
STRUCTURED = {"fog", "frost", "snow", "spatter", "elastic_transform", "glass_blur", "motion_blur"}
SEEDS = 8
ONE_DRAW = {"spatter/1": 0.85}
"""The file holds one draw of few, rare drops (1.41); the same code averages .85 (standard deviation .32) over the
seeds 0 to 39 on this image, which is what a mean over seeds can be held against."""


def draw_formula_image() -> np.ndarray:
    rows, columns = np.mgrid[:224, :224].astype(float)
    radius = np.hypot(rows - 111.5, columns - 111.5)
    red, green = 180 - 40 * np.cos(columns / 17), 90 + 30 * np.sin(rows / 11)
    image = np.stack([red, green, 40 + 20 * np.cos((columns + rows) / 23)], -1)
    image[radius > 224 * 0.48] = 0
    return image.clip(0, 255).astype(np.uint8)


def measure_mae(name: str, severity: float) -> float:
    image = torch.from_numpy(draw_formula_image()).permute(2, 0, 1)[None]
    seeds = range(SEEDS if name in STRUCTURED else 1)
    damaged = torch.cat([corrupt(image, name, severity, seed) for seed in seeds])
    return float((damaged.double() - image).abs().mean())


def check(name: str, ours: float, theirs: float) -> None:
    if name in STRUCTURED:
        assert ours == pytest.approx(theirs, rel=0.25)
    elif name in NOISE:
        assert ours == pytest.approx(theirs, rel=0.03)
    else:
        assert ours == pytest.approx(theirs, abs=1)


@pytest.mark.parametrize("key", REFERENCE)
def test_distance_from_clean_is_the_published_one(key):
    name, severity = key.split("/")
    check(name, measure_mae(name, int(severity)), ONE_DRAW.get(key, REFERENCE[key]["mae"]))


@pytest.mark.parametrize("name", sorted(set(IMAGENET_C) - NOISE - STRUCTURED))
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_deterministic_ones_equal_the_peer_pixel_by_pixel(name, severity):
    peer = pytest.importorskip("imagecorruptions")
    image = draw_formula_image()
    ours = corrupt(torch.from_numpy(image).permute(2, 0, 1)[None], name, severity, 0)[0].permute(1, 2, 0).numpy()
    theirs = peer.corrupt(image, corruption_name=name, severity=severity)
    assert np.abs(ours.astype(int) - theirs.astype(int)).mean() < 1


@pytest.mark.parametrize("name", sorted(NOISE | STRUCTURED))
@pytest.mark.parametrize("severity", [2, 4])
def test_levels_between_agree_with_the_peer(name, severity):
    peer = pytest.importorskip("imagecorruptions")
    image, state = draw_formula_image(), np.random.get_state()
    distances = []
    for seed in range(SEEDS):
        np.random.seed(seed)
        damaged = peer.corrupt(image, corruption_name=name, severity=severity)
        distances.append(np.abs(damaged.astype(float) - image).mean())
    np.random.set_state(state)
    check(name, measure_mae(name, severity), float(np.mean(distances)))
