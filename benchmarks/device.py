"""What a GPU would be asked to do in one step, counted without a GPU: launches and bytes, against the bare network.

PyTorch's dispatcher counts operations on CUDA tensors that have a shape and no numbers. A step that gains launches,
sends pixels or waits for the device shows it here.
"""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dr_core.corruption import IMAGENET_C, corrupt
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.task import Batch
from tests.device.fake_cuda import Watcher, fake_cuda, on_fake_cuda

SIZE, BATCH = 224, 8


def count(step: Callable[[nn.Module | None, torch.Tensor], object], make: Callable[[], nn.Module] | None) -> Watcher:
    """Take a step of a network, if one is made, on images, uint8 (N, 3, S, S), of a fake device."""
    with fake_cuda(pytest.MonkeyPatch()) as seen:
        network = on_fake_cuda(make) if make else None
        images = torch.empty((BATCH, 3, SIZE, SIZE), dtype=torch.uint8, device="cuda")
        seen.launched = seen.sent = 0
        step(network, images)
    return seen


def train_bare(network: nn.Module, images: torch.Tensor) -> None:
    """Forward pass and loss, and nothing else."""
    F.cross_entropy(network(images.float()), torch.zeros(BATCH, dtype=torch.long, device="cuda"))


def describe(_: float) -> CheckpointInfo:
    """Is not asked, since nothing is written."""
    raise NotImplementedError


def main() -> None:
    """Print a line for finetuning's forward half, and one for ImageNet-C."""
    eyes = Store(np.zeros((10, 3, SIZE, SIZE), np.uint8), pd.DataFrame({"grade": np.arange(10) % 5}))
    config = FinetuneConfig(epochs=1, learning_rate=0.1)
    preprocessing = Preprocessing(size=SIZE)
    task = FinetuneTask(nn.Linear(1, 1), eyes, eyes, preprocessing=preprocessing, config=config, describe=describe)
    batch = Batch(rows=np.arange(BATCH), size=BATCH, seed=0, epoch=0, part=0, parts=1)
    bare, ours = (
        count(step, lambda: build_backbone("resnet50", 5))
        for step in (train_bare, lambda network, images: task.loss(network, images, batch))
    )
    line = {"name": "launches_finetuning_forward", "ours": ours.launched, "peer": bare.launched, "unit": "launches"}
    line |= {"peer_name": "the bare network and its loss", "ratio": round(bare.launched / ours.launched, 2)}
    print(json.dumps(line | {"sent_bytes": ours.sent, "fetched": len(ours.fetched)}))
    quiet = [name for name in IMAGENET_C if name != "jpeg_compression"]
    found = {name: count(lambda _, images, name=name: corrupt(images, name, 3, 0), None) for name in quiet}
    most = max(found, key=lambda name: found[name].launched)
    line = {"name": "launches_imagenet_c", "ours": sum(seen.launched for seen in found.values()), "unit": "launches"}
    line |= {"most": most, "launches_of_most": found[most].launched}
    print(json.dumps(line | {"fetched": sum(len(seen.fetched) for seen in found.values())}))


if __name__ == "__main__":
    main()
