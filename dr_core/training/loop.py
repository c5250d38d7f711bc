"""The one training loop: epochs over a store, exact resume, the best state kept."""

import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.seeds import derive_seed, numpy_generator
from dr_core.training.run_folder import RunFolder
from dr_core.training.schedule import Schedule, learning_rate

Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long and how fast a training runs.

    Attributes:
        epochs: Number of passes over the data.
        learning_rate: AdamW's learning rate after the warm-up.
        weight_decay: AdamW's decoupled weight decay; the paper names no value, this is PyTorch's default.
        batch_size: Images per step; the last incomplete batch of an epoch is left out.
        schedule: Learning rate over the steps.
        warmup_epochs: Epochs over which the learning rate rises from 0.
        precision: `"bf16-mixed"` or `"32-true"`.
        seed: Seed of the order of images and of their augmentation.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.01
    batch_size: int = 64
    schedule: Schedule = "cosine"
    warmup_epochs: float = 0.5
    precision: Precision = "bf16-mixed"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """Where a training stands, after each step.

    Attributes:
        epoch: Epochs begun.
        epochs: Epochs in all.
        step: Steps done in all epochs.
        steps: Steps in all.
        images_per_second: Rate since this process started training.
        metrics: Measures of the epoch, after its last step; otherwise None.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float
    metrics: dict[str, float] | None = None


class Task(Protocol):
    """What is trained: a network, a loss on rows of its data, and what is measured after an epoch.

    Attributes:
        network: What is optimized.
        images: Number of rows of the data.
        monitor: The measure whose highest value marks the best epoch; None keeps the last one.
    """

    images: int

    @property
    def network(self) -> nn.Module:
        """What is optimized."""
        ...

    @property
    def monitor(self) -> str | None:
        """The measure of the best epoch."""
        ...

    def loss(self, rows: np.ndarray, seed: int, epoch: int) -> tuple[Tensor, dict[str, float]]:
        """Loss of one batch, a scalar with gradient, and measures of the batch to average over the epoch."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Measures after an epoch, on what is held out."""
        ...

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """Write the network as a checkpoint that `metrics` describes."""
        ...


def train(task: Task, config: LoopConfig, folder: RunFolder) -> Iterator[TrainingReport]:
    """Train a task, or go on where it was stopped; a finished training does nothing.

    Each epoch's order and augmentation follow from the seed and the epoch alone, so that a resumed training ends with
    the same weights as an uninterrupted one.

    Args:
        task: What is trained; its network ends with the weights of the last epoch.
        config: How.
        folder: Where states, measures and the best checkpoint are written.

    Yields:
        A report after each step; the last one of an epoch holds its measures, once they are on disk.

    Raises:
        InputError: If there are fewer images than one batch holds, or the loss is not finite.
    """
    if task.images < config.batch_size:
        raise InputError(f"There are {task.images} images, fewer than a batch of {config.batch_size}; lower the batch.")
    fabric = Fabric(accelerator="auto", devices=1, precision=config.precision)
    network = task.network.to(fabric.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay, fused=True)
    history = _resume(folder, network, optimizer)
    clock = _Clock(config, task.images // config.batch_size, first_epoch=len(history))
    for epoch in range(len(history), config.epochs):
        measured: list[dict[str, float]] = []
        for report in _train_epoch(task, config, fabric, optimizer, clock, epoch, measured):
            if report.step % clock.steps_per_epoch:
                yield report
        network.eval()
        history.append({"epoch": epoch + 1} | _mean(measured) | task.evaluate())
        if task.monitor is None or history[-1][task.monitor] >= max(past[task.monitor] for past in history):
            task.save(folder.checkpoint, history[-1])
        folder.write_metrics(history)
        folder.save_state({"history": history, "network": network.state_dict(), "optimizer": optimizer.state_dict()})
        yield dataclasses.replace(report, metrics=history[-1])


class _Clock:
    """Counts steps and their rate, for reports and learning rates."""

    def __init__(self, config: LoopConfig, steps_per_epoch: int, first_epoch: int) -> None:
        self.config = config
        self.steps_per_epoch = steps_per_epoch
        self.first_step = first_epoch * steps_per_epoch
        self.steps = config.epochs * steps_per_epoch
        self.started = time.perf_counter()

    def learning_rate(self, step: int) -> float:
        config = self.config
        warmup = round(config.warmup_epochs * self.steps_per_epoch)
        return learning_rate(config.learning_rate, step, self.steps, schedule=config.schedule, warmup_steps=warmup)

    def report(self, epoch: int, step: int) -> TrainingReport:
        images = (step + 1 - self.first_step) * self.config.batch_size
        return TrainingReport(
            epoch=epoch + 1,
            epochs=self.config.epochs,
            step=step + 1,
            steps=self.steps,
            images_per_second=images / (time.perf_counter() - self.started),
        )


def _train_epoch(
    task: Task,
    config: LoopConfig,
    fabric: Fabric,
    optimizer: torch.optim.Optimizer,
    clock: _Clock,
    epoch: int,
    measured: list[dict[str, float]],
) -> Iterator[TrainingReport]:
    task.network.train()
    order = numpy_generator(config.seed, "order", epoch).permutation(task.images)
    for batch in range(clock.steps_per_epoch):
        step = epoch * clock.steps_per_epoch + batch
        rows = np.sort(order[batch * config.batch_size : (batch + 1) * config.batch_size])
        for group in optimizer.param_groups:
            group["lr"] = clock.learning_rate(step)
        with fabric.autocast():
            loss, measures = task.loss(rows, derive_seed(config.seed, "augment", step), epoch)
        measured.append(measures | {"loss": _finite(loss, step), "learning_rate": clock.learning_rate(step)})
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        yield clock.report(epoch, step)


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError(
            f"The loss became {value} at step {step + 1}; the state before this epoch is kept. "
            "Start again with a lower learning rate."
        )
    return value


def _mean(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([measures[name] for measures in measured])) for name in measured[0]}


def _resume(folder: RunFolder, network: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    state = folder.load_state()
    if state is None:
        return []
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["history"])
