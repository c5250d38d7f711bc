"""Images a second of finetuning and of MoCo v2, beside torchvision's reference loop and lightly's MoCo example.

Both sides train the same network on the same images with the same batch on the same device in one run, in turn. The
peers read image by image through a DataLoader and PIL transforms in float32, as their examples do.

    python benchmarks/training.py [--device cuda] [--batch 16] [--steps 3] [--arch resnet50]
"""

import argparse
import copy
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle

import numpy as np
import pandas as pd
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import MoCoV2Transform
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models.resnet import ResNet

from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.backbone import build_backbone
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.models.moco import MoCo
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.contrastive import ContrastiveConfig, ContrastiveTask
from dr_core.training.execution import Device, Execution
from dr_core.training.loop import Trainer

SIZE, QUEUE, WARM = 224, 4096, 2
WORKERS = min(8, os.cpu_count() or 1)


class Photographs(Dataset):
    """Images one by one, as the peers' examples read them."""

    def __init__(self, store: Store, transform: Callable) -> None:
        self.pictures = [Image.fromarray(image.transpose(1, 2, 0)) for image in store.images]
        self.grades = store.index["grade"].tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> tuple[object, int]:
        return self.transform(self.pictures[row]), self.grades[row]


def load(store: Store, transform: Callable, batch: int) -> Iterator:
    """Batches without end, from workers of a DataLoader."""
    loader = DataLoader(
        Photographs(store, transform),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    return cycle(loader)


def torchvision_steps(network: ResNet, store: Store, batch: int, device: torch.device) -> Iterator[None]:
    """The loop of torchvision's references/classification/train.py with its augmentation."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    network = network.to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    for images, labels in load(store, transform, batch):
        loss = criterion(network(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def lightly_steps(network: ResNet, store: Store, batch: int, device: torch.device) -> Iterator[None]:
    """The example of lightly, examples/pytorch/moco.py."""
    features = network.fc.in_features
    network.fc = nn.Identity()
    query = nn.Sequential(network, MoCoProjectionHead(features, features, 128)).to(device).train()
    key = copy.deepcopy(query)
    deactivate_requires_grad(key)
    criterion = NTXentLoss(memory_bank_size=(QUEUE, 128), temperature=0.2).to(device)
    optimizer = torch.optim.SGD(query.parameters(), lr=1e-3)
    for views, _ in load(store, MoCoV2Transform(input_size=SIZE), batch):
        update_momentum(query, key, m=0.999)
        first, second = (view.to(device) for view in views)
        with torch.no_grad():
            keys = key(second)
        loss = criterion(query(first), keys)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield


def our_steps(trainer: Trainer) -> Iterator[None]:
    """The project's loop; `data_share` of the trainer tells what its steps waited for images."""
    trainer.start_clock(0)
    for _ in trainer.train_epoch(0):
        yield


def finetuning(network: ResNet, store: Store, batch: int, device: Device) -> Trainer:
    """Our finetuning, as the paper's recipe has it."""
    config = FinetuneConfig(epochs=1, learning_rate=1e-4, batch_size=batch)
    way = Preprocessing(size=SIZE)
    info = CheckpointInfo(
        arch="resnet50",
        setup="iwne_fs",
        preprocessing=way,
        validation_auc=float("nan"),
        training_data="phantoms",
        data_fingerprint="none",
    )
    task = FinetuneTask(network, store, store, preprocessing=way, config=config, describe=lambda _: info)
    return Trainer(task, config, Execution(device=device))


def contrast(network: ResNet, store: Store, batch: int, device: Device) -> Trainer:
    """Our MoCo v2."""
    config = ContrastiveConfig(epochs=1, learning_rate=0.03, batch_size=batch, queue=QUEUE, optimizer="sgd")
    moco = MoCo(network, config.dim, QUEUE, config.momentum, config.temperature, norm_groups=config.norm_groups, seed=0)
    task = ContrastiveTask(moco, store, preprocessing=Preprocessing(size=SIZE), config=config)
    return Trainer(task, config, Execution(device=device))


def draw_eyes(count: int) -> Store:
    """Phantoms, each used often."""
    some = np.stack([draw_phantom(number % 5, SIZE, number).image for number in range(40)])
    rows = np.arange(count) % len(some)
    table = pd.DataFrame({"eye": rows.astype(str), "patient": rows, "grade": rows % 5})
    return Store(some[rows].transpose(0, 3, 1, 2).copy(), table)


def measure(ways: dict[str, Iterator[None]], steps: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each step of each way, in turn; the first two warm up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(steps + WARM):
        for name, way in ways.items():
            started = time.perf_counter()
            next(way)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - started)
    return times


def peak_memory(device: torch.device) -> float:
    """GiB: of the GPU where there is one, otherwise of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Measure both trainings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--arch", default="resnet50")
    options = parser.parse_args()
    device = torch.device(options.device)
    store = draw_eyes(options.batch * (options.steps + 3))
    peers = {
        "finetune": (finetuning, torchvision_steps, "torchvision's reference loop"),
        "moco_v2": (contrast, lightly_steps, "lightly 1.6.0's MoCo example"),
    }
    for name, (ours, peer, title) in peers.items():
        classes = 5 if name == "finetune" else 1
        networks = [build_backbone(options.arch, classes, seed=0) for _ in range(2)]
        trainer = ours(networks[0], store, options.batch, options.device)
        ways = {"ours": our_steps(trainer), "peer": peer(networks[1], store, options.batch, device)}
        times = measure(ways, options.steps, device)
        rates = {key: round(options.batch / statistics.median(values[WARM:]), 2) for key, values in times.items()}
        line = {"name": f"training_{name}_{options.arch}_{options.device}", "unit": "images/s"} | rates
        line |= {"peer_name": title, "ratio": round(rates["ours"] / rates["peer"], 2), "batch": options.batch}
        line |= {"data_share": round(trainer.waited / sum(times["ours"]), 4), "cores": os.cpu_count()}
        print(json.dumps(line | {"peak_memory_gib": round(peak_memory(device), 2)}), flush=True)


if __name__ == "__main__":
    main()
