"""What a training would take, from a few timed steps that leave nothing behind."""

import resource
import sys
import time
from dataclasses import dataclass
from itertools import islice

import torch

from dr_core.training.execution import Execution, explaining_failures
from dr_core.training.loop import LoopConfig, Trainer
from dr_core.training.task import Task

TIMED_STEPS = 3
"""Steps that are timed, after one that is not: the first one reserves memory and chooses algorithms."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training would take.

    Attributes:
        images: Images to train on.
        held_out: Images looked at after each epoch.
        epochs: Passes over the data.
        steps: Steps in all.
        processes: Processes that train together.
        device: Name of what computes.
        images_per_second: Of the timed steps, of all processes together.
        seconds: Estimate of the whole training; a held-out image counts as a third of a trained one.
        memory_bytes: Peak memory: of the GPU where there is one, otherwise of this process.
    """

    images: int
    held_out: int
    epochs: int
    steps: int
    processes: int
    device: str
    images_per_second: float
    seconds: float
    memory_bytes: int


def measure_plan(task: Task, config: LoopConfig, execution: Execution) -> Plan:
    """Time some steps of a training and tell what the whole would take; nothing is written.

    Args:
        task: What would be trained; its network changes.
        config: How.
        execution: On what.

    Returns:
        The plan.

    Raises:
        InputError: As `dr_core.training.loop.train`.
    """
    trainer = Trainer(task, config, execution)
    trainer.start_clock(config.epochs - 1)  # the last epoch: the first ones may see smaller images
    device = trainer.fabric.device
    with explaining_failures(trainer.share, "Nothing was written."):
        times = [time.perf_counter()]
        for _ in islice(trainer.train_epoch(config.epochs - 1), 1 + TIMED_STEPS):
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter())
    timed = times[1:] if len(times) > 2 else times  # an epoch may have one step alone
    rate = config.batch_size * (len(timed) - 1) / (timed[-1] - timed[0])
    trained = trainer.steps * config.batch_size
    return Plan(
        images=task.images,
        held_out=task.held_out,
        epochs=config.epochs,
        steps=trainer.steps,
        processes=trainer.share.world,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        images_per_second=rate,
        seconds=(trained + config.epochs * task.held_out / 3) / rate,
        memory_bytes=_peak_memory(device),
    )


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
