"""What a whole study is: its data, set-ups, fractions, seeds, recipes and the machines that compute it."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from dr_core.errors import InputError
from dr_core.models.architectures import ARCHITECTURES
from dr_core.models.setups import SETUPS

Preset = Literal["paper", "fine", "quick"]

Kind = Literal["draw", "pretrain", "finetune", "evaluate", "spectrum", "robustness", "localize", "report"]

Options = dict[str, str | int | float | bool]
"""Options of a command in place of the preset's, with underscores: `{"learning_rate": 1e-3}`."""


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"`{name}` must be one of {', '.join(choices)}, not {value!r}.")


@dataclass(frozen=True, kw_only=True)
class DrawnData:
    """Phantoms in the place of published data; every number is one of images or patients.

    Attributes:
        patients: Phantom patients to train on, two eyes each.
        validation_patients: Patients by whom epochs are chosen.
        test_patients: Patients held out.
        textures: Images of the stand-in for ImageNet.
        segmented: Eyes with lesion masks.
        size: Side of the stored eyes in pixels.
    """

    patients: int = 48
    validation_patients: int = 24
    test_patients: int = 24
    textures: int = 160
    segmented: int = 3
    size: int = 96


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the eyes lie.

    Attributes:
        train: Store of graded eyes.
        validation: Store of validation eyes; None splits them off `train`.
        test: Name in the tables -> store of graded eyes.
        idrid: Folder of IDRiD with `A. Segmentation`; None leaves Table 3 out.
        draw: Draws all of these instead; None takes the stores above.
    """

    train: Path | None = None
    validation: Path | None = None
    test: dict[str, Path] = field(default_factory=dict)
    idrid: Path | None = None
    draw: DrawnData | None = None


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


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A whole study.

    Attributes:
        preset: `"paper"`: its recipes, 224 px, whole image squashed. `"fine"`: the same recipes at 512 px, field of
            view cropped. `"quick"`: phantoms and slim networks, minutes on two cores.
        title: Name of the study for people; empty takes the folder's.
        seed: The study's seed; the set-ups' checkpoints are those of this seed.
        seeds: Seeds of the finetunings; the study's is always among them.
        fractions: Shares of the training patients, in percent; 100 is always among them.
        setups: Names of the set-ups.
        arch: Key of `ARCHITECTURES`.
        contrast: As in `Preprocessing`.
        device: `"auto"` takes a GPU where there is one.
        data: Where the eyes lie.
        imagenet: Set-up -> file of its published ImageNet weights; without it they are fetched.
        pretrain: Options of `pretrain` in place of the preset's.
        iwne: Options of `finetune` from scratch in place of the preset's.
        ifi: Options of `finetune` from ImageNet in place of the preset's.
        spectrum: Options of `spectrum`.
        robustness: Options of `robustness`.
        localize: Options of `localize`.
        resources: Kind of cell -> what each is given.
    """

    preset: Preset = "paper"
    title: str = ""
    seed: int = 0
    seeds: tuple[int, ...] = (0,)
    fractions: tuple[int, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    setups: tuple[str, ...] = tuple(SETUPS)
    arch: str = "resnet50"
    contrast: str = "none"
    device: str = "auto"
    data: Data = field(default_factory=Data)
    imagenet: dict[str, Path] = field(default_factory=dict)
    pretrain: Options = field(default_factory=dict)
    iwne: Options = field(default_factory=dict)
    ifi: Options = field(default_factory=dict)
    spectrum: Options = field(default_factory=dict)
    robustness: Options = field(default_factory=dict)
    localize: Options = field(default_factory=dict)
    resources: dict[str, Resources] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no study can be."""
        _check_choice("preset", self.preset, get_args(Preset))
        _check_choice("arch", self.arch, tuple(ARCHITECTURES))
        for setup in self.setups:
            _check_choice("setups", setup, tuple(SETUPS))
        for setup in self.imagenet:
            _check_choice("imagenet", setup, ("ifi_fs", "ifi_cl"))
        for kind in self.resources:
            _check_choice("resources", kind, get_args(Kind))
        wrong = [percent for percent in self.fractions if not 1 <= percent <= 100]
        if wrong:
            raise InputError(f"`fractions` must be percentages from 1 to 100, not {wrong[0]}.")
        if not self.setups:
            raise InputError("`setups` must name at least one set-up.")
        if self.data.draw is None and (self.data.train is None or not self.data.test):
            raise InputError(
                "`[data]` must name the prepared store `train` and at least one store under `[data.test]`; or draw "
                "phantoms with `[data.draw]`."
            )


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


def read_config(path: Path) -> StudyConfig:
    """Read a study's configuration.

    Args:
        path: A TOML file. Its tables and keys are the fields of `StudyConfig`; relative paths start from its folder.

    Returns:
        The configuration; what it does not say is the preset's.

    Raises:
        InputError: If the file is missing, no TOML, or has a key or a value that no study has.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; docs/reproduce.md shows one.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}.") from error
    base = QUICK if values.get("preset") == "quick" else None
    return _build(StudyConfig, values, base, path.parent, "")


