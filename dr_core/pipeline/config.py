"""What a whole study is: its data, set-ups, fractions, seeds, recipes and the machines that compute it."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from dr_core.data.augment import PRETRAINING_AUGMENTATIONS
from dr_core.data.preprocessing import Contrast
from dr_core.devices import Device
from dr_core.errors import InputError
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.models.architectures import ARCHITECTURES
from dr_core.models.setups import PAPER, Setup, declare_setups
from dr_core.pipeline.measures import read_settings
from dr_core.pipeline.requests import Options
from dr_core.training.classification import FinetuneConfig
from dr_core.training.loop import LoopConfig, Recipe
from dr_core.training.pretraining.registry import METHODS, list_options
from dr_core.training.recipes import Preset as RecipePreset
from dr_core.training.recipes import choose_finetuning

Preset = Literal["paper", "fine", "quick"]

MEASURED = ("evaluate", "spectrum", "robustness", "localize")
"""Experiments that every study does; any other is done where the configuration has a table of its key."""


def list_kinds() -> tuple[str, ...]:
    """Kinds of cells: what is made, and every experiment that is registered now."""
    return ("draw", "pretrain", "finetune", *(one.key for one in EXPERIMENTS.values()), "report")


_RECIPES: dict[Preset, RecipePreset] = {"paper": "paper", "fine": "paper", "quick": "quick"}
"""Preset of the study -> preset of the recipes."""


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"`{name}` must be one of {', '.join(choices)}, not {value!r}.")


def _check_counts(where: str, record: object, least: dict[str, int]) -> None:
    for name, bound in least.items():
        if getattr(record, name) < bound:
            raise InputError(f"`{where}.{name}` must be at least {bound}, not {getattr(record, name)}.")


@dataclass(frozen=True, kw_only=True)
class DrawnData:
    """Phantoms in the place of published data; every number is one of images or patients.

    Attributes:
        patients: Phantom patients to train on, two eyes each.
        validation_patients: Patients by whom epochs are chosen.
        test_patients: Patients held out.
        textures: Images of the stand-in for ImageNet.
        segmented: Eyes with lesion masks; 0 leaves them out.
        size: Side of the stored eyes in pixels.
        texture_size: Side of the stand-in's images in pixels; 0 takes the eyes'.
    """

    patients: int = 48
    validation_patients: int = 24
    test_patients: int = 24
    textures: int = 160
    segmented: int = 3
    size: int = 96
    texture_size: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be drawn."""
        least = {"patients": 1, "validation_patients": 1, "test_patients": 1, "textures": 1, "size": 16}
        _check_counts("data.draw", self, least | {"segmented": 0, "texture_size": 0})


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the eyes lie.

    Attributes:
        train: Store of graded eyes.
        validation: Store of validation eyes; None splits them off `train`.
        test: Name in the tables -> store of graded eyes; with drawn data these come behind the drawn ones.
        idrid: Folder of IDRiD with `A. Segmentation`; None takes drawn eyes with masks, or leaves Table 3 out.
        draw: Draws training, validation and test eyes instead; None takes the stores above.
        allow_overlap: Whether eyes may have two roles, such as training and test, knowingly.
        allow_test_split: Whether eyes that were published for testing may be trained on, knowingly.
    """

    train: Path | None = None
    validation: Path | None = None
    test: dict[str, Path] = field(default_factory=dict)
    idrid: Path | None = None
    draw: DrawnData | None = None
    allow_overlap: bool = False
    allow_test_split: bool = False


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one cell of a kind is given.

    Attributes:
        processes: Processes that train together, each with its own GPU where `gpus` is not 0.
        gpus: GPUs of a cell, in all.
        cpus: Processor cores of each process.
        memory_gb: Memory of a cell.
        hours: Longest time of a job; a job that is cut off goes on in the next one.
        partition: SLURM's partition; empty takes the cluster's default.
    """

    processes: int = 1
    gpus: int = 0
    cpus: int = 2
    memory_gb: int = 16
    hours: float = 24.0
    partition: str = ""

    def __post_init__(self) -> None:
        """Refuse numbers that no machine has."""
        _check_counts("resources", self, {"processes": 1, "gpus": 0, "cpus": 1, "memory_gb": 1})
        if not self.hours > 0:
            raise InputError(f"`resources.hours` must be above 0, not {self.hours}.")


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """Where a set-up's finetuning starts from, as a study declares it; at most one of `pretrain`, `run`, `weights`.

    Without any, a set-up without pretraining starts from random weights, a pretraining on the eyes without labels is
    done by the study, and the published ImageNet weights are fetched, or, with drawn data, their stand-ins are
    pretrained. Any other set-up has to say.

    Attributes:
        pretrain: Method by which the study pretrains it, a key of `METHODS`.
        pretrain_data: Store for that; None takes the training eyes.
        run: Run folder of a pretraining that is done.
        weights: File of weights.
    """

    pretrain: str = ""
    pretrain_data: Path | None = None
    run: Path | None = None
    weights: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a start from two things."""
        _check_choice("pretrain", self.pretrain, ("", *METHODS))
        if sum(bool(one) for one in (self.pretrain, self.run, self.weights)) > 1:
            raise InputError("A set-up must start from one thing: `pretrain`, `run` or `weights`.")
        if self.pretrain_data is not None and not self.pretrain:
            raise InputError("`pretrain_data` belongs to `pretrain`; name the method there, or leave both out.")


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A whole study.

    Attributes:
        preset: `"paper"`: its recipes, 224 px, whole image squashed. `"fine"`: the same recipes at 512 px, field of
            view cropped. `"quick"`: phantoms and slim networks, minutes on two cores.
        title: Name of the study for people; empty takes the folder's.
        summary: One or two sentences about it; empty derives them from what it does.
        seed: The study's seed; the set-ups' checkpoints are those of this seed.
        seeds: Seeds of the finetunings; the study's is always among them.
        fractions: Shares of the training patients, in percent; 100 is always among them.
        setups: The set-ups.
        starts: Set-up -> where it starts from, where that does not follow from its initialization and pretraining.
        arch: Key of `ARCHITECTURES`.
        contrast: As in `Preprocessing`.
        half: Whether checkpoints are stored in 16 bits.
        device: `"auto"` takes a GPU where there is one.
        threads: Threads of each cell; 0 shares the cores. With 1 the numbers do not depend on how many cells run at
            once.
        data: Where the eyes lie.
        pretrain: Options of pretrainings in place of the preset's; a method takes those that it has.
        iwne: Options of `finetune` from scratch in place of the preset's.
        ifi: Options of `finetune` from external data, such as ImageNet, in place of the preset's.
        evaluate: Options of `evaluate`.
        spectrum: Options of `spectrum`.
        robustness: Options of `robustness`.
        localize: Options of `localize`.
        further: Key of each experiment that is done beside `MEASURED` -> its options.
        resources: Kind of cell -> what each is given.
    """

    preset: Preset = "paper"
    title: str = ""
    summary: str = ""
    seed: int = 0
    seeds: tuple[int, ...] = (0,)
    fractions: tuple[int, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    setups: tuple[Setup, ...] = PAPER
    starts: dict[str, StartConfig] = field(default_factory=dict)
    arch: str = "resnet50"
    contrast: Contrast = "none"
    half: bool = False
    device: Device = "auto"
    threads: int = 0
    data: Data = field(default_factory=Data)
    pretrain: Options = field(default_factory=dict)
    iwne: Options = field(default_factory=dict)
    ifi: Options = field(default_factory=dict)
    evaluate: Options = field(default_factory=dict)
    spectrum: Options = field(default_factory=dict)
    robustness: Options = field(default_factory=dict)
    localize: Options = field(default_factory=dict)
    further: dict[str, Options] = field(default_factory=dict)
    resources: dict[str, Resources] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no study can be."""
        _check_choice("preset", self.preset, get_args(Preset))
        _check_choice("arch", self.arch, tuple(ARCHITECTURES))
        _check_choice("contrast", self.contrast, get_args(Contrast))
        _check_choice("device", self.device, get_args(Device))
        for kind in self.resources:
            _check_choice("resources", kind, list_kinds())
        if not self.setups:
            raise InputError("`setups` must name at least one set-up.")
        declare_setups(self.setups)
        self._check_numbers()
        if self.data.draw is None and (self.data.train is None or not self.data.test):
            raise InputError(
                "`[data]` must name the prepared store `train` and at least one store under `[data.test]`; or draw "
                "phantoms with `[data.draw]`."
            )
        for setup in self.setups:
            self.finetuning(setup)  # every option is checked before anything runs
        _ = self.keep_every, [self.pretraining(method) for method in METHODS]
        for measurement in (*MEASURED, *self.further):
            read_settings(measurement, self.options_of(measurement))

    def options_of(self, measurement: str) -> Options:
        """Options of an experiment."""
        options: Options = getattr(self, measurement) if measurement in MEASURED else self.further[measurement]
        return options

    def _check_numbers(self) -> None:
        wrong = [percent for percent in self.fractions if not 1 <= percent <= 100]
        if wrong:
            raise InputError(f"`fractions` must be percentages from 1 to 100, not {wrong[0]}.")
        negative = [seed for seed in (self.seed, *self.seeds) if seed < 0]
        if negative:
            raise InputError(f"`seed` and `seeds` must not be below 0, as {negative[0]} is.")
        if self.threads < 0:
            raise InputError(f"`threads` must not be below 0, as {self.threads} is.")

    @property
    def recipes(self) -> RecipePreset:
        """Preset of the recipes."""
        return _RECIPES[self.preset]

    def finetuning(self, setup: Setup) -> FinetuneConfig:
        """Recipe of a set-up's finetuning, with what the study gives in place of the preset's."""
        where, options = ("iwne", self.iwne) if setup.initialization == "none" else ("ifi", self.ifi)
        return change_recipe(choose_finetuning(self.recipes, setup), options, where)

    def pretraining(self, method: str) -> LoopConfig:
        """Recipe of a method of pretraining, with those options of the study's that it has."""
        owners = list_options()
        given = {name: value for name, value in self.pretrain.items() if name not in _NO_RECIPE}
        own = {name: value for name, value in given.items() if method in owners.get(name, (method,))}
        if METHODS[method].needs_labels:  # learning rate and weight decay without labels are none for labels
            own = {name: value for name, value in own.items() if name in ("epochs", "batch_size")}
        recipe: LoopConfig = change_recipe(METHODS[method].recipes[self.recipes], own, "pretrain")
        augmentation = self.pretrain.get("augmentation")
        if augmentation is None or METHODS[method].needs_labels:
            return recipe
        _check_choice("pretrain.augmentation", augmentation, tuple(PRETRAINING_AUGMENTATIONS))
        return dataclasses.replace(recipe, augment=PRETRAINING_AUGMENTATIONS[augmentation])  # type: ignore[call-arg]

    @property
    def keep_every(self) -> int:
        """Epochs after each of which a pretraining's encoder is kept; 0 keeps the last alone."""
        value = self.pretrain.get("keep_every", 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InputError(f"`pretrain.keep_every` must be a whole number from 0 on, not {value!r}.")
        return value


_NO_RECIPE = ("augmentation", "keep_every")
"""Keys of `[pretrain]` that are no fields of a recipe."""


def change_recipe(recipe: Recipe, options: Options, where: str) -> Recipe:
    """A recipe with other values.

    Args:
        recipe: The preset's.
        options: Field -> value.
        where: Table of the configuration in which they stand, for messages.

    Raises:
        InputError: If the recipe has no such field, or the value is of another type or out of range.
    """
    known = {one.name for one in dataclasses.fields(recipe)} - {"augment", "seed"}  # the seed is the study's
    for name, value in options.items():
        if name not in known:
            raise InputError(f"`[{where}]` has the unknown key {name!r}; known are {', '.join(sorted(known))}.")
        before, hint = getattr(recipe, name), get_type_hints(type(recipe))[name]
        if get_origin(hint) is Literal:
            _check_choice(f"{where}.{name}", str(value), get_args(hint))
        wanted = int if before is None else type(before)
        fits = isinstance(value, (int, float) if wanted is float else wanted) and not isinstance(value, bool)
        if not fits:
            raise InputError(f"`{where}.{name}` must be {_TYPES[wanted]}, not {value!r}.")
    return dataclasses.replace(recipe, **options)


_TYPES: dict[type, str] = {int: "a whole number", float: "a number", str: "a text"}


QUICK = StudyConfig(
    preset="quick",
    fractions=(25, 100),
    arch="resnet50_slim",
    contrast="local",
    device="cpu",
    data=Data(draw=DrawnData()),
    pretrain={"epochs": 1, "queue": 64, "batch_size": 16},
    iwne={"epochs": 2, "small_epochs": 0},
    ifi={"epochs": 2, "small_epochs": 0},
    spectrum={"limit": 16, "image_spectra": 8},
    robustness={"eyes": 6, "severity": 3},
    localize={"protocol": "paper"},
)
"""The preset `quick`: every step, in minutes on two cores; its networks learn next to nothing."""
