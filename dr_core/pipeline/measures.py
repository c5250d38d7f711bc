"""The experiments as a study's configuration names them: their settings checked, their cost asked for."""

from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Experiment, Workload
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.settings import build_config
from dr_core.pipeline.requests import Measurement, MeasureRequest, Options

_NAMES: dict[Measurement, str] = {
    "evaluate": "performance",
    "spectrum": "spectrum",
    "robustness": "robustness",
    "localize": "localization",
}
"""Table of the configuration, and command, -> name of the experiment."""


def find_experiment(measurement: Measurement) -> Experiment:
    """The experiment behind a table of the configuration."""
    return EXPERIMENTS.find(_NAMES[measurement])


def read_settings(measurement: Measurement, options: Options) -> object:
    """The configuration of an experiment with what a study gives in place of its defaults.

    Raises:
        InputError: If there is no such setting, or a value is of another type, none of the choices or out of range.
    """
    try:
        config: object = build_config(find_experiment(measurement).config, options)
    except InputError as error:
        raise InputError(f"`[{measurement}]`: {error}") from error
    for name, value in options.items():
        if isinstance(value, int | float) and value < 0:
            raise InputError(f"`[{measurement}]`: `{name}` must not be below 0, as {value} is.")
    return config


def cost_of(request: MeasureRequest, eyes: int, models: int, runs: int, forward: float) -> Cost:
    """What a measurement will take.

    Args:
        request: The measurement.
        eyes: Eyes that it is given.
        models: Training runs with all labels.
        runs: Training runs of every fraction.
        forward: Images a second in one forward pass.
    """
    masks = request.measurement == "localize"
    work = Workload(
        eyes=0 if masks else eyes, segmented=eyes if masks else 0, models=models, runs=runs, forward=forward
    )
    return find_experiment(request.measurement).estimate(work, read_settings(request.measurement, request.options))
