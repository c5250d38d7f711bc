"""Pretraining with MoCo v2 on a store of images, whose grades are not read."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dr_core.data.contract import check_preparation
from dr_core.data.preprocessing import Contrast
from dr_core.data.store import fingerprint_store, open_store
from dr_core.devices import find_job
from dr_core.models.architectures import build_backbone
from dr_core.models.moco import MoCo
from dr_core.seeds import derive_seed
from dr_core.study.eyes import open_graded
from dr_core.study.role_members import keep_pretraining_eyes
from dr_core.training.contrastive import ContrastiveConfig, ContrastiveTask
from dr_core.training.execution import Execution, never
from dr_core.training.jobs.stores import describe_preprocessing
from dr_core.training.loop import TrainingReport, recipe_values, settle, train
from dr_core.training.plan import Plan, measure_plan
from dr_core.training.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """One pretraining with MoCo v2.

    Attributes:
        data: Store of images; their grades are not read.
        out: Run folder.
        config: The recipe.
        labeled: Store of graded eyes on which the features are tried by nearest neighbors; None has none.
        labeled_limit: Most eyes of it that are used.
        arch: Key of `dr_core.models.architectures.ARCHITECTURES`.
        contrast: As in `Preprocessing`.
        execution: On what.
    """

    data: Path
    out: Path
    config: ContrastiveConfig
    labeled: Path | None = None
    labeled_limit: int = 2000
    arch: str = "resnet50"
    contrast: Contrast = "none"
    execution: Execution = field(default_factory=Execution)


def plan_pretraining(request: PretrainRequest) -> Plan:
    """Measure what a pretraining would take, from a few timed steps; nothing is written."""
    return measure_plan(_build_task(request), request.config, request.execution)


def pretrain(request: PretrainRequest, should_stop: Callable[[], bool] = never) -> Iterator[TrainingReport]:
    """Pretrain an encoder, or go on where it was stopped.

    Args:
        request: What and how.
        should_stop: Asked after each step, as `train` does.

    Yields:
        Reports.

    Raises:
        InputError: If the store does not fit, or as `dr_core.training.loop.train`.
    """
    request = dataclasses.replace(request, config=settle(request.config, request.execution.device))
    about = {"arch": request.arch, "contrast": request.contrast, "data": fingerprint_store(request.data)}
    task = _build_task(request)
    folder = RunFolder(request.out, about | recipe_values(request.config), writes=find_job().rank == 0)
    yield from train(task, request.config, folder, request.execution, should_stop)
    if find_job().rank == 0:
        keep_pretraining_eyes(request.out, request.data)


def find_doubts(config: ContrastiveConfig, images: int) -> list[str]:
    """What of a recipe of MoCo v2 is likely to go wrong, in sentences."""
    if config.queue < images:
        return []
    return [
        f"The queue holds {config.queue} keys and there are {images} images: every image meets older keys of itself as "
        "negatives. Choose a `queue` smaller than the number of images."
    ]


def _build_task(request: PretrainRequest) -> ContrastiveTask:
    config, store = request.config, open_store(request.data)
    preprocessing = describe_preprocessing(request.data, store, request.contrast)
    moco = MoCo(
        build_backbone(request.arch, 1, derive_seed(config.seed, "weights", "none")),
        config.dim,
        config.queue,
        config.momentum,
        config.temperature,
        norm_groups=max(1, config.norm_groups // find_job().world),
        seed=config.seed,
    )
    labeled = None
    if request.labeled is not None:
        labeled = open_graded(request.labeled).store
        check_preparation(request.labeled, labeled, [(f"a network trained on {request.data}", preprocessing)])
        every = -(-len(labeled) // request.labeled_limit)
        labeled = labeled.select(np.arange(0, len(labeled), every))
    return ContrastiveTask(moco, store, preprocessing=preprocessing, config=config, labeled=labeled)
