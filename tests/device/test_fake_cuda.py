"""No tensor on the wrong device, and nothing that waits for a GPU in the middle of a batch, found without one."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from dr_core.analysis.image_spectra import ImageSpectra
from dr_core.analysis.spectrum import SpectrumHooks
from dr_core.corruption import CORRUPTIONS, corrupt
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel
from dr_core.models.prediction import predict_shared
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.registry import METHODS
from dr_core.training.pretraining.task import SelfSupervisedTask
from dr_core.training.task import Batch
from tests.device.fake_cuda import fake_cuda, on_fake_cuda

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


def build():
    return build_backbone("resnet50_slim", 5).eval()


def one_batch(size=8):
    rows = np.arange(size)
    images = torch.empty((size, 3, 64, 64), dtype=torch.uint8, device="cuda")
    return images, Batch(rows=rows, size=size, seed=0, epoch=0, part=0, parts=1)


EYES = Store(np.zeros((10, 3, 64, 64), np.uint8), pd.DataFrame({"grade": np.arange(10) % 5}))
LOCAL = Preprocessing(size=64, contrast="local")


def test_answers_are_fetched_once_a_model(monkeypatch):
    about = {"arch": "resnet50_slim", "setup": "a", "training_data": "", "data_fingerprint": ""}
    info = CheckpointInfo(preprocessing=LOCAL, validation_auc=0.5, **about)
    with fake_cuda(monkeypatch) as seen:
        images = torch.empty((5, 3, 64, 64), dtype=torch.uint8, device="cuda")
        models = {"a": LoadedModel(model=on_fake_cuda(build), info=info)}
        with pytest.raises(RuntimeError, match="numpy"):  # what is fetched has no numbers here
            predict_shared(models, images, batch_size=2, device="cuda")
    assert seen.fetched == [(5, 5)]
    assert seen.sent < 100  # means and deviations, no pixels


def test_finetuning_sends_no_pixels_and_waits_for_nothing(monkeypatch):
    config = FinetuneConfig(epochs=1, learning_rate=0.1, class_weighting="inverse")
    task = FinetuneTask(build(), EYES, EYES, preprocessing=LOCAL, config=config, describe=None)
    with fake_cuda(monkeypatch) as seen:
        images, batch = one_batch()
        loss, measures = task.loss(on_fake_cuda(build).train(), images, batch)
    assert {loss.device.type, *(value.device.type for value in measures.values())} == {"cuda"}
    assert seen.fetched == []
    assert seen.sent < 4000


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.needs_labels])
def test_a_pretraining_sends_no_pixels_and_waits_for_nothing(name, monkeypatch):
    method = METHODS[name]
    config = replace(method.recipes["quick"], batch_size=8)
    build_all = partial(build_pretraining, method, "resnet50_slim", config, 64)
    task = SelfSupervisedTask(method, build_all, EYES, preprocessing=LOCAL, config=config)
    with fake_cuda(monkeypatch) as seen:
        images, batch = one_batch()
        task.network = on_fake_cuda(build_all).train()
        loss, _ = task.loss(task.network, images, batch)
    assert loss.device.type == "cuda"
    assert seen.fetched == []
    assert seen.sent < 20_000


def test_moments_of_a_batch_wait_for_nothing(monkeypatch):
    with fake_cuda(monkeypatch) as seen, torch.inference_mode():
        network = on_fake_cuda(build)
        with SpectrumHooks(network) as hooks, ImageSpectra(network):
            for _ in range(2):
                network(torch.empty((2, 3, 64, 64), device="cuda"))
    assert seen.fetched == []
    assert set(hooks.samples()) == {"conv1"} | {name for name in hooks.samples() if name.startswith("layer")}
    assert hooks.samples()["conv1"] == 2 * 2 * 32 * 32
