"""The experiments: one registry that commands, studies, estimates, reports and pages read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dr_core.errors import InputError
from dr_core.experiments.calibration import CALIBRATION
from dr_core.experiments.concepts import CONCEPTS
from dr_core.experiments.experiment import Experiment
from dr_core.experiments.faithfulness import FAITHFULNESS
from dr_core.experiments.localization import LOCALIZATION
from dr_core.experiments.performance import PERFORMANCE
from dr_core.experiments.probe import PROBE
from dr_core.experiments.robustness import ROBUSTNESS
from dr_core.experiments.sanity import SANITY
from dr_core.experiments.similarity import SIMILARITY
from dr_core.experiments.spectrum import SPECTRUM
from dr_core.registry import Registry
from dr_core.study.tables import TABLES, Table


class _Experiments(Registry[Experiment]):
    """A registry whose members bring their tables along, so that a study can hold them."""

    def add(self, record: Experiment) -> Experiment:
        """Add an experiment and those of its tables that are new.

        Raises:
            InputError: If the name is taken.
        """
        added = super().add(record)
        for name, columns in record.tables.items():
            if name not in TABLES:
                TABLES.add(Table(name=name, columns=columns))
        return added

    @contextmanager
    def extended(self, *records: Experiment) -> Iterator[None]:
        """Hold further experiments and their tables for a while, as tests and trials do."""
        with ExitStack() as stack:
            stack.enter_context(TABLES.extended())
            stack.enter_context(super().extended(*records))
            yield


EXPERIMENTS: Registry[Experiment] = _Experiments(
    "experiment",
    (PERFORMANCE, SPECTRUM, ROBUSTNESS, LOCALIZATION, SANITY, FAITHFULNESS, CONCEPTS, SIMILARITY, PROBE, CALIBRATION),
)
"""The experiments: the paper's in its order, then those that it does not have."""


def find_experiment(key: str) -> Experiment:
    """The experiment of a name in study files and remedies.

    Raises:
        InputError: If there is none.
    """
    known = {experiment.key: experiment for experiment in EXPERIMENTS.values()}
    if key not in known:
        raise InputError(f"There is no experiment {key!r}; the experiments are {', '.join(known)}.")
    return known[key]
