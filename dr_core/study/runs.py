"""Training runs of a study: the unit of every claim about a set-up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dr_core.errors import InputError
from dr_core.study.digests import DIGITS, digest_of
from dr_core.study.folder import Study
from dr_core.study.run_history import is_finished, read_object

if TYPE_CHECKING:
    from dr_core.models.checkpoint import LoadedModel

ALL_LABELS = 100
"""Fraction of a training run that used every label, in percent."""

BEST = "best.safetensors"
"""File of a run folder: the checkpoint of its best epoch."""

LEFT_OUT = "weights.json"
"""File of a run folder whose weights were left out of an archive: `sha256`, the digest by which tables name them."""

RunKey = tuple[str, int, int]
"""Set-up, seed and fraction of a training run."""

_FOLDER = re.compile(r"(?P<setup>.+)-f(?P<fraction>\d+)-s(?P<seed>\d+)")


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training of one set-up with one seed and one fraction of the labels.

    Attributes:
        name: Unique in the study: the set-up of a checkpoint of the study's own seed, the name of the folder in `runs/`
            of any other.
        setup: Name of the set-up.
        seed: Seed of the training.
        fraction: Share of the training patients whose labels it used, in percent.
        path: Its checkpoint, or `LEFT_OUT` where its weights were left out of the archive that the study came from.
    """

    name: str
    setup: str
    seed: int
    fraction: int
    path: Path

    @property
    def key(self) -> "RunKey":
        """Set-up, seed and fraction, as rows of the tables have them."""
        return self.setup, self.seed, self.fraction

    @property
    def digest(self) -> str:
        """Digest of its checkpoint, 16 hexadecimal digits."""
        return digest_of(self.path) if self.has_weights else _recorded_digest(self.path)

    @property
    def has_weights(self) -> bool:
        """Whether its weights are in the study."""
        return self.path.name != LEFT_OUT

    @property
    def stamp(self) -> tuple[str, str]:
        """What changes when it is trained anew: its name with the digest of its checkpoint."""
        return self.name, self.digest


def _recorded_digest(path: Path) -> str:
    digest = read_object(path).get("sha256", "")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InputError(f"{path} is damaged: it holds no digest.")
    return digest[:DIGITS]


def list_training_runs(study: Study, *, without_weights: bool = False) -> tuple[TrainingRun, ...]:
    """All training runs that a study holds.

    Args:
        study: The study.
        without_weights: Whether those are among them whose weights were left out of an archive.

    Returns:
        First those in `checkpoints/`, of the study's own seed and all labels, in the order of the set-ups; then those
        in `runs/` of other seeds or fractions, all labels first, by seed and set-up. A run that is not at its end, or
        of a set-up that the study does not name, is none of its runs.
    """
    own = [
        TrainingRun(
            name=setup, setup=setup, seed=study.info.seed, fraction=ALL_LABELS, path=study.checkpoint_path(setup)
        )
        for setup in study.setups
        if study.has_checkpoint(setup)
    ]
    further = []
    found = [*study.path.glob(f"runs/*/{BEST}")]
    if without_weights:
        folders = {path.parent for path in found}
        found += [path for path in study.path.glob(f"runs/*/{LEFT_OUT}") if path.parent not in folders]
    for path in found:
        match = _FOLDER.fullmatch(path.parent.name)
        if match is None or match["setup"] not in study.setups or not is_finished(path.parent):
            continue
        seed, fraction = int(match["seed"]), int(match["fraction"])
        if (seed, fraction) != (study.info.seed, ALL_LABELS):
            name = path.parent.name
            further.append(TrainingRun(name=name, setup=match["setup"], seed=seed, fraction=fraction, path=path))
    order = list(study.setups)
    further.sort(key=lambda run: (-run.fraction, run.seed, order.index(run.setup)))
    return (*own, *further)


def runs_with_all_labels(study: Study) -> tuple[TrainingRun, ...]:
    """The training runs that used every label, the study's own seed first.

    Raises:
        InputError: If there is none.
    """
    runs = tuple(run for run in list_training_runs(study) if run.fraction == ALL_LABELS)
    if not runs:
        raise InputError(f"The study {study.name} has no trained model yet.")
    return runs


def load_runs(runs: Sequence[TrainingRun], device: str = "cpu") -> dict[str, "LoadedModel"]:
    """Models of training runs by the runs' names, on `device`; raises as `dr_core.models.checkpoint.load_model`."""
    from dr_core.models.checkpoint import load_model  # needs PyTorch, for which a list of runs does not wait

    models = {run.name: load_model(run.path, setup=run.setup) for run in runs}
    for model in models.values():
        model.model.to(device)
    return models


def name_runs(rows: pd.DataFrame, runs: Sequence[TrainingRun]) -> pd.DataFrame:
    """Replace the names of training runs by what they are.

    Args:
        rows: Rows whose column `setup` holds names of runs.
        runs: Those runs.

    Returns:
        The rows with the columns `setup`, `seed` and `fraction`.
    """
    known: Mapping[str, TrainingRun] = {run.name: run for run in runs}
    of_row = [known[str(name)] for name in rows["setup"]]
    return rows.assign(
        setup=[run.setup for run in of_row],
        seed=[run.seed for run in of_row],
        fraction=[run.fraction for run in of_row],
    )
