"""The one training loop: epochs over a store, exact resume, the best state kept, on one device or many."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torchvision.models.resnet import ResNet

from dr_core.devices import Device
from dr_core.errors import InputError, Stopped
from dr_core.seeds import derive_seed, numpy_generator
from dr_core.study.provenance import describe_environment
from dr_core.study.run_history import has_stalled
from dr_core.training.execution import (
    Execution,
    Share,
    any_process,
    check_parts,
    check_same,
    explaining_failures,
    never,
    share_buffers,
    start_fabric,
)
from dr_core.training.measures import EpochMeasures
from dr_core.training.optimizer import Optimizer, build_optimizer
from dr_core.training.precision import Precision, resolve_precision
from dr_core.training.run_folder import RunFolder
from dr_core.training.schedule import Schedule, learning_rate
from dr_core.training.task import Batch, Task


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long and how fast a training runs.

    Attributes:
        epochs: Number of passes over the data.
        learning_rate: Learning rate after the warm-up.
        weight_decay: AdamW's decoupled weight decay; the paper names no value, this is PyTorch's default.
        batch_size: Images per step, of all processes together; the last incomplete batch of an epoch is left out.
        schedule: Learning rate over the steps.
        warmup_epochs: Epochs over which the learning rate rises from 0.
        precision: `"bf16-mixed"`, `"32-true"`, or `"auto"`: what the hardware computes faster.
        seed: Seed of the order of images and of their augmentation.
        optimizer: `"adamw"`, the paper's; `"sgd"`, MoCo's, with momentum .9.
        patience: Epochs without a better validation measure after which the training stops; 0, as in the paper, never.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.01
    batch_size: int = 64
    schedule: Schedule = "cosine"
    warmup_epochs: float = 0.5
    precision: Precision = "auto"
    seed: int = 0
    optimizer: Optimizer = "adamw"
    patience: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 1, not {getattr(self, name)}.")
        for name in ("weight_decay", "warmup_epochs", "patience"):
            if getattr(self, name) < 0:
                raise InputError(f"`{name}` must not be below 0, as {getattr(self, name)} is.")
        if not self.learning_rate > 0:
            raise InputError(f"`learning_rate` must be above 0, not {self.learning_rate}.")


Recipe = TypeVar("Recipe", bound=LoopConfig)


def settle(config: Recipe, device: Device, folder: Path | None = None) -> Recipe:
    """A recipe as it is computed and written down: with the precision that `"auto"` stands for.

    Args:
        config: The recipe.
        device: Where it is computed.
        folder: The training's folder; one that was begun there goes on in its own precision, also on another machine.
    """
    begun = RunFolder.read_begun(folder).get("precision") if folder and config.precision == "auto" else None
    known = begun if begun in ("32-true", "bf16-mixed") else config.precision
    return dataclasses.replace(config, precision=resolve_precision(known, device))


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """Where a training stands, after each step.

    Attributes:
        epoch: Epochs begun.
        epochs: Epochs in all.
        step: Steps done in all epochs.
        steps: Steps in all.
        images_per_second: Rate since this process started training, of all processes together.
        metrics: Measures of the epoch, after its last step; otherwise None.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float
    metrics: dict[str, float] | None = None


