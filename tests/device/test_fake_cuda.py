"""No tensor on the wrong device, and nothing that waits for a GPU in the middle of a batch, found without one."""

import pytest
import torch
from tests.device.fake_cuda import fake_cuda

from dr_core.corruption import CORRUPTIONS, corrupt

WAITS = {
    "jpeg_compression": "Pillow compresses on the CPU; another encoder would give other pixels",
    "fundus_jpeg": "as jpeg_compression",
    "telemedicine_jpeg": "as jpeg_compression",
}
"""Corruptions that fetch pixels from the device, and why they may."""


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [1.5, 5])
def test_a_corruption_waits_for_nothing(name, severity, monkeypatch):
    with fake_cuda(monkeypatch) as seen:
        images = torch.empty((2, 3, 64, 64), dtype=torch.uint8, device="cuda")
        if name in WAITS:
            with pytest.raises(RuntimeError, match="numpy"):
                corrupt(images, name, severity, seed=0)
            assert seen.fetched == [(2, 3, 64, 64)]
            return
        damaged = corrupt(images, name, severity, seed=0)
    assert damaged.device.type == "cuda" and damaged.shape == images.shape
    assert seen.fetched == []
