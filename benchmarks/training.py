"""Images a second of finetuning and of MoCo v2, beside torchvision's reference loop and lightly's MoCo example.

Both sides train the same network on the same images with the same batch on the same device. Each runs in a process of
its own, by turns, so that neither's loader works while the other is timed and the peak memory is its own. Ours follows
the paper's recipes with the project's defaults (bf16 where it is faster, channels_last, whole batches augmented on the
device). The peers read image by image through a DataLoader and the transforms of their examples, in float32; their
images are decoded beforehand, which their examples would still have to do.

    python benchmarks/training.py [--device cuda] [--precision 32-true] [--batch 16] [--steps 4] [--rounds 2]
"""

import argparse
import copy
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms.moco_transform import MoCoV2Transform
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dr_core.data.augment import augment, sample_parameters
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import IMAGES, INDEX, Store, open_store
from dr_core.devices import Device
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.execution import Execution
from dr_core.training.loop import Trainer
from dr_core.training.precision import Precision, resolve_precision
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.moco import MOCO, MoCoConfig
from dr_core.training.pretraining.task import SelfSupervisedTask

SIZE, QUEUE, WARM, DRAWN = 224, 4096, 2, 40
WORKERS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What both sides have in common, and the precision of ours."""

    store: Path
    arch: str
    device: Device
    precision: Precision
    batch: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One side in one process.

    Attributes:
        step: Seconds of a step.
        cpu: CPU seconds of a step, without those of a loader's workers.
        waiting: Seconds of a step in which it waits for images.
        augmenting: Seconds in which the views of a batch are made on the device.
        memory_gib: Peak memory, without that of a loader's workers.
    """

    step: float
    cpu: float
    waiting: float
    augmenting: float
    memory_gib: float


class Clock:
    """Seconds of each step and what it waited for images; the first steps warm up."""

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self.waited = 0.0
        self.marks = [(time.perf_counter(), time.process_time(), 0.0)]

    def mark(self, waited: float) -> None:
        """End a step, when `waited` seconds were spent waiting since the start."""
        if self.cuda:
            torch.cuda.synchronize()
        self.marks.append((time.perf_counter(), time.process_time(), waited))

    def read(self, augmenting: float) -> Measured:
        """Medians of what comes after the warm-up."""
        timed = np.diff(np.array(self.marks[WARM:]), axis=0)  # (steps, 3)
        step, cpu, waiting = np.median(timed, axis=0)
        used = (
            torch.cuda.max_memory_allocated()
            if self.cuda
            else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        )
        return Measured(step=step, cpu=cpu, waiting=waiting, augmenting=augmenting, memory_gib=used / 2**30)


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


def load(setting: Setting, transform: Callable, clock: Clock) -> Iterator:
    """Batches from workers of a DataLoader; tells the clock what it waited."""
    loader = DataLoader(
        Photographs(open_store(setting.store), transform),
        batch_size=setting.batch,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        pin_memory=setting.device == "cuda",
    )
    batches = iter(loader)
    for _ in range(setting.steps + WARM):
        asked = time.perf_counter()
        batch = next(batches)
        clock.waited += time.perf_counter() - asked
        yield batch


def finetune_as_torchvision(setting: Setting) -> Measured:
    """The loop of torchvision's references/classification/train.py with its augmentation."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    network = build_backbone(setting.arch, 5).to(setting.device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    clock = Clock(setting.device)
    for images, labels in load(setting, transform, clock):
        loss = criterion(network(images.to(setting.device)), labels.to(setting.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clock.mark(clock.waited)
    return clock.read(augmenting=0.0)


def pretrain_as_lightly(setting: Setting) -> Measured:
    """The example of lightly, examples/pytorch/moco.py, with MoCo v2's views, momentum and temperature."""
    encoder = build_backbone(setting.arch, 1)
    features = encoder.fc.in_features
    encoder.fc = nn.Identity()
    query = nn.Sequential(encoder, MoCoProjectionHead(features, features, 128)).to(setting.device).train()
    key = copy.deepcopy(query)
    deactivate_requires_grad(key)
    criterion = NTXentLoss(memory_bank_size=(QUEUE, 128), temperature=0.2).to(setting.device)
    optimizer = torch.optim.SGD(query.parameters(), lr=1e-3)
    clock = Clock(setting.device)
    for views, _ in load(setting, MoCoV2Transform(input_size=SIZE), clock):
        update_momentum(query, key, m=0.999)
        first, second = (view.to(setting.device) for view in views)
        with torch.no_grad():
            keys = key(second)
        loss = criterion(query(first), keys)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        clock.mark(clock.waited)
    return clock.read(augmenting=0.0)


