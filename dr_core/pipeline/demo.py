"""The demo study: phantoms drawn, four set-ups trained, everything measured; one call from nothing to a study.

The demo stands on what the project can draw itself: phantom eyes in place of EyePACS, and a procedural stand-in for
ImageNet. Its networks are slim. The steps are those of a study on real data.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torchvision.models.resnet import ResNet

from dr_core.data.preprocessing import Preprocessing
from dr_core.data.splits import take_fraction
from dr_core.data.store import Store, fill_store, open_store
from dr_core.experiments.answers import (
    compare_setups,
    predict_table,
    read_two_folders,
    standardize_colors,
    summarize,
    summarize_aucs,
)
from dr_core.models.architectures import build_backbone, replace_head
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, load_model, save_model
from dr_core.models.moco import MoCo
from dr_core.models.setups import SETUPS, Setup
from dr_core.pipeline.demo_config import DemoConfig, settle_demo
from dr_core.pipeline.stages import Progress, Stage, Step, run_side_by_side
from dr_core.seeds import derive_seed
from dr_core.study.drawn_data import DRAWN_DATA, REAL_DATA, draw_patient_views, draw_texture_view
from dr_core.study.eyes import list_eyes
from dr_core.study.folder import Study, StudyInfo, write_study_info
from dr_core.training.classification import ClassificationTask, FinetuneTask
from dr_core.training.contrastive import ContrastiveTask
from dr_core.training.loop import LoopConfig, recipe_values, train
from dr_core.training.run_folder import RunFolder, load_encoder
from dr_core.training.supervised import build_supervised
from dr_core.training.task import Task

ARCH = "resnet50_slim"
PREPROCESSING = Preprocessing(
    size=224, crop="field_of_view", mean=(0.0, 0.0, 0.0), std=(1.5, 1.5, 1.5), contrast="local"
)
TEXTURE_PIXELS = 128
"""Side of the stand-in's images; the network is convolutional and meets 224 px in finetuning."""

_AT_ONCE = 96
"""Eyes between two reports while the models are asked."""


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """Where the demo stands.

    Attributes:
        stage: Name of the stage for people.
        number: Its number, from 1.
        stages: Number of stages.
        done: Units done in this stage.
        total: Units in this stage.
        rate: Images a second, 0 where it is not known.
        metrics: Measures of an epoch that has just ended, otherwise None.
    """

    stage: str
    number: int
    stages: int
    done: int
    total: int
    rate: float = 0.0
    metrics: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class RealEyes:
    """Photographs on which the demo's models are measured and never trained.

    Attributes:
        title: Where they come from, for people.
        with_dr: Folder of photographs of eyes with DR.
        without_dr: Folder of photographs of eyes without.
    """

    title: str
    with_dr: Path
    without_dr: Path


def make_demo(
    out: Path, config: DemoConfig, *, real_eyes: RealEyes | None = None, processes: int = 2
) -> Iterator[DemoReport]:
    """Make a demo study, or go on where it was stopped.

    Args:
        out: The study's folder. Drawn images and training states lie in `out/work` and `out/runs`.
        config: What is drawn and how long is trained.
        real_eyes: Photographs on which the four models are measured as well.
        processes: Processes that draw, and that train side by side; the result does not depend on it.

    Yields:
        Reports; the last one says that the study is written.

    Raises:
        InputError: If the folder holds a demo with other settings, or the real eyes cannot be read.
    """
    demo = _Demo(out, settle_demo(config), real_eyes, processes)
    stages = [*demo.draw, *demo.train, demo.measure]
    numbers = {stage.name: number for number, stage in enumerate(stages, start=1)}

    def report(stage: Stage, step: Step) -> DemoReport:
        done, total, rate, metrics = step
        number, many = numbers[stage.name], len(stages)
        return DemoReport(
            stage=stage.name, number=number, stages=many, done=done, total=total, rate=rate, metrics=metrics
        )

    for stage in demo.draw:
        yield from (report(stage, step) for step in stage.work())
    yield from (report(stage, step) for stage, step in run_side_by_side(demo.train, processes))
    yield from (report(demo.measure, step) for step in demo.measure.work())


