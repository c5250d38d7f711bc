"""The experiments as a study's configuration names them: their settings checked, their cost asked for."""

from dr_core.errors import InputError
from dr_core.experiments.experiment import Cost, Workload
from dr_core.experiments.registry import find_experiment
from dr_core.experiments.settings import build_config
from dr_core.pipeline.requests import Measurement, MeasureRequest, Options
from dr_core.study.folder import open_study
from dr_core.study.staleness import find_stale


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
    masks = find_experiment(request.measurement).takes_masks
    work = Workload(
        eyes=0 if masks else eyes, segmented=eyes if masks else 0, models=models, runs=runs, forward=forward
    )
    return find_experiment(request.measurement).estimate(work, read_settings(request.measurement, request.options))


def is_measured(request: MeasureRequest) -> bool:
    """Whether the tables of a measurement are there, and of the present models and eyes."""
    tables = tuple(find_experiment(request.measurement).tables)
    if not (request.study / "study.json").is_file():
        return False
    study = open_study(request.study)
    if not study.has_results(tables[0]):
        return False
    if request.key and request.key not in set(study.read_columns(tables[0], ["data"])["data"]):
        return False
    return all(request.key not in ("", stale.data) for stale in find_stale(study, tables))
