"""A lab's trainings: from prepared stores to run folders and a study's checkpoints."""

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.models.resnet import ResNet

from dr_core.data.preprocessing import Contrast, Preprocessing
from dr_core.data.splits import SplitBy, split_validation, take_fraction
from dr_core.data.store import Store, fingerprint_store, open_store, read_header
from dr_core.devices import find_job
from dr_core.errors import InputError
from dr_core.files import locked
from dr_core.models.architectures import build_backbone, replace_head
from dr_core.models.checkpoint import CheckpointInfo, load_model, save_model
from dr_core.models.imagenet_weights import (
    EXTERNAL,
    DownloadReport,
    cache_folder,
    fetch_weights,
    read_weights,
    start_from,
)
from dr_core.models.moco import MoCo
from dr_core.models.setups import SETUPS, Setup, declare_setups
from dr_core.seeds import derive_seed
from dr_core.study.folder import DataSet, Study, StudyInfo, add_data, open_study, write_study_info
from dr_core.training.classification import FinetuneConfig, FinetuneTask
from dr_core.training.contrastive import ContrastiveConfig, ContrastiveTask
from dr_core.training.execution import Execution
from dr_core.training.loop import LoopConfig, TrainingReport, recipe_values, settle, train
from dr_core.training.plan import Plan, measure_plan
from dr_core.training.run_folder import RunFolder, load_encoder, read_metrics

CLASSES = 5


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


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """One finetuning of a set-up.

    Attributes:
        data: Store of graded eyes.
        study: Folder of the study; made where there is none.
        setup: Key of `SETUPS`.
        config: The recipe; its seed is that of the split, the fraction and the weights, too.
        validation: Store of validation eyes; None splits them off `data`.
        percent: Share of the training patients whose eyes are used, in percent.
        split_by: As in `dr_core.data.splits.split_validation`.
        pretrained: Run folder of a pretraining to start from; IWNE-CL needs one.
        weights: File of the published ImageNet weights; None takes the cached ones, for IFI without `pretrained`.
        arch: Key of `dr_core.models.architectures.ARCHITECTURES`.
        contrast: As in `Preprocessing`.
        execution: On what.
    """

    data: Path
    study: Path
    setup: str
    config: FinetuneConfig
    validation: Path | None = None
    percent: int = 100
    split_by: SplitBy = "patient"
    pretrained: Path | None = None
    weights: Path | None = None
    arch: str = "resnet50"
    contrast: Contrast = "none"
    execution: Execution = field(default_factory=Execution)

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.study / "runs" / f"{self.setup}-f{self.percent}-s{self.config.seed}"


def plan_pretraining(request: PretrainRequest) -> Plan:
    """Tell what a pretraining would take, from a few timed steps; nothing is written."""
    return measure_plan(_build_contrastive(request), request.config, request.execution)


def pretrain(request: PretrainRequest) -> Iterator[TrainingReport]:
    """Pretrain an encoder, or go on where it was stopped.

    Args:
        request: What and how.

    Yields:
        Reports.

    Raises:
        InputError: If the store does not fit, or as `dr_core.training.loop.train`.
    """
    request = dataclasses.replace(request, config=settle(request.config, request.execution.device))
    about = {"arch": request.arch, "contrast": request.contrast, "data": fingerprint_store(request.data)}
    folder = _open_run(request.out, about, request.config)
    yield from train(_build_contrastive(request), request.config, folder, request.execution)


def find_doubts(config: ContrastiveConfig, images: int) -> list[str]:
    """What of a recipe of MoCo v2 is likely to go wrong, in sentences."""
    if config.queue < images:
        return []
    return [
        f"The queue holds {config.queue} keys and there are {images} images: every image meets older keys of itself as "
        "negatives. Choose --queue smaller than the number of images."
    ]


