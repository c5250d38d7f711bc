"""Supervised pretraining on labeled images of any kind: what ImageNet's labels are for IFI-FS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dr_core.data.augment import AugmentConfig
from dr_core.data.preprocessing import Contrast, Preprocessing
from dr_core.data.store import Store, fingerprint_store, open_store
from dr_core.devices import find_job
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.seeds import derive_seed, numpy_generator
from dr_core.study.role_members import keep_pretraining_eyes
from dr_core.training.classification import ClassificationTask
from dr_core.training.execution import Execution, never
from dr_core.training.jobs.stores import describe_preprocessing
from dr_core.training.loop import LoopConfig, TrainingReport, recipe_values, settle, train
from dr_core.training.run_folder import RunFolder

LABEL = "label"
"""Column of the store's table with the class numbers, from 0."""

_AUGMENT = AugmentConfig(
    crop_area=(0.5, 1.0), brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05, blur_chance=0.2, noise=0.02
)


@dataclass(frozen=True, kw_only=True)
class SupervisedRequest:
    """One supervised pretraining.

    Attributes:
        data: Store of images with a column `label`.
        out: Run folder.
        config: The recipe.
        arch: Key of `dr_core.models.architectures.ARCHITECTURES`.
        contrast: As in `Preprocessing`.
        execution: On what.
    """

    data: Path
    out: Path
    config: LoopConfig
    arch: str = "resnet50"
    contrast: Contrast = "none"
    execution: Execution = field(default_factory=Execution)


def pretrain_supervised(
    request: SupervisedRequest, should_stop: Callable[[], bool] = never
) -> Iterator[TrainingReport]:
    """Train a network on labeled images, or go on where it was stopped; a tenth of them is held out.

    Args:
        request: What and how.
        should_stop: Asked after each step, as `train` does.

    Yields:
        Reports.

    Raises:
        InputError: If the store has no labels, or as `dr_core.training.loop.train`.
    """
    store = open_store(request.data)
    if LABEL not in store.index:
        raise InputError(f"The table of {request.data} lacks the column {LABEL!r}; it holds the class of each image.")
    config = settle(request.config, request.execution.device)
    about = {"arch": request.arch, "contrast": request.contrast, "data": fingerprint_store(request.data)}
    preprocessing = describe_preprocessing(request.data, store, request.contrast)
    task = build_supervised(store, request.arch, preprocessing, config.seed)
    folder = RunFolder(request.out, about | recipe_values(config), writes=find_job().rank == 0)
    yield from train(task, config, folder, request.execution, should_stop)
    if find_job().rank == 0:
        keep_pretraining_eyes(request.out, request.data)


def build_supervised(store: Store, arch: str, preprocessing: Preprocessing, seed: int) -> ClassificationTask:
    """The task of telling a store's classes apart; a tenth of the images, drawn from the seed, is held out."""
    held_out = numpy_generator(seed, "texture split").permutation(len(store)) < len(store) // 10
    return ClassificationTask(
        build_backbone(arch, int(store.index[LABEL].max()) + 1, derive_seed(seed, "weights", "imagenet")),
        store.take(np.flatnonzero(~held_out)),
        store.take(np.flatnonzero(held_out)),
        label=LABEL,
        preprocessing=preprocessing,
        augment=_AUGMENT,
    )
