"""The cells of a study: commands of `train_cli.py`, and which of them must be done before which."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dr_core.models.setups import SETUPS
from dr_core.pipeline.config import DrawnData, Kind, Options, StudyConfig

_RECIPES = {"paper": "paper", "fine": "paper", "quick": "quick"}
"""Preset of the study -> preset of the recipes."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One command.

    Attributes:
        name: Unique, such as `"finetune-iwne_fs-f100-s0"`.
        kind: What it does.
        arguments: What stands behind `train_cli.py`.
        needs: Names of the cells that must be done before.
    """

    name: str
    kind: Kind
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()


def build_cells(config: StudyConfig, out: Path) -> list[Cell]:
    """Lay a study out as cells.

    Args:
        config: The study.
        out: The study's folder.

    Returns:
        The cells, each behind those that it needs.
    """
    plan = _Plan(config, out)
    cells = [*plan.draw(), *plan.pretrain(), *plan.finetune()]
    measured = [*plan.evaluate(cells), *plan.spectrum(), *plan.robustness(), *plan.localize()]
    cells += measured
    last = tuple(cell.name for cell in measured)
    return [*cells, Cell(name="report", kind="report", arguments=("report", "--study", str(out)), needs=last)]


class _Plan:
    """Names, places and arguments of one study's cells."""

    def __init__(self, config: StudyConfig, out: Path) -> None:
        self.config, self.out, self.drawn = config, out, config.data.draw
        folder = out / "data"
        self.train = folder / "train" if self.drawn else config.data.train
        self.validation = folder / "validation" if self.drawn else config.data.validation
        self.test = {"phantoms_test": folder / "test"} if self.drawn else config.data.test
        self.idrid = folder / "segmented" if self.drawn else config.data.idrid
        self.seeds = tuple(dict.fromkeys((config.seed, *config.seeds)))
        self.fractions = tuple(sorted({100, *config.fractions}, reverse=True))  # the checkpoints first

    def draw(self) -> Iterator[Cell]:
        if self.drawn is None:
            return
        for name, (kind, count, first, size) in _drawings(self.drawn).items():
            arguments = ["data", "draw", kind, "--out", str(self.out / "data" / name), "--count", str(count)]
            arguments += ["--first", str(first), "--size", str(size), "--seed", str(self.config.seed)]
            yield Cell(name=f"draw-{name}", kind="draw", arguments=tuple(arguments))

    def _needs(self, *names: str) -> tuple[str, ...]:
        return tuple(f"draw-{name}" for name in names) if self.drawn else ()

    def _shared(self) -> list[str]:
        config = self.config
        return [
            *("--preset", _RECIPES[config.preset], "--arch", config.arch, "--contrast", config.contrast),
            *("--device", config.device, "--seed"),
        ]

    def _pretrain(self, name: str, data: Path, method: str, options: Options) -> Cell:
        arguments = ["pretrain", "--method", method, "--data", str(data), "--out", str(self._run(name))]
        arguments += [*self._shared(), str(self.config.seed), *_options(options)]
        needs = self._needs(data.name) if self.drawn else ()
        return Cell(name=f"pretrain-{name}", kind="pretrain", arguments=tuple(arguments), needs=needs)

    def _run(self, name: str) -> Path:
        return self.out / "runs" / f"{name}-s{self.config.seed}"

    def pretrain(self) -> Iterator[Cell]:
        """MoCo v2 on the eyes; with drawn data also both trainings on the stand-in for ImageNet."""
        config = self.config
        if "iwne_cl" in config.setups and self.train is not None:
            yield self._pretrain("moco-train", self.train, "moco", config.pretrain)
        if self.drawn:
            textures = self.out / "data" / "textures"
            if "ifi_cl" in config.setups:
                yield self._pretrain("moco-textures", textures, "moco", config.pretrain)
            if "ifi_fs" in config.setups:
                kept = {name: value for name, value in config.pretrain.items() if name in ("epochs", "batch_size")}
                yield self._pretrain("supervised-textures", textures, "supervised", kept)

    def _start(self, setup: str) -> tuple[list[str], tuple[str, ...]]:
        """Options that say what a finetuning starts from, and the cell that makes it."""
        runs = {"iwne_cl": "moco-train"}
        if self.drawn:
            runs |= {"ifi_fs": "supervised-textures", "ifi_cl": "moco-textures"}
        if setup in runs:
            return ["--pretrained", str(self._run(runs[setup]))], (f"pretrain-{runs[setup]}",)
        if setup in self.config.imagenet:
            return ["--weights", str(self.config.imagenet[setup])], ()
        return [], ()

    def finetune(self) -> Iterator[Cell]:
        """Set-ups x fractions x seeds."""
        for percent in self.fractions:
            for seed in self.seeds:
                for setup in (name for name in SETUPS if name in self.config.setups):
                    yield self._finetune(setup, percent, seed)

    def _finetune(self, setup: str, percent: int, seed: int) -> Cell:
        start, needs = self._start(setup)
        recipe = self.config.iwne if SETUPS.find(setup).initialization == "none" else self.config.ifi
        arguments = ["finetune", "--setup", setup, "--fraction", str(percent), "--data", str(self.train)]
        if self.validation is not None:
            arguments += ["--validation", str(self.validation)]
        arguments += ["--study", str(self.out), *start, *self._shared(), str(seed), *_options(recipe)]
        return Cell(
            name=f"finetune-{setup}-f{percent}-s{seed}",
            kind="finetune",
            arguments=tuple(arguments),
            needs=(*self._needs("train", "validation"), *needs),
        )

    def _measure(self, kind: Kind, key: str, needs: tuple[str, ...], options: Options) -> Cell:
        arguments = [kind, "--study", str(self.out), "--data", str(self.test[key]), "--key", key]
        arguments += ["--device", self.config.device, *_options(options)]
        return Cell(name=f"{kind}-{key}", kind=kind, arguments=tuple(arguments), needs=(*self._needs("test"), *needs))

    def evaluate(self, cells: list[Cell]) -> Iterator[Cell]:
        """One cell a test set, one behind the other, since all of them write the same tables."""
        needs = tuple(cell.name for cell in cells if cell.kind == "finetune")
        for key in self.test:
            cell = self._measure("evaluate", key, needs, {})
            yield cell
            needs = (cell.name,)

    def _checkpoints(self) -> tuple[str, ...]:
        return tuple(f"finetune-{setup}-f100-s{self.config.seed}" for setup in self.config.setups)

    def spectrum(self) -> Iterator[Cell]:
        """On the first test set, as the paper's figures are."""
        yield self._measure("spectrum", next(iter(self.test)), self._checkpoints(), self.config.spectrum)

    def robustness(self) -> Iterator[Cell]:
        """On the first test set."""
        yield self._measure("robustness", next(iter(self.test)), self._checkpoints(), self.config.robustness)

    def localize(self) -> Iterator[Cell]:
        """On the eyes with masks, where there are any."""
        if self.idrid is None:
            return
        arguments = ["localize", "--study", str(self.out), "--idrid", str(self.idrid)]
        yield Cell(
            name="localize",
            kind="localize",
            arguments=(*arguments, *_options(self.config.localize)),
            needs=(*self._needs("segmented"), *self._checkpoints()),
        )


def _drawings(drawn: DrawnData) -> dict[str, tuple[str, int, int, int]]:
    """Folder -> kind, how many, number of the first, side in pixels."""
    validation, test = drawn.patients, drawn.patients + drawn.validation_patients
    return {
        "train": ("phantoms", drawn.patients, 0, drawn.size),
        "validation": ("phantoms", drawn.validation_patients, validation, drawn.size),
        "test": ("phantoms", drawn.test_patients, test, drawn.size),
        "textures": ("textures", drawn.textures, 0, drawn.size),
        "segmented": ("segmented", drawn.segmented, 0, 4 * drawn.size),
    }


def _options(options: Options) -> list[str]:
    """Options as the command line takes them; true alone stands for a switch."""
    given = []
    for name, value in options.items():
        if value is not False:
            given.append(f"--{name.replace('_', '-')}")
            given += [] if value is True else [str(value)]
    return given