def finetune(setting: Setting) -> Measured:
    """Our finetuning, as the paper's recipe has it."""
    config = FinetuneConfig(epochs=1, learning_rate=1e-4, batch_size=setting.batch, precision=setting.precision)
    store, way = open_store(setting.store), Preprocessing(size=SIZE)
    info = CheckpointInfo(
        arch=setting.arch,
        setup="iwne_fs",
        preprocessing=way,
        validation_auc=float("nan"),
        training_data="phantoms",
        data_fingerprint="none",
    )
    network = build_backbone(setting.arch, 5)
    task = FinetuneTask(network, store, store, preprocessing=way, config=config, describe=lambda _: info)
    return train(task, config, setting, views=1)


def pretrain(setting: Setting) -> Measured:
    """Our MoCo v2, as its authors' recipe has it."""
    config = MoCoConfig(
        epochs=1,
        learning_rate=0.03,
        batch_size=setting.batch,
        queue=QUEUE,
        optimizer="sgd",
        precision=setting.precision,
    )
    build = partial(build_pretraining, MOCO, setting.arch, config, SIZE)
    store = open_store(setting.store)
    task = SelfSupervisedTask(MOCO, build, store, preprocessing=Preprocessing(size=SIZE), config=config)
    return train(task, config, setting, views=2)


def train(
    task: FinetuneTask | SelfSupervisedTask, config: FinetuneConfig | MoCoConfig, setting: Setting, views: int
) -> Measured:
    """Steps of the project's loop, then the views of a batch alone."""
    trainer = Trainer(task, config, Execution(device=setting.device))
    trainer.start_clock(0)
    clock = Clock(setting.device)
    for _ in trainer.train_epoch(0):
        clock.mark(trainer.measures.waited)
    return clock.read(views * time_view(task, config, setting))


def time_view(task: FinetuneTask | SelfSupervisedTask, config: FinetuneConfig | MoCoConfig, setting: Setting) -> float:
    """Seconds in which a view of every image of a batch is made, as a step does."""
    images, seconds = task.read(np.arange(setting.batch)).to(setting.device), []
    for seed in range(5):
        started = time.perf_counter()
        view = augment(images, sample_parameters(config.augment, setting.batch, seed))
        task.preprocessing.standardize(view).contiguous(memory_format=torch.channels_last)
        if setting.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


PAIRS: dict[str, tuple[Callable[[Setting], Measured], Callable[[Setting], Measured], str]] = {
    "finetune": (finetune, finetune_as_torchvision, "torchvision's reference loop"),
    "moco_v2": (pretrain, pretrain_as_lightly, "lightly 1.6.0's MoCo example"),
}


def measure(side: Literal[0, 1], name: str, setting: Setting) -> Measured:
    """One side of a pair, ours or the peer, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(PAIRS[name][side], setting).result()


def draw_eyes(count: int, folder: Path) -> None:
    """A store of phantoms, each used often."""
    some = np.stack([draw_phantom(number % 5, SIZE, number).image for number in range(DRAWN)])
    rows = np.arange(count) % DRAWN
    np.save(folder / IMAGES, some[rows].transpose(0, 3, 1, 2))
    pd.DataFrame({"eye": rows.astype(str), "patient": rows, "grade": rows % 5}).to_parquet(folder / INDEX)


def compare(name: str, setting: Setting, rounds: int) -> dict[str, object]:
    """Both sides by turns; the medians of the rounds."""
    runs = [(measure(0, name, setting), measure(1, name, setting)) for _ in range(rounds)]
    mine, theirs = (
        {key: statistics.median(getattr(run[side], key) for run in runs) for key in Measured.__dataclass_fields__}
        for side in (0, 1)
    )
    return {
        "name": f"training_{name}_{setting.arch}_{setting.device}_{setting.precision}",
        "ours": round(setting.batch / mine["step"], 2),
        "peer": round(setting.batch / theirs["step"], 2),
        "peer_name": PAIRS[name][2],
        "unit": "images/s",
        "ratio": round(theirs["step"] / mine["step"], 2),
        "ratio_of_each_round": [round(run[1].step / run[0].step, 2) for run in runs],
        "images_per_cpu_second": round(setting.batch / mine["cpu"], 2),
        "peer_images_per_cpu_second": round(setting.batch / theirs["cpu"], 2),
        "ratio_of_cpu_time": round(theirs["cpu"] / mine["cpu"], 2),
        "batch": setting.batch,
        "waiting_share": round(mine["waiting"] / mine["step"], 4),
        "augmenting_share": round(mine["augmenting"] / mine["step"], 4),
        "peer_waiting_share": round(theirs["waiting"] / theirs["step"], 4),
        "memory_gib": round(mine["memory_gib"], 2),
        "peer_memory_gib_without_workers": round(theirs["memory_gib"], 2),
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Measure both trainings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="auto", choices=get_args(Precision), help="of ours")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--arch", default="resnet50")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw_eyes(options.batch * (options.steps + WARM), Path(folder))
        setting = Setting(
            store=Path(folder),
            arch=options.arch,
            device=options.device,
            precision=resolve_precision(options.precision, options.device),
            batch=options.batch,
            steps=options.steps,
        )
        for name in PAIRS:
            print(json.dumps(compare(name, setting, options.rounds)), flush=True)


if __name__ == "__main__":
    main()
