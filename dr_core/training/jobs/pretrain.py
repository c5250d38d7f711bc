"""Pretraining by any method on a store of images, whose grades are not read."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from dr_core.data.contract import check_preparation
from dr_core.data.preprocessing import Contrast, Preprocessing
from dr_core.data.store import Store, fingerprint_store, open_store
from dr_core.devices import find_job
from dr_core.errors import InputError
from dr_core.models.architectures import build_network, find_architecture
from dr_core.seeds import derive_seed
from dr_core.study.eyes import open_graded
from dr_core.study.role_members import keep_pretraining_eyes
from dr_core.training.execution import Execution, never
from dr_core.training.jobs.snapshots import keep_snapshot
from dr_core.training.jobs.stores import describe_preprocessing
from dr_core.training.loop import LoopConfig, TrainingReport, settle, train
from dr_core.training.plan import Plan, measure_plan
from dr_core.training.pretraining.config import SelfSupervisedConfig
from dr_core.training.pretraining.method import Method, build_pretraining
from dr_core.training.pretraining.registry import METHODS, describe_method
from dr_core.training.pretraining.supervised import LABEL, SupervisedConfig
from dr_core.training.pretraining.task import SelfSupervisedTask, SupervisedTask
from dr_core.training.recipe_values import recipe_values
from dr_core.training.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """One pretraining.

    Attributes:
        data: Store of images; their grades are not read. A method that needs labels reads the column `label`.
        out: Run folder.
        config: The recipe of the method.
        method: Key of `METHODS`.
        labeled: Store of graded eyes on which the features are tried by nearest neighbors; None has none.
        labeled_limit: Most eyes of it that are used.
        arch: As in `dr_core.models.architectures.find_architecture`.
        contrast: As in `Preprocessing`.
        execution: On what.
        keep_every: Epochs after each of which the encoder is kept, so that it can be probed; 0 keeps the last alone.
    """

    data: Path
    out: Path
    config: LoopConfig
    method: str = "moco"
    labeled: Path | None = None
    labeled_limit: int = 2000
    arch: str = "resnet50"
    contrast: Contrast = "none"
    execution: Execution = field(default_factory=Execution)
    keep_every: int = 0


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
        InputError: If the store does not fit, or lacks the labels that the method needs, or as
            `dr_core.training.loop.train`.
    """
    if request.keep_every < 0:
        raise InputError(f"`keep_every` must not be below 0, as {request.keep_every} is.")
    request = dataclasses.replace(request, config=settle(request.config, request.execution.device, request.out))
    method = METHODS.find(request.method)
    about = {"arch": request.arch, "contrast": request.contrast, "data": fingerprint_store(request.data)}
    task = _build_task(request)
    about |= describe_method(method) | recipe_values(request.config)
    folder = RunFolder(request.out, about, writes=find_job().rank == 0)
    head = find_architecture(request.arch).head
    keep = partial(keep_snapshot, request.out, request.keep_every, task.network, method.encoder, head)
    yield from train(task, request.config, folder, request.execution, should_stop, keep)
    if find_job().rank == 0:
        keep_pretraining_eyes(request.out, request.data)


def _build_task(request: PretrainRequest) -> SelfSupervisedTask | SupervisedTask:
    method, store = METHODS.find(request.method), open_store(request.data)
    if not isinstance(request.config, type(method.recipes["paper"])):
        raise InputError(f"The recipe must be one of {method.label}, not {type(request.config).__name__}.")
    preprocessing = describe_preprocessing(request.data, store, request.contrast)
    if isinstance(request.config, SupervisedConfig):
        return build_supervised(request, store, preprocessing, request.config)
    return _build_self_supervised(request, method, store, preprocessing)


def _build_self_supervised(
    request: PretrainRequest, method: Method, store: Store, preprocessing: Preprocessing
) -> SelfSupervisedTask:
    assert isinstance(request.config, SelfSupervisedConfig)  # for the type checker: it has been asked
    side = store.images.shape[-1]
    if find_architecture(request.arch).family == "transformer":
        _check_one_size(method, request.config, request.arch, side)
    labeled = None
    if request.labeled is not None:
        labeled = open_graded(request.labeled).store
        check_preparation(request.labeled, labeled, [(f"a network trained on {request.data}", preprocessing)])
        every = -(-len(labeled) // request.labeled_limit)
        labeled = labeled.select(np.arange(0, len(labeled), every))
    build = partial(build_pretraining, method, request.arch, request.config, side)
    return SelfSupervisedTask(method, build, store, preprocessing=preprocessing, config=request.config, labeled=labeled)


def _check_one_size(method: Method, config: SelfSupervisedConfig, arch: str, side: int) -> None:
    """A network of tokens is built for one size of image."""
    scales = {view.scale for view in method.views(config)}
    if config.view_size not in (None, side) or scales != {1.0}:
        raise InputError(
            f"{arch} takes images of one size: set `view_size` to {side}, the side of the store's images, and "
            "`local_views` to 0 where the method has them."
        )


def build_supervised(
    request: PretrainRequest, store: Store, preprocessing: Preprocessing, config: SupervisedConfig
) -> SupervisedTask:
    """The task of telling a store's classes apart.

    Raises:
        InputError: If the store has no labels, or eyes to try the features on are named.
    """
    if LABEL not in store.index:
        raise InputError(f"The table of {request.data} lacks the column {LABEL!r}; it holds the class of each image.")
    if request.labeled is not None:
        raise InputError("`labeled` belongs to the methods without labels; leave it out with the supervised one.")
    classes, seed = int(store.index[LABEL].max()) + 1, derive_seed(config.seed, "weights", "imagenet")
    build = partial(build_network, request.arch, classes, seed, store.images.shape[-1])
    head = find_architecture(request.arch).head
    return SupervisedTask(build, head, store, preprocessing=preprocessing, config=config)