def _build(kind: type, values: dict[str, Any], base: object, folder: Path, where: str) -> Any:  # noqa: ANN401
    """Make a dataclass of a TOML table; what the table lacks comes from `base` where there is one."""
    known = {one.name: one for one in dataclasses.fields(kind)}
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        place = f"`[{where}]`" if where else "the file"
        raise InputError(f"{place} has the unknown key {unknown[0]!r}; known are {', '.join(known)}.")
    given = {
        name: _convert(known[name].type, value, getattr(base, name, None), folder, f"{where}.{name}".lstrip("."))
        for name, value in values.items()
    }
    return dataclasses.replace(base, **given) if dataclasses.is_dataclass(base) else kind(**given)  # type: ignore[type-var]


_TABLES: dict[object, type] = {Data: Data, DrawnData | None: DrawnData}
_SCALARS: dict[object, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), Preset: (str,)}


def _convert(kind: object, value: object, base: object, folder: Path, where: str) -> object:
    if kind in _TABLES:
        return _build(_TABLES[kind], _expect(value, dict, where), base, folder, where)
    if kind == dict[str, Resources]:
        tables = _expect(value, dict, where)
        return {
            name: _build(Resources, _expect(table, dict, f"{where}.{name}"), None, folder, f"{where}.{name}")
            for name, table in tables.items()
        }
    if kind == Path | None:
        return folder / _expect(value, str, where)
    if kind == dict[str, Path]:
        paths = _expect(value, dict, where)
        return {name: folder / _expect(path, str, f"{where}.{name}") for name, path in paths.items()}
    if kind in (tuple[int, ...], tuple[str, ...]):
        element = int if kind == tuple[int, ...] else str
        return tuple(_expect(one, element, where) for one in _expect(value, list, where))
    if kind == Options:
        table = _expect(value, dict, where)
        return dict(base or {}) | {name: _expect_option(one, f"{where}.{name}") for name, one in table.items()}  # type: ignore[call-overload]
    types = _SCALARS[kind]
    if not isinstance(value, types) or isinstance(value, bool):
        raise InputError(f"`{where}` must be {' or '.join(one.__name__ for one in types)}, not {value!r}.")
    return value


def _expect(value: object, kind: type, where: str) -> Any:  # noqa: ANN401
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {dict: "a table", list: "a list", str: "a text", int: "a whole number"}
        raise InputError(f"`{where}` must be {words[kind]}, not {value!r}.")
    return value


def _expect_option(value: object, where: str) -> str | int | float | bool:
    if not isinstance(value, str | int | float | bool):
        raise InputError(f"`{where}` must be a text or a number, not {value!r}.")
    return value
