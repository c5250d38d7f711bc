"""The cells of a study: typed requests, and which of them must be done before which."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dr_core.experiments.registry import find_experiment
from dr_core.models.setups import Setup
from dr_core.pipeline.config import DrawnData, StartConfig, StudyConfig
from dr_core.pipeline.requests import (
    DrawRequest,
    Measurement,
    MeasureRequest,
    Options,
    ReportRequest,
    Request,
)
from dr_core.study.drawn_data import DRAWN_DATA
from dr_core.training.execution import Execution
from dr_core.training.jobs.finetune import FinetuneRequest
from dr_core.training.jobs.pretrain import PretrainRequest
from dr_core.training.jobs.start import Start, choose_start
from dr_core.training.pretraining.registry import METHODS

_FULL = 100
"""Percent of the training patients behind a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One piece of work.

    Attributes:
        name: Unique, such as `"finetune-iwne_fs-f100-s0"`.
        kind: What it does, as `list_kinds` names it.
        request: What is asked for.
        needs: Names of the cells that must be done before.
    """

    name: str
    kind: str
    request: Request
    needs: tuple[str, ...] = ()


def build_cells(config: StudyConfig, out: Path) -> list[Cell]:
    """Lay a study out as cells.

    Args:
        config: The study.
        out: The study's folder.

    Returns:
        The cells, each behind those that it needs.

    Raises:
        InputError: If a set-up says not where it starts from.
    """
    plan = _Plan(config, out)
    cells = [*plan.draw(), *plan.pretrain(), *plan.finetune()]
    measured = [*plan.evaluate(cells), *plan.spectrum(), *plan.robustness(), *plan.localize(), *plan.further()]
    cells += measured
    last = tuple(cell.name for cell in measured)
    return [*cells, Cell(name="report", kind="report", request=ReportRequest(study=out), needs=last)]


@dataclass(frozen=True)
class _Pretraining:
    """A pretraining that the study itself does."""

    method: str
    data: Path

    @property
    def name(self) -> str:
        return f"{self.method}-{self.data.name}"


class _Plan:
    """Names, folders and requests of one study's cells."""

    def __init__(self, config: StudyConfig, out: Path) -> None:
        self.config, self.out, self.drawn = config, out, config.data.draw
        folder, data = out / "data", config.data
        self.train = folder / "train" if self.drawn else data.train
        self.validation = folder / "validation" if self.drawn else data.validation
        self.test = ({DRAWN_DATA["test"].key: folder / "test"} if self.drawn else {}) | data.test
        drawn_masks = folder / "segmented" if self.drawn and self.drawn.segmented else None
        self.idrid = data.idrid or drawn_masks
        self.seeds = tuple(dict.fromkeys((config.seed, *config.seeds)))
        self.fractions = tuple(sorted({_FULL, *config.fractions}, reverse=True))  # the checkpoints first
        self.execution = Execution(device=config.device)
        self.pretrainings = {setup.name: self._choose_pretraining(setup) for setup in config.setups}

    def draw(self) -> Iterator[Cell]:
        if self.drawn is None:
            return
        pretrained_on = {one.data for one in self.pretrainings.values() if one is not None}
        for name, request in _drawings(self.drawn, self.out / "data", self.config.seed).items():
            wanted = {"textures": request.out in pretrained_on, "segmented": request.out == self.idrid}
            if wanted.get(name, True):
                yield Cell(name=f"draw-{name}", kind="draw", request=request)

    def _needs(self, *folders: Path | None) -> tuple[str, ...]:
        """The drawing of each folder that the study draws."""
        drawn = self.out / "data"
        return tuple(f"draw-{folder.name}" for folder in folders if folder is not None and folder.parent == drawn)

    def _choose_pretraining(self, setup: Setup) -> _Pretraining | None:
        """The pretraining that the study does for a set-up: as declared, or as its initialization and method say."""
        given, train = self.config.starts.get(setup.name, StartConfig()), self.train
        if given.run or given.weights or train is None:
            return None
        if given.pretrain:
            return _Pretraining(given.pretrain, given.pretrain_data or train)
        if setup.pretraining not in METHODS:
            return None
        if setup.initialization == "none" and not METHODS[setup.pretraining].needs_labels:
            return _Pretraining(setup.pretraining, train)
        if self.drawn and setup.initialization == "imagenet":
            return _Pretraining(setup.pretraining, self.out / "data" / "textures")
        return None

    def _run(self, pretraining: _Pretraining) -> Path:
        return self.out / "runs" / f"{pretraining.name}-s{self.config.seed}"

    def pretrain(self) -> Iterator[Cell]:
        """One cell for each pretraining, however many set-ups start from it."""
        for one in dict.fromkeys(one for one in self.pretrainings.values() if one is not None):
            request = PretrainRequest(
                data=one.data,
                out=self._run(one),
                method=one.method,
                config=replace(self.config.pretraining(one.method), seed=self.config.seed),
                arch=self.config.arch,
                contrast=self.config.contrast,
                execution=self.execution,
                keep_every=self.config.keep_every,
            )
            yield Cell(name=f"pretrain-{one.name}", kind="pretrain", request=request, needs=self._needs(one.data))

    def _start(self, setup: Setup) -> tuple[Start, tuple[str, ...]]:
        """Where a finetuning starts from, and the cell that makes it."""
        given, pretraining = self.config.starts.get(setup.name, StartConfig()), self.pretrainings[setup.name]
        if pretraining is not None:
            return choose_start(setup, self._run(pretraining)), (f"pretrain-{pretraining.name}",)
        return choose_start(setup, given.run, given.weights), ()

    def finetune(self) -> Iterator[Cell]:
        """Set-ups x fractions x seeds."""
        for percent in self.fractions:
            for seed in self.seeds:
                for setup in self.config.setups:
                    yield self._finetune(setup, percent, seed)

    def _finetune(self, setup: Setup, percent: int, seed: int) -> Cell:
        config, (start, needs) = self.config, self._start(setup)
        request = FinetuneRequest(
            data=self.train or Path(),
            study=self.out,
            setup=setup,
            start=start,
            config=replace(config.finetuning(setup), seed=seed),
            validation=self.validation,
            percent=percent,
            arch=config.arch,
            contrast=config.contrast,
            half=config.half,
            execution=self.execution,
            allow_overlap=config.data.allow_overlap,
            allow_test_split=config.data.allow_test_split,
        )
        needs = (*self._needs(self.train, self.validation), *needs)
        return Cell(name=f"finetune-{setup.name}-f{percent}-s{seed}", kind="finetune", request=request, needs=needs)

    def _device_of(self, measurement: str) -> str:
        """Empty of an experiment that has no choice."""
        return "" if find_experiment(measurement).on_processor else self.config.device

    def _measure(self, kind: Measurement, key: str, needs: tuple[str, ...], options: Options) -> Cell:
        data = self.test[key]
        request = MeasureRequest(
            measurement=kind,
            study=self.out,
            data=data,
            key=key,
            device=self._device_of(kind),
            options=options,
            allow_overlap=self.config.data.allow_overlap,
        )
        return Cell(name=f"{kind}-{key}", kind=kind, request=request, needs=(*self._needs(data), *needs))

    def evaluate(self, cells: list[Cell]) -> Iterator[Cell]:
        """One cell a test set, one behind the other, since all of them write the same tables."""
        needs = tuple(cell.name for cell in cells if cell.kind == "finetune")
        before: tuple[str, ...] = ()
        for key in self.test:
            cell = self._measure("evaluate", key, (*needs, *before), self.config.evaluate)
            yield cell
            before = (cell.name,)

    def _checkpoints(self) -> tuple[str, ...]:
        """The training runs with all labels, of every seed: all of them are measured."""
        return tuple(f"finetune-{setup.name}-f{_FULL}-s{seed}" for seed in self.seeds for setup in self.config.setups)

    def spectrum(self) -> Iterator[Cell]:
        """On the first test set, as the paper's figures are."""
        yield self._measure("spectrum", next(iter(self.test)), self._checkpoints(), self.config.spectrum)

    def robustness(self) -> Iterator[Cell]:
        """On the first test set."""
        yield self._measure("robustness", next(iter(self.test)), self._checkpoints(), self.config.robustness)

    def localize(self) -> Iterator[Cell]:
        """On the eyes with masks, where there are any."""
        yield from self._measure_masks("localize")

    def further(self) -> Iterator[Cell]:
        """What the configuration asks for beside that: on eyes with masks, on the first test set, or on its own."""
        for name, options in self.config.further.items():
            if find_experiment(name).takes_masks:
                yield from self._measure_masks(name)
            elif not find_experiment(name).needs:  # it draws its own eyes
                request = MeasureRequest(
                    measurement=name, study=self.out, data=self.out, device=self._device_of(name), options=options
                )
                yield Cell(name=name, kind=name, request=request, needs=self._checkpoints())
            else:
                yield self._measure(name, next(iter(self.test)), self._checkpoints(), options)

    def _measure_masks(self, name: str) -> Iterator[Cell]:
        if self.idrid is None:
            return
        request = MeasureRequest(
            measurement=name,
            study=self.out,
            data=self.idrid,
            device=self._device_of(name),
            options=self.config.options_of(name),
        )
        yield Cell(name=name, kind=name, request=request, needs=(*self._needs(self.idrid), *self._checkpoints()))


def _drawings(drawn: DrawnData, out: Path, seed: int) -> dict[str, DrawRequest]:
    """Folder -> what is drawn into it; no patient is in two of them."""
    validation, test = drawn.patients, drawn.patients + drawn.validation_patients
    eyes = {"train": (drawn.patients, 0), "validation": (drawn.validation_patients, validation)}
    eyes["test"] = (drawn.test_patients, test)
    requests = {
        name: DrawRequest(content="phantoms", out=out / name, count=count, first=first, size=drawn.size, seed=seed)
        for name, (count, first) in eyes.items()
    }
    requests["textures"] = DrawRequest(
        content="textures", out=out / "textures", count=drawn.textures, size=drawn.texture_size or drawn.size, seed=seed
    )
    requests["segmented"] = DrawRequest(
        content="segmented", out=out / "segmented", count=drawn.segmented, size=4 * drawn.size, seed=seed
    )
    return requests