def train(
    task: Task,
    config: LoopConfig,
    folder: RunFolder,
    execution: Execution | None = None,
    should_stop: Callable[[], bool] = never,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> Iterator[TrainingReport]:
    """Train a task, or go on where it was stopped; a finished training does nothing.

    Each epoch's order and augmentation follow from the seed and the epoch alone, so that a resumed training ends with
    the same weights as an uninterrupted one. In a job of many processes each calls this; the first alone writes.

    Args:
        task: What is trained; its network ends with the weights of the last epoch.
        config: How.
        folder: Where states, measures and the best checkpoint are written.
        execution: On what.
        should_stop: Asked after each step, of many processes on GPUs after every 16th.
        after_epoch: Called by the process that writes, with the number of epochs that are done, before these count as
            done: what it writes is there whenever the epoch is.

    Yields:
        A report after each step; the last one of an epoch holds its measures, once they are on disk.

    Raises:
        InputError: If there are fewer images than one batch holds, the loss is not finite, a GPU's memory does not
            suffice, or another process of the job ends.
        Stopped: If it should stop; the state after the last step is kept, and the training goes on from there.
    """
    trainer = Trainer(task, config, execution or Execution())
    folder.begin(describe_environment(str(trainer.fabric.device), trainer.fabric.strategy.precision.precision))
    history = trainer.resume(folder)
    trainer.start_clock(len(history))
    while len(history) < config.epochs and not has_stalled(history, task.monitor, config.patience):
        epoch = len(history)
        with explaining_failures(trainer.share, _describe_kept(folder, epoch)):
            for report in trainer.train_epoch(epoch):
                if trainer.is_stopped(should_stop, report.step):
                    _stop(folder, history, trainer, report.step)
                if report.step % trainer.steps_per_epoch:
                    yield report
            history.append({"epoch": epoch + 1} | trainer.measure())
        if trainer.share.rank == 0:
            after_epoch(len(history))
            _keep(task, folder, history, trainer)
        yield dataclasses.replace(trainer.report(epoch), metrics=history[-1])


def _describe_kept(folder: RunFolder, epoch: int) -> str:
    if epoch == 0:
        return "No epoch was finished yet."
    return f"The state after epoch {epoch} is kept in {folder.path / 'last.ckpt'}."


def _keep(task: Task, folder: RunFolder, history: list[dict[str, float]], trainer: "Trainer") -> None:
    if task.monitor is None or history[-1][task.monitor] >= max(past[task.monitor] for past in history):
        task.save(folder.checkpoint, history[-1])
    folder.write_metrics(history)
    folder.save_state({"history": history} | trainer.state())


def _stop(folder: RunFolder, history: list[dict[str, float]], trainer: "Trainer", step: int) -> NoReturn:
    begun = trainer.measures.state()
    if trainer.share.rank == 0:
        folder.save_state({"history": history, "begun": begun} | trainer.state())
    raise Stopped(f"The state after step {step} of {trainer.steps} is kept in {folder.path / 'last.ckpt'}.")


class Trainer:
    """A network on its device with its optimizer, and what was measured in the epoch that runs.

    Args:
        task: What is trained.
        config: How.
        execution: On what.

    Raises:
        InputError: If the batch does not fit the data or the processes.
    """

    def __init__(self, task: Task, config: LoopConfig, execution: Execution) -> None:
        if task.images < config.batch_size:
            raise InputError(
                f"There are {task.images} images, fewer than a batch of {config.batch_size}; lower the batch."
            )
        self.task, self.config = task, config
        self.fabric = start_fabric(config.precision, execution.device)
        self.share = Share(self.fabric.global_rank, self.fabric.world_size)
        self.parts = self.share.world * execution.accumulate
        check_parts(config.batch_size, self.share.world, execution.accumulate)
        network = task.network.to(self.fabric.device)
        self.network = network.to(memory_format=torch.channels_last) if execution.channels_last else network
        if execution.compile:
            for module in network.modules():
                if isinstance(module, ResNet):
                    module.compile()
        self.optimizer = build_optimizer(network, config.optimizer, config.learning_rate, config.weight_decay)
        if self.share.world > 1:
            self.network, self.optimizer = self.fabric.setup(network, self.optimizer)
        self.steps_per_epoch = task.images // config.batch_size
        self.steps = config.epochs * self.steps_per_epoch
        self.begun: dict[str, Any] = {}

    def resume(self, folder: RunFolder) -> list[dict[str, float]]:
        """Take over the last state of a folder; gives the measures of the epochs that are done."""
        state = folder.load_state()
        history: list[dict[str, float]] = list(state["history"]) if state else []
        self.begun = state.get("begun", {}) if state else {}
        check_same(self._steps_done(len(history)), self.share)
        if state:
            self.task.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
        return history

    def state(self) -> dict[str, Any]:
        """What `resume` takes over."""
        return {"network": self.task.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def start_clock(self, first_epoch: int) -> None:
        """Count steps and time from here on."""
        self.first_step = self._steps_done(first_epoch)
        self.started = time.perf_counter()

    def _steps_done(self, epochs: int) -> int:
        return epochs * self.steps_per_epoch + int(self.begun.get("steps", 0))

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step, from 0."""
        config = self.config
        warmup = round(config.warmup_epochs * self.steps_per_epoch)
        return learning_rate(config.learning_rate, step, self.steps, schedule=config.schedule, warmup_steps=warmup)

    def train_epoch(self, epoch: int) -> Iterator[TrainingReport]:
        """Train through an epoch, from 0, or what is left of it; a report after each step."""
        self.task.network.train()
        self.measures = measures = EpochMeasures(self.fabric.device, self.share, self.begun)
        self.begun = {}
        order = self.task.draw_order(numpy_generator(self.config.seed, "order", epoch))
        with ThreadPoolExecutor(1) as reader:
            waiting = None
            for number in range(measures.steps, self.steps_per_epoch):
                batches = self._split(order, epoch, number)
                now = waiting or reader.submit(self._read, batches)
                following = number + 1 < self.steps_per_epoch
                waiting = reader.submit(self._read, self._split(order, epoch, number + 1)) if following else None
                asked = time.perf_counter()
                images = now.result()
                measures.waited += time.perf_counter() - asked
                self._step(epoch * self.steps_per_epoch + number, batches, images)
                measures.steps += 1
                yield self.report(epoch)
        measures.look()
        self.epoch_seconds = measures.seconds

    def is_stopped(self, should_stop: Callable[[], bool], step: int) -> bool:
        """Whether any process is asked to stop; between steps at which all of them listen, no."""
        if self.share.world > 1 and step % self.measures.every and step % self.steps_per_epoch:
            return False
        return any_process(should_stop(), self.share)

    def measure(self) -> dict[str, float]:
        """Measures of the epoch that was trained through: of its batches, its speed, and what is held out."""
        started = time.perf_counter()
        self.task.network.eval()
        share_buffers(self.task.network, self.share)
        held_out = self.task.evaluate(self.share)
        seen = self.steps_per_epoch * self.config.batch_size
        speed = {
            "images_per_second": round(seen / self.epoch_seconds, 1),
            "data_share": round(self.measures.waited / self.epoch_seconds, 4),
            "seconds": round(self.epoch_seconds + time.perf_counter() - started, 2),
        }
        return self.measures.mean() | held_out | speed

    def _split(self, order: np.ndarray, epoch: int, number: int) -> list[Batch]:
        """This process's parts of a batch."""
        size = self.config.batch_size
        rows = np.sort(order[number * size : (number + 1) * size])
        seed = derive_seed(self.config.seed, "augment", epoch * self.steps_per_epoch + number)
        return [
            Batch(
                rows=rows[part :: self.parts],
                size=size,
                seed=seed,
                epoch=epoch,
                progress=(epoch * self.steps_per_epoch + number) / self.steps,
                part=part,
                parts=self.parts,
                first=part == self.share.rank,
            )
            for part in range(self.share.rank, self.parts, self.share.world)
        ]

    def _read(self, batches: list[Batch]) -> list[Tensor]:
        images = [self.task.read(batch.rows) for batch in batches]
        return [image.pin_memory() for image in images] if self.fabric.device.type == "cuda" else images

    def _step(self, step: int, batches: list[Batch], images: list[Tensor]) -> None:
        rate = self.learning_rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(derive_seed(self.config.seed, "layers", step, self.share.rank))  # of dropout
        for number, (batch, pixels) in enumerate(zip(batches, images, strict=True), start=1):
            with self._synchronizing(number == len(batches)):
                with self.fabric.autocast():
                    loss, measures = self.task.loss(
                        self.network, pixels.to(self.fabric.device, non_blocking=True), batch
                    )
                self.measures.add(step, measures | {"loss": loss.detach()}, rate)
                self.fabric.backward(loss / len(batches) if len(batches) > 1 else loss)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _synchronizing(self, last: bool) -> Any:  # noqa: ANN401 - a context of Fabric or none
        """Gradients of many processes are averaged once a batch, with its last part."""
        if self.share.world == 1:
            return nullcontext()
        return self.fabric.no_backward_sync(cast(Any, self.network), enabled=not last)

    def report(self, epoch: int) -> TrainingReport:
        """Where the training stands in an epoch, from 0."""
        done = epoch * self.steps_per_epoch + self.measures.steps
        images = (done - self.first_step) * self.config.batch_size
        return TrainingReport(
            epoch=epoch + 1,
            epochs=self.config.epochs,
            step=done,
            steps=self.steps,
            images_per_second=images / (time.perf_counter() - self.started),
        )
