"""What a study will take: time from short timings of its network on this machine, disk from what each cell writes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch.nn import functional as F

from dr_core.data.splits import VALIDATION_SHARE
from dr_core.data.store import open_store
from dr_core.experiments.registry import find_experiment
from dr_core.models.architectures import build_network
from dr_core.pipeline.cells import Cell
from dr_core.pipeline.config import StudyConfig
from dr_core.pipeline.measures import cost_of
from dr_core.pipeline.requests import DrawRequest, MeasureRequest, ReportRequest, Training
from dr_core.training.jobs.finetune import FinetuneRequest
from dr_core.training.precision import resolve_precision
from dr_core.training.pretraining.registry import METHODS

_TIMED = 3
_PHANTOMS_A_SECOND = 14.0
"""On one core, benchmarks/phantoms.py."""

_COST_OF_TWO_VIEWS = 1.5
"""Of an image in MoCo v2 against one in finetuning: benchmarks/training.py on a CPU, 10.3 against 6.8 a second."""

_FLOAT = 4
"""Bytes of a weight."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Images a second that this machine's network takes in.

    Attributes:
        train: Forward and backward pass in a training batch.
        forward: Forward pass alone.
        parameters: Number of the network's weights.
        device: Where it was timed.
    """

    train: float
    forward: float
    parameters: int
    device: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a cell will take; NaN seconds where its data are not there yet.

    Attributes:
        seconds: Time on this machine.
        disk: Bytes that stay.
    """

    seconds: float
    disk: float


def time_network(arch: str, size: int, device: Literal["cpu", "cuda"], batch_size: int = 16) -> Rates:
    """Time a few batches of a network; loading and augmentation come on top of it, a few percent on a GPU.

    Args:
        arch: As in `find_architecture`.
        size: Side of the images in pixels.
        device: `"cpu"` or `"cuda"`.
        batch_size: Images a batch.
    """
    network = build_network(arch, 5, 0, size).to(device).to(memory_format=torch.channels_last)
    images = torch.zeros(batch_size, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch_size, dtype=torch.long, device=device)

    half = resolve_precision("auto", device) == "bf16-mixed"

    def train() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=half):
            F.cross_entropy(network(images).float(), labels).backward()  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def forward() -> None:
        network(images)

    trained = _rate(train, batch_size, device)
    network.eval()
    return Rates(
        train=trained,
        forward=_rate(forward, batch_size, device),
        parameters=sum(weight.numel() for weight in network.parameters()),
        device=torch.cuda.get_device_name() if device == "cuda" else "CPU",
    )


def _rate(step: Callable[[], None], batch_size: int, device: str) -> float:
    step()
    _wait(device)
    started = time.perf_counter()
    for _ in range(_TIMED):
        step()
    _wait(device)
    return _TIMED * batch_size / (time.perf_counter() - started)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def estimate_cells(cells: Sequence[Cell], rates: Rates) -> dict[str, Estimate]:
    """Estimate every cell of a study.

    Args:
        cells: The study's cells.
        rates: Of `time_network`.

    Returns:
        Name of the cell -> what it will take on one such machine.
    """
    drawn = {cell.request.out: _count_drawn(cell.request) for cell in cells if isinstance(cell.request, DrawRequest)}
    trained = [cell.request for cell in cells if isinstance(cell.request, FinetuneRequest)]
    models, sizes = sum(request.percent == 100 for request in trained), _Sizes(drawn)
    return {cell.name: _estimate(cell, models, len(trained), sizes, rates) for cell in cells}


_PUBLISHED_MASKS = 81
"""Eyes of IDRiD's segmentation part."""


def _count_drawn(request: DrawRequest) -> int:
    return 2 * request.count if request.content == "phantoms" else request.count


class _Sizes:
    """Number of images of each folder, drawn or not yet."""

    def __init__(self, drawn: dict[Path, int]) -> None:
        self._known = drawn

    def __call__(self, folder: Path) -> int:
        if folder not in self._known:
            self._known[folder] = len(open_store(folder))
        return self._known[folder]

    def with_masks(self, folder: Path) -> int:
        """Number of eyes of a folder of eyes with lesion masks."""
        return self._known.get(folder, _PUBLISHED_MASKS)


def side_of(config: StudyConfig) -> int:
    """Side of the images that a study's networks see, in pixels."""
    if config.data.draw is not None:
        return config.data.draw.size
    return open_store(config.data.train).images.shape[-1] if config.data.train is not None else 224


def _estimate(cell: Cell, models: int, runs: int, sizes: _Sizes, rates: Rates) -> Estimate:
    request = cell.request
    if isinstance(request, DrawRequest):
        return _estimate_drawing(request)
    if isinstance(request, MeasureRequest):
        experiment = find_experiment(request.measurement)
        counted = sizes.with_masks if experiment.takes_masks else sizes
        eyes = counted(request.data) if experiment.needs else 0
        cost = cost_of(request, eyes, models, runs, rates.forward)
        return Estimate(seconds=cost.seconds, disk=cost.disk)
    if isinstance(request, ReportRequest):
        return Estimate(seconds=10, disk=1e6)
    return _estimate_training(request, sizes, rates)


def _estimate_drawing(request: DrawRequest) -> Estimate:
    images = _count_drawn(request)
    rate = _PHANTOMS_A_SECOND * (10 if request.content == "textures" else 1)
    return Estimate(seconds=images / rate + 2, disk=images * 3.0 * request.size * request.size)


def _estimate_training(request: Training, sizes: _Sizes, rates: Rates) -> Estimate:
    weights, whole, epochs = rates.parameters * _FLOAT, sizes(request.data), request.config.epochs
    if isinstance(request, FinetuneRequest):
        held = round(VALIDATION_SHARE * whole) if request.validation is None else sizes(request.validation)
        train = whole - held if request.validation is None else whole
        images = train * request.percent / 100 + held / 3
        return Estimate(seconds=epochs * images / rates.train + 10, disk=5 * weights)  # network, best, two moments
    method = METHODS[request.method]
    views = 1.0 if method.needs_labels else _COST_OF_TWO_VIEWS * len(method.views(request.config)) / 2
    return Estimate(seconds=epochs * whole * views / rates.train + 10, disk=4 * weights)
