"""What a study will take: time from short timings of its network on this machine, disk from what each cell writes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch.nn import functional as F

from dr_core.corruption import IMAGENET_C
from dr_core.data.splits import VALIDATION_SHARE
from dr_core.data.store import open_store
from dr_core.models.architectures import build_backbone
from dr_core.models.setups import SETUPS
from dr_core.pipeline.cells import Cell, build_cells
from dr_core.pipeline.config import DrawnData, StudyConfig
from dr_core.training.execution import resolve_precision
from dr_core.training.recipes import CONTRASTIVE, FINETUNE, SUPERVISED, Preset

_TIMED = 3
_PHANTOMS_A_SECOND = 12.0
"""On one core, benchmarks/phantoms.py."""

_FORWARDS_OF_A_HEATMAP_EYE = 400.0
"""Forward passes as long as an eye of `localize` takes with four ResNet-50s: 14 s on two cores that answer 28 images a
second, added up from the times of benchmarks/attribution.py, prediction, inpainting and reading 12 megapixels."""

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
        arch: Key of `ARCHITECTURES`.
        size: Side of the images in pixels.
        device: `"cpu"` or `"cuda"`.
        batch_size: Images a batch.
    """
    network = build_backbone(arch, 5, 0).to(device, memory_format=torch.channels_last)
    images = torch.zeros(batch_size, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch_size, dtype=torch.long, device=device)

    half = resolve_precision("auto", device) == "bf16-mixed"

    def train() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=half):
            F.cross_entropy(network(images).float(), labels).backward()

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


def estimate_cells(config: StudyConfig, out: Path, rates: Rates) -> dict[str, Estimate]:
    """Estimate every cell of a study.

    Args:
        config: The study.
        out: Its folder.
        rates: Of `time_network`.

    Returns:
        Name of the cell -> what it will take on one such machine.
    """
    sizes = _count_images(config)
    return {cell.name: _estimate(cell, config, sizes, rates) for cell in build_cells(config, out)}


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Number of images that cells work on; `whole` counts training and validation eyes that lie in one store."""

    whole: int
    train: int
    validation: int
    test: dict[str, int]
    textures: int = 0
    segmented: int = 81


def _count_images(config: StudyConfig) -> _Sizes:
    data, drawn = config.data, config.data.draw
    if drawn is not None:
        return _Sizes(
            whole=2 * drawn.patients,
            train=2 * drawn.patients,
            validation=2 * drawn.validation_patients,
            test={"phantoms_test": 2 * drawn.test_patients},
            textures=drawn.textures,
            segmented=drawn.segmented,
        )
    whole = _count(data.train)
    held = round(VALIDATION_SHARE * whole) if data.validation is None else _count(data.validation)
    train = whole - held if data.validation is None else whole
    test = {key: _count(path) for key, path in data.test.items()}
    return _Sizes(whole=whole, train=train, validation=held, test=test)


def side_of(config: StudyConfig) -> int:
    """Side of the images that a study's networks see, in pixels."""
    if config.data.draw is not None:
        return config.data.draw.size
    return open_store(config.data.train).images.shape[-1] if config.data.train is not None else 224


def _count(path: Path | None) -> int:
    return len(open_store(path)) if path is not None else 0


def _estimate(cell: Cell, config: StudyConfig, sizes: _Sizes, rates: Rates) -> Estimate:
    words = cell.arguments
    models = len(config.setups)
    if cell.kind == "draw":
        return _estimate_drawing(cell, config.data.draw)
    if cell.kind in ("pretrain", "finetune"):
        return _estimate_training(cell, config, sizes, rates)
    eyes = sizes.test.get(words[words.index("--key") + 1], 0) if "--key" in words else sizes.segmented
    if cell.kind == "evaluate":
        runs = models * len({100, *config.fractions}) * len({config.seed, *config.seeds})
        return Estimate(seconds=eyes * runs / rates.forward + 10, disk=eyes * models * 40.0)
    if cell.kind == "spectrum":
        eyes = min(eyes, int(config.spectrum.get("limit", 0)) or eyes)
        return Estimate(seconds=1.5 * eyes * models / rates.forward + 60, disk=2e6)
    if cell.kind == "robustness":
        eyes = min(eyes, int(config.robustness.get("eyes", eyes)))
        passes = 1 + len(IMAGENET_C) * (1 if "severity" in config.robustness else 5)
        return Estimate(seconds=1.02 * eyes * models * passes / rates.forward, disk=eyes * models * passes * 30.0)
    if cell.kind == "localize":
        return Estimate(seconds=eyes * _FORWARDS_OF_A_HEATMAP_EYE * models / 4 / rates.forward, disk=1e6)
    return Estimate(seconds=10, disk=1e6)


def _estimate_drawing(cell: Cell, drawn: DrawnData | None) -> Estimate:
    words = cell.arguments
    count, side = int(words[words.index("--count") + 1]), int(words[words.index("--size") + 1])
    images = 2 * count if "phantoms" in words else count
    rate = _PHANTOMS_A_SECOND * (10 if "textures" in words else 1)
    return Estimate(seconds=images / rate + 2, disk=images * 3.0 * side * side if drawn else 0.0)


def _estimate_training(cell: Cell, config: StudyConfig, sizes: _Sizes, rates: Rates) -> Estimate:
    words = cell.arguments
    recipes: Preset = "quick" if config.preset == "quick" else "paper"
    weights = rates.parameters * _FLOAT
    if cell.kind == "finetune":
        setup, percent = (words[words.index(name) + 1] for name in ("--setup", "--fraction"))
        initialization = SETUPS.find(setup).initialization
        options = config.iwne if initialization == "none" else config.ifi
        epochs = int(options.get("epochs", FINETUNE[recipes][initialization].epochs))
        images = sizes.train * int(percent) / 100 + sizes.validation / 3
        return Estimate(seconds=epochs * images / rates.train + 10, disk=5 * weights)  # network, best, two moments
    textures = any(word.endswith("textures") for word in words)
    images = sizes.textures if textures else sizes.whole
    supervised = "supervised" in words
    recipe = SUPERVISED[recipes] if supervised else CONTRASTIVE[recipes]
    epochs = int(config.pretrain.get("epochs", recipe.epochs))
    views = 1.0 if supervised else _COST_OF_TWO_VIEWS
    return Estimate(seconds=epochs * images * views / rates.train + 10, disk=4 * weights)