class _Demo:
    """One demo in the making: where its parts lie and in which order they come."""

    def __init__(self, out: Path, config: DemoConfig, real_eyes: RealEyes | None, processes: int) -> None:
        self.out, self.config, self.real_eyes, self.processes = out, config, real_eyes, processes

    @property
    def draw(self) -> list[Stage]:
        """Stages that draw; each uses all processes."""
        eyes = [
            Stage(name=f"draw {title}", work=partial(self._draw_eyes, role, count, first))
            for role, title, count, first in self._eye_sets()
        ]
        return [*eyes, Stage(name="draw the procedural stand-in for ImageNet", work=self._draw_textures)]

    @property
    def train(self) -> list[Stage]:
        """Stages that train, the longest ways first."""
        on_eyes = Stage(name="MoCo v2 on phantoms without labels", work=partial(self._pretrain_contrastive, "none"))
        labeled = Stage(name="supervised on the stand-in for ImageNet", work=self._pretrain_supervised)
        stand_in = Stage(
            name="MoCo v2 on the stand-in for ImageNet", work=partial(self._pretrain_contrastive, "imagenet")
        )
        needs = {"iwne_cl": (on_eyes.name,), "ifi_fs": (labeled.name,), "ifi_cl": (stand_in.name,)}
        finetune = [
            Stage(
                name=f"finetune {setup.label} on {percent} %",
                work=partial(self._finetune, setup, percent),
                needs=needs.get(setup.name, ()),
            )
            for percent in (100, *self.config.fractions)
            for setup in SETUPS.values()
        ]
        return [on_eyes, labeled, stand_in, *finetune]

    @property
    def measure(self) -> Stage:
        """The last stage."""
        return Stage(name="measure and write", work=self._measure)

    def _eye_sets(self) -> list[tuple[str, str, int, int]]:
        config = self.config
        return [
            ("train", "phantoms to train on", config.patients, 0),
            ("validation", "phantoms to choose by", config.validation_patients, config.patients),
            ("test", "phantoms held out", config.test_patients, config.patients + config.validation_patients),
        ]

    def _draw_eyes(self, role: str, count: int, first: int) -> Progress:
        jobs = range(first, first + count)
        for report in fill_store(
            self.out / "work" / role,
            partial(draw_patient_views, self.config.seed, PREPROCESSING),
            jobs,
            workers=self.processes,
        ):
            yield 2 * report.done, 2 * report.total, 0.0, None

    def _draw_textures(self) -> Progress:
        draw = partial(draw_texture_view, self.config.seed, TEXTURE_PIXELS)
        for report in fill_store(
            self.out / "work" / "textures", draw, range(self.config.textures), workers=self.processes
        ):
            yield report.done, report.total, 0.0, None

    def _store(self, name: str) -> Store:
        store = open_store(self.out / "work" / name)
        return Store(np.array(store.images), store.index)

    def _run(self, build: Callable[[], Task], config: LoopConfig, name: str, about: dict[str, str]) -> Progress:
        """Train what `build` gives; a finished training is not built at all, since its data take long to load."""
        folder = RunFolder(self.out / "runs" / name, about | recipe_values(config))
        if folder.epochs_done() >= config.epochs:
            return
        for report in train(build(), config, folder):
            yield report.step, report.steps, report.images_per_second, report.metrics

    def _pretrain_contrastive(self, initialization: str) -> Progress:
        data = {"none": "train", "imagenet": "textures"}[initialization]
        build = partial(self._contrastive_task, initialization, data)
        name, about = f"moco-{data}-s{self.config.seed}", {"arch": ARCH, "data": data}
        yield from self._run(build, self.config.contrastive, name, about)

    def _contrastive_task(self, initialization: str, data: str) -> ContrastiveTask:
        config = self.config.contrastive
        encoder = build_backbone(ARCH, 1, derive_seed(self.config.seed, "weights", initialization))
        moco = MoCo(
            encoder,
            config.dim,
            config.queue,
            config.momentum,
            config.temperature,
            norm_groups=config.norm_groups,
            seed=self.config.seed,
        )
        return ContrastiveTask(moco, self._store(data), preprocessing=PREPROCESSING, config=config)

    def _pretrain_supervised(self) -> Progress:
        name, about = f"supervised-textures-s{self.config.seed}", {"arch": ARCH, "data": "textures"}
        yield from self._run(self._supervised_task, self.config.supervised, name, about)

    def _supervised_task(self) -> ClassificationTask:
        return build_supervised(self._store("textures"), ARCH, PREPROCESSING, self.config.seed)

    def _initial_network(self, setup: Setup) -> ResNet:
        """The network that a set-up's finetuning starts from."""
        seed = self.config.seed
        network = build_backbone(ARCH, 5, derive_seed(seed, "weights", setup.initialization))
        sources = {
            "iwne_cl": ("moco-train", "encoder_q."),
            "ifi_fs": ("supervised-textures", ""),
            "ifi_cl": ("moco-textures", "encoder_q."),
        }
        if setup.name in sources:
            run, prefix = sources[setup.name]
            load_encoder(network, self.out / "runs" / f"{run}-s{seed}", prefix)
        return replace_head(network, 5, derive_seed(seed, "head"))

    def _finetune(self, setup: Setup, percent: int) -> Progress:
        name, about = self._run_path(setup.name, percent).name, {"arch": ARCH, "setup": setup.name}
        config = self.config.finetune[setup.initialization]
        yield from self._run(partial(self._finetune_task, setup, percent), config, name, about)
        if percent < 100:
            return
        best = load_model(self.out / "runs" / name / "best.safetensors")
        self._checkpoint(setup.name).parent.mkdir(exist_ok=True)
        save_model(self._checkpoint(setup.name), best.model, best.info, half=True)

    def _finetune_task(self, setup: Setup, percent: int) -> FinetuneTask:
        train_set, validation = self._store("train"), self._store("validation")
        train_set = train_set.take(take_fraction(train_set.index, percent, self.config.seed))
        config = self.config.finetune[setup.initialization]
        fingerprint = train_set.fingerprint()

        def describe(auc: float) -> CheckpointInfo:
            return CheckpointInfo(
                arch=ARCH,
                setup=setup.name,
                preprocessing=PREPROCESSING,
                validation_auc=auc,
                training_data=f"{len(train_set)} phantoms",
                data_fingerprint=fingerprint,
                training=recipe_values(config),
            )

        return FinetuneTask(
            self._initial_network(setup),
            train_set,
            validation,
            preprocessing=PREPROCESSING,
            config=config,
            describe=describe,
        )

    def _checkpoint(self, setup: str) -> Path:
        return self.out / "checkpoints" / f"{setup}.safetensors"

    def _measure(self) -> Progress:
        test = self._store("test")
        eyes_of_test = test.index.assign(has_dr=test.index["grade"] > 0)
        answers: dict[int, list[pd.DataFrame]] = {percent: [] for percent in (100, *self.config.fractions)}
        models = {percent: self._load_models(percent) for percent in answers}
        everything = {(percent, setup): model for percent in models for setup, model in models[percent].items()}
        for start in range(0, len(test), _AT_ONCE):
            yield start, len(test), 0.0, None
            part = slice(start, start + _AT_ONCE)
            for percent, rows in self._ask(everything, test.images[part], eyes_of_test.iloc[part]):
                answers[percent].append(rows)
        on_test = {percent: _by_setup(parts) for percent, parts in answers.items()}
        parts, eyes = [on_test[100]], [list_eyes("phantoms_test", test, assess=True)]
        if self.real_eyes is not None:
            views, real = read_two_folders(self.real_eyes.with_dr, self.real_eyes.without_dr, PREPROCESSING)
            for key, seen in (("real_eyes", views), ("real_eyes_same_color", standardize_colors(views))):
                parts.append(predict_table(key, models[100], seen, real))
                eyes.append(list_eyes(key, Store(views.transpose(0, 3, 1, 2), real), assess=True))
        predictions = pd.concat(parts, ignore_index=True)
        study = Study(self.out, self._describe(predictions))
        study.write_results("predictions", predictions)
        study.write_results("eyes", pd.concat(eyes, ignore_index=True))
        study.write_results("performance", summarize(predictions))
        study.write_results("comparisons", compare_setups(predictions))
        fractions = [
            summarize_aucs(on_test[percent]).assign(percent=percent, seed=self.config.seed)
            for percent in sorted(on_test)
        ]
        study.write_results("fractions", pd.concat(fractions, ignore_index=True))
        write_study_info(self.out, study.info)
        yield len(test), len(test), 0.0, None

    def _load_models(self, percent: int) -> dict[str, LoadedModel]:
        if percent == 100:
            return {setup: load_model(self._checkpoint(setup)) for setup in SETUPS}
        return {setup: load_model(self._run_path(setup, percent) / "best.safetensors") for setup in SETUPS}

    def _ask(
        self, models: dict[tuple[int, str], LoadedModel], images: np.ndarray, eyes: pd.DataFrame
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        """Ask the models of every share of labels about some eyes; an eye is made an input once for all of them."""
        named = {f"{percent} {setup}": model for (percent, setup), model in models.items()}
        rows = predict_table("phantoms_test", named, images.transpose(0, 2, 3, 1), eyes)
        share = rows["setup"].str.split(" ", expand=True)
        for percent, answers in rows.assign(setup=share[1]).groupby(share[0].astype(int), sort=False):
            yield int(str(percent)), answers

    def _run_path(self, setup: str, percent: int) -> Path:
        return self.out / "runs" / f"{setup}-f{percent}-s{self.config.seed}"

    def _describe(self, predictions: pd.DataFrame) -> StudyInfo:
        counts = predictions.groupby("data")["eye"].nunique()
        data = []
        for name, template in DRAWN_DATA.items():
            store = self._store(name)
            data.append(dataclasses.replace(template, images=len(store), fingerprint=store.fingerprint()))
        if self.real_eyes is not None:
            data += [
                dataclasses.replace(template, title=self.real_eyes.title, images=int(counts[template.key]))
                for template in REAL_DATA
            ]
        return StudyInfo(
            title="Demo: phantoms, slim models",
            summary="Four slim ResNet-50s trained on phantom eyes that DR Lens draws itself. It shows how the tool "
            "works and proves nothing about the paper's data.",
            protocol="field of view, 224 px",
            seed=self.config.seed,
            setups=tuple(SETUPS.values()),
            data=tuple(data),
            settings=recipe_values(self.config) | {"arch": ARCH},
        )


def _by_setup(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put the answers about some eyes after those about the others together, set-up by set-up."""
    rows = pd.concat(parts, ignore_index=True)
    order = rows["setup"].map({setup: place for place, setup in enumerate(SETUPS)})
    return rows.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
