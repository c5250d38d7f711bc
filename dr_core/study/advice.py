"""What is missing of a study and what would make it, in one place that knows whose the study is.

A remedy that would write over what its makers made is never given: a study that was made elsewhere is measured further,
never trained again. The words of commands are not the core's; who speaks to the user renders `Advice.remedy`.
"""

from dataclasses import dataclass
from pathlib import Path

from dr_core.errors import InputError, Remedy
from dr_core.study.folder import Study
from dr_core.study.ownership import check_training


@dataclass(frozen=True)
class Advice:
    """What is missing, and what would make it.

    Attributes:
        sentence: What is missing, and, where nothing can be made here, why; a whole sentence without any command.
        remedy: What would make it; None where whoever has the study must send it.
    """

    sentence: str
    remedy: Remedy | None = None


def advise_checkpoint(study: Study, setup: str) -> Advice:
    """Advice on the checkpoint of a set-up that a study lacks.

    Args:
        study: The study.
        setup: Name of the set-up; empty where the study names none.
    """
    label = study.setups[setup].label if setup in study.setups else setup or "any set-up"
    missing = f"The study {study.name} has no checkpoint of {label}."
    if not is_own(study):
        return Advice(f"{missing} Its other checkpoints were made elsewhere: ask their makers for this one.")
    if study.info.made_by == "study":
        remedy = Remedy("resume study", {"study": str(study.path)})
        return Advice(f"{missing} Resuming the study trains it.", remedy)
    return Advice(missing, Remedy("finetune", {"study": str(study.path), "setup": setup} if setup else {}))


def advise_no_study(folder: Path) -> Advice:
    """Advice on a folder that holds no study; a study is begun only where nothing lies."""
    if folder.is_dir() and any(folder.iterdir()):
        return Advice(f"{folder} holds no study: study.json is missing. Put it back, or open another folder.")
    return Advice(f"There is no study in {folder} yet.", Remedy("make study", {"out": str(folder)}))


def is_own(study: Study) -> bool:
    """Whether the study's own training runs made every checkpoint that it holds."""
    setup = next(iter(study.setups), "")
    try:
        check_training(study.path, setup, 100, study.info.seed)
    except InputError:
        return False
    return True
