"""An experiment: from a study's training runs and eyes to result tables, in parts that a stopped run takes up again."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dr_core.errors import InputError
from dr_core.experiments.measured_data import register_data
from dr_core.experiments.origins import trace_origin
from dr_core.experiments.runner import run_step
from dr_core.experiments.settings import Setting, list_settings
from dr_core.experiments.step import Report, Step
from dr_core.study.digests import digest_photographs, digest_store
from dr_core.study.folder import Study
from dr_core.study.ownership import check_data
from dr_core.study.role_members import Role
from dr_core.study.roles import register_roles, take_roles
from dr_core.study.shards import Shard
from dr_core.study.staleness import SEGMENTED

InputKind = Literal["graded eyes", "eyes", "segmented eyes"]
"""Prepared eyes with grades, any prepared eyes, or photographs with lesion masks in IDRiD's layout."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What an experiment is given beside a study.

    Attributes:
        kind: Which eyes.
        required: Whether it does nothing without them.
    """

    kind: InputKind
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Eyes on which a study is measured.

    Attributes:
        data: Folder of prepared eyes.
        key: Name of those eyes in the tables; None takes the folder's name.
        masks: Folder of photographs with lesion masks.
    """

    data: Path | None = None
    key: str | None = None
    masks: Path | None = None

    @property
    def data_key(self) -> str:
        """Name of the prepared eyes in the tables."""
        return self.key or ("" if self.data is None else self.data.name)

    def digest(self) -> dict[str, str]:
        """Key of each data set -> digest of its eyes.

        Raises:
            InputError: If prepared eyes are missing or damaged.
        """
        found = {} if self.data is None else {self.data_key: digest_store(self.data)}
        return found if self.masks is None else found | {SEGMENTED: digest_photographs(self.masks)}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What an experiment will have to do, and how fast.

    Attributes:
        eyes: Number of prepared eyes.
        segmented: Number of eyes with lesion masks.
        models: Training runs with all labels.
        runs: Training runs of every fraction.
        forward: Images a second that a network takes in one forward pass.
    """

    eyes: int
    segmented: int
    models: int
    runs: int
    forward: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What it will take.

    Attributes:
        seconds: Time.
        disk: Bytes that stay.
    """

    seconds: float
    disk: float


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment.

    Attributes:
        name: Name in code, study files and options.
        label: Name for people.
        question: What it answers, one sentence.
        tables: Table -> name of a column -> what it holds.
        needs: The eyes that it is given.
        config: Frozen dataclass of its settings, each field declared by `dr_core.experiments.settings.describe`.
        plan: From a study, its inputs, the settings and a device to the steps; refuses what cannot be done.
        estimate: From the work and the settings to what it will take.
        action: What measuring it is called in study files and remedies; empty takes the name.
        follows: Those of its tables that are computed again from its stored ones, without any eyes.
        role: Role that the eyes it is given have in the study from then on.
        on_processor: Whether its models run on the processor, whatever other device there is.
    """

    name: str
    label: str
    question: str
    tables: Mapping[str, Mapping[str, str]]
    needs: tuple[Need, ...]
    config: Callable[..., Any]
    plan: Callable[[Study, Inputs, Any, str], Sequence[Step]]
    estimate: Callable[[Workload, Any], Cost]
    action: str = ""
    follows: tuple[str, ...] = ()
    role: Role = "test"
    on_processor: bool = False

    @property
    def key(self) -> str:
        """Its name in study files and remedies."""
        return self.action or self.name

    @property
    def takes_masks(self) -> bool:
        """Whether photographs with lesion masks are what it is given, and no prepared eyes."""
        return {need.kind for need in self.needs if need.required} == {"segmented eyes"}

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Its settings, from which options and study files derive."""
        return list_settings(self.config)

    def run(
        self,
        study: Study,
        inputs: Inputs,
        config: object = None,
        *,
        shard: Shard | None = None,
        device: str = "cpu",
        replace: bool = False,
        allow_overlap: bool = False,
    ) -> Iterator[Report]:
        """Measure a study and write the tables.

        Work that an earlier run has finished, with the same settings, models and eyes, is not done again; rows of other
        data sets stay.

        Args:
            study: The study.
            inputs: The eyes.
            config: An instance of `config`; None takes the defaults.
            shard: Which part of the work is done here; None does all of it.
            device: Where the models run, unless `on_processor`.
            replace: Whether a key that means other eyes in this study means these from now on.
            allow_overlap: Whether eyes may be measured that have another role in the study, knowingly.

        Yields:
            Reports; the last one of each step says whether its tables have been written.

        Raises:
            InputError: If eyes are lacking or do not fit, there is no trained model, the key means other eyes, or the
                eyes have another role in the study.
        """
        self._check(inputs)
        device = "cpu" if self.on_processor else device
        digests = inputs.digest()
        for key, digest in digests.items():
            if not replace:
                check_data(study, key, digest)
        wanted = [(self.role, folder) for folder in (inputs.data, inputs.masks) if folder is not None]
        members, notes = take_roles(study.path, wanted, allow_overlap=allow_overlap)
        origin, written = trace_origin(study, digests, device), False
        for step in self.plan(study, inputs, self.config() if config is None else config, device):
            for report in run_step(study, step, shard or Shard(), origin):
                written |= report.written
                yield dataclasses.replace(report, notes=(*report.notes, *notes)) if report.written else report
        if written:
            register_roles(study.path, members)
            register_data(study, inputs.data, inputs.masks, digests, role=self.role, replace=replace)

    def _check(self, inputs: Inputs) -> None:
        given: dict[InputKind, Path | None] = {
            "graded eyes": inputs.data,
            "eyes": inputs.data,
            "segmented eyes": inputs.masks,
        }
        for need in self.needs:
            if need.required and given[need.kind] is None:
                raise InputError(f"{self.label} needs {need.kind}; name their folder.")
