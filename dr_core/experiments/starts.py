"""The weights that a finetuning started from, where the study or the cache still has them."""

import re
from dataclasses import dataclass

from dr_core.models.checkpoint import LoadedModel, read_info
from dr_core.models.imagenet_weights import cache_folder
from dr_core.study.digests import DIGITS, digest_of
from dr_core.study.folder import Study
from dr_core.study.run_history import CONFIG, read_object
from dr_core.study.runs import TrainingRun
from dr_core.training.jobs.start import Start, build_start

_RECORD = re.compile(rf"(?P<name>[^/\\]+), weights (?P<digest>[0-9a-f]{{{DIGITS}}})")
"""How `Start.describe` writes a start into the configuration of a run folder."""


@dataclass(frozen=True)
class FoundStart:
    """What became of the start of a training run.

    Attributes:
        record: What the run folder says of it; empty where there is none.
        start: Where its weights are; None where they are not there any more.
        reason: Why there are none, a sentence; empty where there are.
    """

    record: str
    start: Start | None = None
    reason: str = ""


def find_start(study: Study, run: TrainingRun) -> FoundStart:
    """Look for the weights that a training run started from, the very ones by their digest.

    Args:
        study: The study.
        run: One of its training runs.

    Raises:
        InputError: If the configuration in its run folder is damaged.
    """
    stored = study.path / "runs" / f"{run.setup}-f{run.fraction}-s{run.seed}" / CONFIG
    if not stored.is_file():
        return FoundStart("", reason="The study has no run folder of this training, which would say what it was.")
    record = str(read_object(stored).get("start", ""))
    match = _RECORD.fullmatch(record)
    if match is None:
        return FoundStart(record, reason=f"It started from {record or 'unknown weights'}: there is no checkpoint.")
    folder, file = study.path / "runs" / match["name"], cache_folder() / match["name"]
    for path, start in (
        (folder / "last.ckpt", Start(source="run", path=folder)),
        (file, Start(source="file", path=file)),
    ):
        if path.is_file() and digest_of(path) == match["digest"]:
            return FoundStart(record, start)
    return FoundStart(record, reason=f"The weights that it started from ({record}) are not in the study.")


def load_start(study: Study, run: TrainingRun, start: Start, device: str) -> LoadedModel:
    """The network before the finetuning, with the header of the finetuned one, whose preprocessing it takes.

    Raises:
        InputError: As `build_start`, or if the run's checkpoint is damaged.
    """
    info = read_info(run.path)
    network = build_start(study.setups[run.setup], start, info.arch, run.seed, info.preprocessing.size)
    return LoadedModel(network.eval().requires_grad_(False).to(device), info)
