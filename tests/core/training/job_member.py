"""One process of a job of many, as torchrun starts it: trains, writes what it found, and dies if it is told to."""

import itertools
import os
from contextlib import suppress

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from dr_core.data.augment import AugmentConfig
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.devices import find_job, leave_job
from dr_core.errors import InputError, Stopped
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo
from dr_core.models.moco import MoCo
from dr_core.models.simclr import nt_xent
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.execution import Execution
from dr_core.training.loop import train
from dr_core.training.run_folder import RunFolder

PREPROCESSING = Preprocessing(size=32, crop="squash")
CONFIG = FinetuneConfig(
    epochs=2,
    learning_rate=0.01,
    batch_size=8,
    precision="32-true",
    optimizer="sgd",
    augment=AugmentConfig(rotation_degrees=20, brightness=0.2),
    class_weighting="inverse",
    sampling="balanced",
)
CPU = Execution(device="cpu")


def eyes(n, seed):
    generator = np.random.default_rng(seed)
    grades = np.minimum(np.arange(n) % 7, 4)
    images = generator.integers(0, 60, (n, 3, 32, 32)) + 40 * grades[:, None, None, None]
    return Store(images.astype(np.uint8), pd.DataFrame({"grade": grades}))


def finetune_task():
    """Without batch norm, whose statistics are those of a process."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))

    def describe(auc):
        return CheckpointInfo(
            arch="resnet50_slim",
            setup="iwne_fs",
            preprocessing=PREPROCESSING,
            validation_auc=auc,
            training_data="",
            data_fingerprint="",
        )

    return FinetuneTask(
        network, eyes(43, 0), eyes(21, 1), preprocessing=PREPROCESSING, config=CONFIG, describe=describe
    )


def moco_step(norm_groups, wrap=lambda network: network, part=slice(None)):
    """Loss, gradient of the last layer and queue after a step on 8 images, or a part of them."""
    moco = MoCo(build_backbone("resnet50_slim", 1), dim=8, K=12, m=0.9, norm_groups=norm_groups)
    views = torch.randn(2, 8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = wrap(moco)  # DDP averages gradients as long as it lives
    logits, labels = network(views[0][part], views[1][part])
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return {"loss": loss.detach(), "gradient": moco.encoder_q.fc[2].weight.grad, "queue": moco.queue.clone()}


def simclr_step(wrap=lambda network: network, part=slice(None)):
    """Loss and gradient after a step of NT-Xent on 8 images, or a part of them; without batch norm."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 6))
    views = torch.randn(2, 8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    wrapped = wrap(network)
    first, second = wrapped(torch.cat([views[0][part], views[1][part]])).chunk(2)
    loss = nt_xent(first, second, 0.2)
    loss.backward()
    return {"loss": loss.detach(), "gradient": network[1].weight.grad}


def take_part(out, place):
    """Be the process that these variables of its launcher say."""
    os.environ.update(place)
    torch.set_num_threads(1)
    rank = find_job().rank
    list(train(finetune_task(), CONFIG, RunFolder(out / f"run{rank}", {}, writes=rank == 0), CPU))
    stops, asked = RunFolder(out / "stops", {}, writes=rank == 0), itertools.count(1)
    with suppress(Stopped):
        list(train(finetune_task(), CONFIG, stops, CPU, lambda: rank == 1 and next(asked) == 3))
        raise AssertionError("one process was asked to stop, and the job went on")
    torch.distributed.barrier()  # the first process may still be writing what both read now
    (out / f"stopped{rank}.txt").write_text(str(torch.load(out / "stops" / "last.ckpt")["begun"]["steps"]))
    list(train(finetune_task(), CONFIG, stops, CPU))
    half = slice(4 * rank, 4 * rank + 4)
    torch.save(moco_step(1, nn.parallel.DistributedDataParallel, half), out / f"moco{rank}.pt")
    torch.save(simclr_step(nn.parallel.DistributedDataParallel, half), out / f"simclr{rank}.pt")
    try:
        for report in train(finetune_task(), CONFIG, RunFolder(out / "dies", {}, writes=rank == 0), CPU):
            if rank == 1 and report.step == 7:
                os._exit(9)
    except InputError as error:
        (out / f"error{rank}.txt").write_text(str(error))
    leave_job()
