"""What the pipeline knows of each measurement: its options and what it costs."""

from dataclasses import dataclass
from typing import Literal

from dr_core.corruption import IMAGENET_C
from dr_core.errors import InputError
from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.localization import LocalizeConfig
from dr_core.experiments.robustness import RobustnessConfig
from dr_core.experiments.spectrum import SpectrumConfig
from dr_core.pipeline.requests import MeasureRequest, Options

_FORWARDS_OF_A_HEATMAP_EYE = 400.0
"""Forward passes as long as an eye of `localize` takes with four ResNet-50s: 14 s on two cores that answer 28 images a
second, added up from the times of benchmarks/attribution.py, prediction, inpainting and reading 12 megapixels."""

_SEEDED: dict[str, tuple[type, float]] = {"draws": (int, 1), "seed": (int, 0)}

_OPTIONS: dict[str, dict[str, tuple[type, float]]] = {
    "evaluate": {"specificity": (float, 0), "sensitivity": (float, 0)} | _SEEDED,
    "spectrum": {
        "batch_size": (int, 1),
        "limit": (int, 0),
        "image_spectra": (int, 0),
        "uncentered": (bool, 0),
        "seed": (int, 0),
    },
    "robustness": {"eyes": (int, 1), "corruption": (str, 0), "severity": (float, 0)} | _SEEDED,
    "localize": {"protocol": (str, 0), "percentile": (float, 0)} | _SEEDED,
}
"""Measurement -> option -> its type and its least value."""

_TYPES: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a measurement costs.

    Attributes:
        passes: Images that pass forward through a network.
        seconds: Time on top of that.
        disk: Bytes that stay.
    """

    passes: float
    seconds: float = 0.0
    disk: float = 0.0


def check_options(measurement: str, options: Options) -> None:
    """Make sure that a measurement has every option, and that each value can be one.

    Raises:
        InputError: If an option is unknown, of another type or out of range.
    """
    known = _OPTIONS[measurement]
    for name, value in options.items():
        if name not in known:
            raise InputError(f"`[{measurement}]` has the unknown key {name!r}; known are {', '.join(known)}.")
        kind, least = known[name]
        fits = isinstance(value, (int, float) if kind is float else kind) and (kind is bool) == isinstance(value, bool)
        if not fits:
            raise InputError(f"`{measurement}.{name}` must be {_TYPES[kind]}, not {value!r}.")
        if isinstance(value, int | float) and value < least:
            raise InputError(f"`{measurement}.{name}` must be at least {least:g}, not {value}.")
    _build_config(measurement, options)


def _build_config(measurement: str, options: Options) -> object:
    """The configuration that the options stand for; it refuses what cannot be measured."""
    if measurement == "evaluate":
        names = {"specificity": "at_specificity", "sensitivity": "at_sensitivity"}
        return MeasureConfig(**{names.get(name, name): value for name, value in options.items()})  # type: ignore[arg-type]
    if measurement == "spectrum":
        return SpectrumConfig(**{name: value for name, value in options.items() if name != "uncentered"})  # type: ignore[arg-type]
    if measurement == "robustness":
        lists = {"corruption": "corruptions", "severity": "severities"}
        given = {lists[name]: (value,) for name, value in options.items() if name in lists}
        return RobustnessConfig(**given)  # type: ignore[arg-type]
    lists = {"protocol": "protocols"}
    return LocalizeConfig(**{lists.get(n, n): (v,) if n in lists else v for n, v in options.items()})  # type: ignore[arg-type]


def cost_of(request: MeasureRequest, eyes: int, models: int, runs: int) -> Cost:
    """What a measurement costs.

    Args:
        request: The measurement.
        eyes: Eyes of the data set.
        models: Checkpoints of the study.
        runs: Training runs of the study, with every fraction and seed.
    """
    options = request.options
    measurement: Literal["evaluate", "spectrum", "robustness", "localize"] = request.measurement
    if measurement == "evaluate":
        return Cost(passes=eyes * runs, seconds=10, disk=eyes * models * 40.0)
    if measurement == "spectrum":
        taken = min(eyes, int(options.get("limit", 0)) or eyes)
        return Cost(passes=1.5 * taken * models, seconds=60, disk=2e6)
    if measurement == "robustness":
        taken = min(eyes, int(options.get("eyes", eyes)))
        states = 1 + (1 if "corruption" in options else len(IMAGENET_C)) * (1 if "severity" in options else 5)
        return Cost(passes=1.02 * taken * models * states, disk=taken * models * states * 30.0)
    return Cost(passes=eyes * _FORWARDS_OF_A_HEATMAP_EYE * models / 4, disk=1e6)
