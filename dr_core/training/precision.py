"""Which precision a training computes in: bf16 where this machine is measured, or known, to multiply it faster."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torchvision.models.resnet import Bottleneck

from dr_core.devices import Device
from dr_core.models.imagenet_weights import cache_folder
from dr_core.models.seeded import seeded
from dr_core.study.provenance import find_processor

Settled = Literal["32-true", "bf16-mixed"]

Precision = Literal["auto", Settled]

_SECONDS, _LEAST_ROUNDS, _LEAST_GAIN = 0.5, 4, 1.1
"""Length of a trial, steps of each that it makes at least, and how many times as fast bf16 must be to be taken: a tie
stays float32, whatever the noise."""


def resolve_precision(precision: Precision, device: Device) -> Settled:
    """What `"auto"` stands for on this machine.

    Args:
        precision: Anything but `"auto"` stays as it is.
        device: Where it will be computed.

    Returns:
        `"bf16-mixed"` on a GPU that has it (NVIDIA's Ampere and later) and on a processor on which a trial is faster in
        it (`choose_by_trial`); otherwise `"32-true"`.
    """
    if precision != "auto":
        return precision
    if device != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "32-true"
    return choose_by_trial(cache_folder())


def choose_by_trial(folder: Path) -> Settled:
    """Choose by how fast this processor trains a block of a ResNet-50 in either precision, half a second in all.

    The choice is kept by the processor's model and PyTorch's version, so that later trainings, and the other processes
    of this one, choose alike. Where it cannot be kept, it is measured once a process.

    Args:
        folder: Where it is kept; made where it does not exist.
    """
    return _choose(folder, f"{find_processor()}, torch {torch.__version__}")


@lru_cache(maxsize=8)
def _choose(folder: Path, machine: str) -> Settled:
    path = folder / f"precision-{hashlib.sha256(machine.encode()).hexdigest()[:12]}.json"
    if kept := _read(path):
        return kept
    gain = measure_gain()
    chosen: Settled = "bf16-mixed" if gain >= _LEAST_GAIN else "32-true"
    text = json.dumps({"machine": machine, "precision": chosen, "times_as_fast_in_bf16": round(gain, 2)})
    with suppress(OSError):  # a home that cannot be written, or that has none
        _keep_first(path, text + "\n")
    return _read(path) or chosen


def _read(path: Path) -> Settled | None:
    """What was chosen before; None where nothing was, or the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["precision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found in ("32-true", "bf16-mixed") else None


def _keep_first(path: Path, text: str) -> None:
    """Write a file whole, unless another process has just written a good one: its choice counts for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        if path.exists() and _read(path) is None:
            temporary.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def measure_gain(seconds: float = _SECONDS) -> float:
    """How many times as fast training steps are in bf16 as in float32 on one core of this processor.

    Both are measured in turn, by the processor time that they take, and of each the least counts, so that other work on
    the machine decides little.

    Args:
        seconds: How long; some steps of each are done in any case.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # those of several wait for each other where the machine is busy
    try:
        return _compare_steps(seconds)
    finally:
        torch.set_num_threads(threads)


def _compare_steps(seconds: float) -> float:
    step = _prepare_step()
    least = {False: float("inf"), True: float("inf")}
    rounds, end = 0, time.perf_counter() + seconds
    while rounds < _LEAST_ROUNDS or time.perf_counter() < end:
        for half in least:
            started = time.process_time()
            step(half)
            if rounds:  # the first one builds kernels
                least[half] = min(least[half], time.process_time() - started)
        rounds += 1
    return least[False] / least[True]


def _prepare_step() -> Callable[[bool], None]:
    """A training step of a block in the middle of a ResNet-50, without the optimizer; takes whether it is in bf16."""
    with seeded(0):
        block, images = Bottleneck(512, 128).train(), torch.randn(4, 512, 28, 28)
    block.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)

    def step(half: bool) -> None:
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            block(images).float().mean().backward()

    return step
