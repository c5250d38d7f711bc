"""What the pipeline asks of each measurement's experiment: its settings and what it costs."""

from typing import Any

from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Workload
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.settings import build_config
from dr_core.pipeline.requests import Measurement, MeasureRequest, Options

_EXPERIMENTS = {"evaluate": "performance", "localize": "localization"}
"""Measurement -> its experiment, where the names differ."""


def find_experiment(measurement: str) -> Experiment:
    """The experiment of a measurement."""
    return EXPERIMENTS[_EXPERIMENTS.get(measurement, measurement)]


def check_options(measurement: str, options: Options) -> None:
    """Make sure that a measurement has every option, and that each value can be one.

    Raises:
        InputError: If an option is unknown, of another type or out of range.
    """
    _build_config(measurement, options)


def _build_config(measurement: str, options: Options) -> Any:  # noqa: ANN401 - any experiment's configuration
    try:
        return build_config(find_experiment(measurement).config, options)
    except InputError as error:
        raise InputError(f"`[{measurement}]`: {error}") from error


def cost_of(request: MeasureRequest, eyes: int, models: int, runs: int, forward: float) -> Cost:
    """What a measurement costs.

    Args:
        request: The measurement.
        eyes: Eyes of the data set.
        models: Training runs of the study with all labels.
        runs: Training runs of the study, with every fraction and seed.
        forward: Images a second that a network takes in one forward pass.
    """
    measurement: Measurement = request.measurement
    work = Workload(eyes=eyes, segmented=eyes, models=models, runs=runs, forward=forward)
    return find_experiment(measurement).estimate(work, _build_config(measurement, request.options))
