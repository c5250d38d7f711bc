"""Finetuning a set-up on graded eyes: one training run, and the study's checkpoint where it is that run."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from dr_core.data.contract import check_preparation
from dr_core.data.preprocessing import Contrast
from dr_core.data.splits import SplitBy, split_validation, take_fraction
from dr_core.data.store import Store, fingerprint_store, read_header
from dr_core.devices import find_job
from dr_core.models.architectures import build_network
from dr_core.models.checkpoint import CheckpointInfo, load_model, save_model
from dr_core.models.setups import SETUPS, Setup
from dr_core.study.eyes import open_graded
from dr_core.study.folder import open_study
from dr_core.study.ownership import check_training
from dr_core.study.role_members import EYES, Member, Role
from dr_core.study.roles import check_published_split, register_roles, take_roles
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.execution import Execution, never
from dr_core.training.jobs.registration import register_run
from dr_core.training.jobs.start import Start, build_start
from dr_core.training.jobs.stores import CLASSES, describe_preprocessing
from dr_core.training.loop import TrainingReport, settle, train
from dr_core.training.plan import Plan, measure_plan
from dr_core.training.recipe_values import recipe_values
from dr_core.training.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """One finetuning of a set-up.

    Attributes:
        data: Store of graded eyes.
        study: Folder of the study; made where there is none.
        setup: The set-up.
        start: Where it starts from.
        config: The recipe; its seed is that of the split, the fraction and the weights, too.
        validation: Store of validation eyes; None splits them off `data`.
        percent: Share of the training patients whose eyes are used, in percent.
        split_by: As in `dr_core.data.splits.split_validation`.
        arch: Key of `dr_core.models.architectures.ARCHITECTURES`.
        contrast: As in `Preprocessing`.
        half: Whether the best epoch's weights are kept in 16 bits, in half the space. The training itself and what it
            resumes from have all digits.
        execution: On what.
        allow_overlap: Whether eyes that have another role in the study may be used, knowingly.
        allow_test_split: Whether eyes that were published for testing may be trained on, knowingly.
    """

    data: Path
    study: Path
    setup: Setup
    start: Start
    config: FinetuneConfig
    validation: Path | None = None
    percent: int = 100
    split_by: SplitBy = "patient"
    arch: str = "resnet50"
    contrast: Contrast = "none"
    half: bool = False
    execution: Execution = field(default_factory=Execution)
    allow_overlap: bool = False
    allow_test_split: bool = False

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.study / "runs" / f"{self.setup.name}-f{self.percent}-s{self.config.seed}"


def find_setup(study: Path, name: str) -> Setup:
    """The set-up of a name: as the study declares it, or else as this version knows it.

    Raises:
        InputError: If the study's head is damaged, or neither knows the name.
    """
    declared = open_study(study).setups if (study / "study.json").is_file() else {}
    return declared.get(name) or SETUPS.find(name)


def plan_finetuning(request: FinetuneRequest) -> Plan:
    """Measure what a finetuning would take, from a few timed steps; nothing is written or fetched."""
    store = open_graded(request.data).store
    if request.start.source == "published":
        network = build_network(request.arch, CLASSES, size=store.images.shape[-1])
    else:
        network = _build_start(request, store)
    return measure_plan(_build_task(request, store, network), request.config, request.execution)


def _build_start(request: FinetuneRequest, store: Store) -> nn.Module:
    return build_start(request.setup, request.start, request.arch, request.config.seed, store.images.shape[-1])


def finetune(request: FinetuneRequest, should_stop: Callable[[], bool] = never) -> Iterator[TrainingReport]:
    """Finetune a set-up, or go on where it was stopped; all patients with the study's seed make its checkpoint.

    Args:
        request: What and how.
        should_stop: Asked after each step, as `train` does.

    Yields:
        Reports.

    Raises:
        InputError: If the study is not the user's own, its eyes have another role in the study or were published for
            testing, a store, the weights or the pretraining do not fit, or as `dr_core.training.loop.train`.
    """
    check_training(request.study, request.setup.name, request.percent, request.config.seed)
    members = _take_roles(request)
    request = dataclasses.replace(request, config=settle(request.config, request.execution.device, request.run))
    validation = request.validation
    store = open_graded(request.data).store
    task = _build_task(request, store, _build_start(request, store))
    about = {
        "arch": request.arch,
        "setup": request.setup.name,
        "contrast": request.contrast,
        "data": fingerprint_store(request.data),
        "validation": fingerprint_store(validation) if validation else f"split by {request.split_by}",
        "start": request.start.describe(request.setup),
    }
    folder = RunFolder(request.run, about | recipe_values(request.config), writes=find_job().rank == 0)
    yield from train(task, request.config, folder, request.execution, should_stop)
    if find_job().rank != 0:
        return
    if request.half:
        best = load_model(folder.checkpoint)
        save_model(folder.checkpoint, best.model, best.info, half=True)
    register_roles(request.study, members)
    if request.percent == 100:
        held = (task.images, task.held_out)
        stores = (request.data, validation or request.data)
        register_run(request.study, request.setup, request.run, request.config.seed, stores, held)


def _take_roles(request: FinetuneRequest) -> tuple[Member, ...]:
    """The stores' eyes in their roles; those of `data` that are split off to validate stay in its role."""
    check_published_split(request.data, allow_test=request.allow_test_split)
    wanted: list[tuple[Role, Path]] = [("training", request.data)]
    if request.validation is not None:
        wanted.append(("validation", request.validation))
    if request.start.path is not None and (request.start.path / EYES).is_file():
        wanted.append(("pretraining", request.start.path))
    return take_roles(request.study, wanted, allow_overlap=request.allow_overlap)[0]


def _build_task(request: FinetuneRequest, store: Store, network: nn.Module) -> FinetuneTask:
    config, seed = request.config, request.config.seed
    preprocessing = describe_preprocessing(request.data, store, request.contrast)
    if request.validation is None:
        rows, held_out = split_validation(store.index, seed, by=request.split_by)
        training, validation = store.select(rows), store.select(held_out)
    else:
        training, validation = store, open_graded(request.validation).store
        check_preparation(request.validation, validation, [(f"a network trained on {request.data}", preprocessing)])
    training = training.select(take_fraction(training.index, request.percent, seed, by=request.split_by))
    title = read_header(request.data).get("title", request.data.name)
    digest = hashlib.sha256(f"{fingerprint_store(request.data)} {list(training.index['eye'])}".encode())
    template = CheckpointInfo(
        arch=request.arch,
        setup=request.setup.name,
        preprocessing=preprocessing,
        validation_auc=float("nan"),
        training_data=f"{len(training)} eyes of {title}",
        data_fingerprint=digest.hexdigest()[:16],
        training=recipe_values(config) | {"percent": request.percent, "split_by": request.split_by},
    )
    return FinetuneTask(
        network,
        training,
        validation,
        preprocessing=preprocessing,
        config=config,
        describe=lambda auc: dataclasses.replace(template, validation_auc=auc),
    )