def _build_contrastive(request: PretrainRequest) -> ContrastiveTask:
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
        labeled = _open_graded(request.labeled)
        _check_alike(preprocessing, describe_preprocessing(request.labeled, labeled, request.contrast), request.labeled)
        every = -(-len(labeled) // request.labeled_limit)
        labeled = labeled.select(np.arange(0, len(labeled), every))
    return ContrastiveTask(moco, store, preprocessing=preprocessing, config=config, labeled=labeled)


def needs_download(request: FinetuneRequest) -> bool:
    """Whether the set-up starts from published weights that no path names."""
    setup = SETUPS.find(request.setup)
    return setup.initialization == "imagenet" and request.weights is None and request.pretrained is None


def obtain_weights(setup: str) -> Iterator[DownloadReport]:
    """Fetch the published weights of a set-up into the cache; of many processes one does, the others wait.

    Raises:
        InputError: As `dr_core.models.imagenet_weights.fetch_weights`.
    """
    weights, job = EXTERNAL[SETUPS.find(setup).pretraining], find_job()
    if job.rank % job.per_node == 0:
        yield from fetch_weights(weights, cache_folder())
    while not (cache_folder() / weights.file_name).is_file():
        time.sleep(1.0)  # the launcher ends this process if the one that fetches fails


def plan_finetuning(request: FinetuneRequest) -> Plan:
    """Tell what a finetuning would take, from a few timed steps; nothing is written or fetched."""
    start = None if needs_download(request) else _build_start(SETUPS.find(request.setup), request)
    network = start or build_backbone(request.arch, CLASSES)
    return measure_plan(_build_finetune(request, network), request.config, request.execution)


def finetune(request: FinetuneRequest) -> Iterator[TrainingReport]:
    """Finetune a set-up, or go on where it was stopped; all patients with the study's seed make its checkpoint.

    Args:
        request: What and how.

    Yields:
        Reports.

    Raises:
        InputError: If a store, the weights or the pretraining do not fit, or as `dr_core.training.loop.train`.
    """
    request = dataclasses.replace(request, config=settle(request.config, request.execution.device))
    setup = SETUPS.find(request.setup)
    about = {
        "arch": request.arch,
        "setup": setup.name,
        "contrast": request.contrast,
        "data": fingerprint_store(request.data),
        "validation": fingerprint_store(request.validation) if request.validation else f"split by {request.split_by}",
        "start": _describe_start(setup, request),
    }
    task = _build_finetune(request, _build_start(setup, request))
    folder = _open_run(request.run, about, request.config)
    yield from train(task, request.config, folder, request.execution)
    if find_job().rank == 0 and request.percent == 100:
        _register(request, task)


def _open_run(path: Path, about: dict[str, Any], config: LoopConfig) -> RunFolder:
    return RunFolder(path, about | recipe_values(config), writes=find_job().rank == 0)


def _build_finetune(request: FinetuneRequest, network: ResNet) -> FinetuneTask:
    setup, store = SETUPS.find(request.setup), _open_graded(request.data)
    config, seed = request.config, request.config.seed
    preprocessing = describe_preprocessing(request.data, store, request.contrast)
    if request.validation is None:
        rows, held_out = split_validation(store.index, seed, by=request.split_by)
        training, validation = store.select(rows), store.select(held_out)
    else:
        training, validation = store, _open_graded(request.validation)
        other = describe_preprocessing(request.validation, validation, request.contrast)
        _check_alike(preprocessing, other, request.validation)
    training = training.select(take_fraction(training.index, request.percent, seed, by=request.split_by))
    title = read_header(request.data).get("title", request.data.name)
    digest = hashlib.sha256(f"{fingerprint_store(request.data)} {list(training.index['eye'])}".encode())
    template = CheckpointInfo(
        arch=request.arch,
        setup=setup.name,
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


def _build_start(setup: Setup, request: FinetuneRequest) -> ResNet:
    """The network that a set-up's finetuning starts from."""
    seed = request.config.seed
    network = build_backbone(request.arch, CLASSES, derive_seed(seed, "weights", setup.initialization))
    if setup.name == "iwne_fs":
        if request.pretrained or request.weights:
            raise InputError("IWNE-FS starts from random weights; leave --pretrained and --weights out.")
    elif request.pretrained is not None:
        state = RunFolder.read_config(request.pretrained)
        done = len(read_metrics(request.pretrained / "metrics.jsonl"))
        if done < state.get("epochs", done):
            raise InputError(f"The pretraining in {request.pretrained} has done {done} of {state['epochs']} epochs.")
        load_encoder(network, request.pretrained, "encoder_q." if "queue" in state else "")
    elif setup.name == "iwne_cl":
        raise InputError("IWNE-CL starts from a pretraining on eyes; name its folder with --pretrained.")
    else:
        weights = EXTERNAL[setup.pretraining]
        path = request.weights or cache_folder() / weights.file_name
        start_from(network, read_weights(weights, path), str(path))
    return replace_head(network, CLASSES, derive_seed(seed, "head"))


def _describe_start(setup: Setup, request: FinetuneRequest) -> str:
    if request.pretrained is not None:
        return request.pretrained.name
    return EXTERNAL[setup.pretraining].title if setup.initialization == "imagenet" else "random weights"


def describe_preprocessing(folder: Path, store: Store, contrast: Contrast) -> Preprocessing:
    """How the images of a store were brought to size, and how a network meets them."""
    view = {"size": store.images.shape[-1], "crop": read_header(folder).get("crop", "field_of_view")}
    if contrast != "local":
        return Preprocessing(**view, contrast=contrast)
    return Preprocessing(**view, contrast=contrast, mean=(0.0, 0.0, 0.0), std=(1.5, 1.5, 1.5))  # it is centered on 0


def _open_graded(folder: Path) -> Store:
    store = open_store(folder)
    missing = [column for column in ("eye", "patient", "grade") if column not in store.index]
    if missing:
        raise InputError(f"The table of {folder} lacks the column {missing[0]!r}; prepare graded eyes.")
    graded = np.flatnonzero(store.index["grade"].between(0, CLASSES - 1))
    if not len(graded):
        raise InputError(f"{folder} holds no graded eye; prepare graded eyes.")
    return store if len(graded) == len(store) else store.select(graded)


def _check_alike(training: Preprocessing, other: Preprocessing, folder: Path) -> None:
    for name, title in (("size", "pixels"), ("crop", "crop")):
        here, there = getattr(training, name), getattr(other, name)
        if here != there:
            raise InputError(
                f"{folder} was prepared with another {title}: {there}, the training eyes with {here}. Prepare both "
                "with one protocol and --size."
            )


def _register(request: FinetuneRequest, task: FinetuneTask) -> None:
    """Make the best epoch the study's checkpoint, and write down what the study now holds."""
    with locked(request.study / "study.json"):  # trainings of one study may end at the same moment
        study = _open_or_begin(request)
        if request.config.seed != study.info.seed:
            return  # one of several seeds; `evaluate` finds it by its run folder
        best = load_model(request.run / "best.safetensors")
        study.checkpoint_path(request.setup).parent.mkdir(exist_ok=True)
        save_model(study.checkpoint_path(request.setup), best.model, best.info)
        known = {**study.setups, request.setup: SETUPS.find(request.setup)}
        order = [*SETUPS, *(name for name in known if name not in SETUPS)]
        held = declare_setups(known[name] for name in order if name in known and study.has_checkpoint(name))
        write_study_info(request.study, dataclasses.replace(study.info, setups=held))
        add_data(request.study, *_describe_data(request, task))


def _open_or_begin(request: FinetuneRequest) -> Study:
    if (request.study / "study.json").is_file():
        return open_study(request.study)
    header = read_header(request.data)
    info = StudyInfo(
        title=request.study.name,
        summary=f"Set-ups trained on {header.get('title', request.data.name)} with `train_cli.py finetune`.",
        protocol=f"{header.get('crop', 'field_of_view').replace('_', ' ')}, {header.get('size', '?')} px",
        seed=request.config.seed,
        setups=(),
        data=(),
    )
    return Study(request.study, info)


def _describe_data(request: FinetuneRequest, task: FinetuneTask) -> list[DataSet]:
    title = read_header(request.data).get("title", request.data.name)
    real = bool(read_header(request.data))
    source = request.validation or request.data
    return [
        DataSet(
            key="train",
            title=f"{title}, training eyes",
            role="training",
            images=task.images,
            real=real,
            description="Eyes of the training patients.",
            fingerprint=fingerprint_store(request.data),
        ),
        DataSet(
            key="validation",
            title=f"{title}, validation eyes",
            role="validation",
            images=task.held_out,
            real=real,
            description="Eyes of other patients, by which the best epoch was chosen.",
            fingerprint=fingerprint_store(source),
        ),
    ]
