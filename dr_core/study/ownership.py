"""Whose a study folder is: every writer asks before its first write, and leaves what is not its own as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dr_core.errors import InputError
from dr_core.files import digest_file
from dr_core.models.header import read_checkpoint_header
from dr_core.models.setups import MAX_SETUPS
from dr_core.study.folder import CONFIGURATION, Study, StudyInfo, open_study
from dr_core.study.runs import BEST

_HEADLESS = ("checkpoints", "results")
"""Folders whose files nobody can say the origin of without a head."""


@dataclass(frozen=True, kw_only=True)
class StudyClaim:
    """What a command that makes a whole study says of the study that it is about to write.

    Attributes:
        made_by: As in `StudyInfo`.
        title: Title of the study; empty claims any.
        seed: Seed of the study.
        settings: Settings that make it this study and no other; those of the folder must be equal.
    """

    made_by: str
    title: str
    seed: int
    settings: Mapping[str, object] = field(default_factory=dict)


def check_claim(path: Path, claim: StudyClaim) -> Study | None:
    """The study in a folder that a command may go on with.

    Args:
        path: The folder.
        claim: What the command would write there.

    Returns:
        The study; None where the folder holds none yet.

    Raises:
        InputError: If the folder holds another's study, checkpoints that its own runs did not make, or files of a study
            whose head is missing or damaged.
    """
    study = _open_or_none(path)
    if study is None:
        return None
    found = _find_difference(study.info, claim)
    if found:
        raise InputError(f"{path} holds another study, “{study.info.title}”: {found}. {_UNTOUCHED}")
    _check_own_checkpoints(study)
    return study


def check_training(path: Path, setup: str, percent: int, seed: int) -> None:
    """Make sure that a training run may write into a study.

    Args:
        path: Folder of the study.
        setup: Name of the set-up.
        percent: Share of the training patients, in percent.
        seed: Seed of the run.

    Raises:
        InputError: If the run would make a checkpoint of a study whose checkpoints were not made by its own runs, or
            the folder holds files of a study whose head is missing or damaged.
    """
    study = _open_or_none(path)
    if study is None:
        return
    _check_own_checkpoints(study)
    if percent == 100 and seed == study.info.seed and setup not in study.setups and len(study.setups) >= MAX_SETUPS:
        raise InputError(f"{path} compares {MAX_SETUPS} set-ups, the most that a study can; choose another folder.")


def check_data(study: Study, key: str, fingerprint: str) -> None:
    """Make sure that a key of the tables goes on meaning the data set that it means in this study.

    Args:
        study: The study.
        key: Name of the data set in the tables.
        fingerprint: Digest of the store that is to be measured under it.

    Raises:
        InputError: If the study knows another data set by this key.
    """
    known = {one.key: one for one in study.info.data}.get(key)
    if known is not None and known.fingerprint and known.fingerprint != fingerprint:
        raise InputError(
            f"{key!r} is {known.title} in the study {study.name} (digest {known.fingerprint}), and these eyes are "
            f"others (digest {fingerprint}); give them another key, or replace those. {_UNTOUCHED}"
        )


def check_page(path: Path, mark: str) -> None:
    """Make sure that a page that is to be written replaces one of the same kind, or nothing.

    Args:
        path: The page.
        mark: What a page of this kind has near its beginning.

    Raises:
        InputError: If another file has its name.
    """
    if path.is_file() and mark.encode() not in path.read_bytes()[:_HEAD_OF_PAGE]:
        raise InputError(f"{path} was not written by DR Lens; move it, or choose another file.")


def check_folder(path: Path, mark: str) -> None:
    """Make sure that files which are to be written into a folder replace files of the same kind, or nothing.

    Args:
        path: The folder.
        mark: Name of a file that every folder of this kind has.

    Raises:
        InputError: If it is a file, or a folder with other things in it.
    """
    if path.exists() and not (path / mark).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} is not empty and was not written by DR Lens; choose another folder.")


def check_vacant(path: Path) -> None:
    """Make sure that a folder which is to be made whole, in one step, takes the place of nothing.

    Args:
        path: The folder.

    Raises:
        InputError: If there is anything but an empty folder.
    """
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise InputError(f"{path} exists already and is not empty; name a new folder for the study. {_UNTOUCHED}")


_HEAD_OF_PAGE = 4096
_UNTOUCHED = "Nothing was written."


def _open_or_none(path: Path) -> Study | None:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder for the study.")
    if (path / "study.json").exists():
        return open_study(path)
    if any(file for folder in _HEADLESS for file in path.glob(f"{folder}/*")):
        open_study(path)  # says why it cannot be opened
    return None


def _find_difference(info: StudyInfo, claim: StudyClaim) -> str:
    """What speaks against the folder being the claimant's, in words; empty for nothing."""
    made_by = info.made_by or ("study" if CONFIGURATION in info.settings else "")
    if made_by != claim.made_by:
        return f"it was begun by {made_by!r}, not by {claim.made_by!r}" if made_by else "it was made elsewhere"
    if claim.title and info.title != claim.title:
        return f"its title is not “{claim.title}”"
    if info.seed != claim.seed:
        return f"its seed is {info.seed}, not {claim.seed}"
    for name, value in claim.settings.items():
        if name in info.settings and info.settings[name] != value:
            return f"its `{name}` is {info.settings[name]!r}, not {value!r}"
    return ""


def _check_own_checkpoints(study: Study) -> None:
    """Refuse a study that holds a checkpoint which its own training runs did not make."""
    for path in sorted(study.path.glob("checkpoints/*.safetensors")):
        if not _is_own(study, path):
            raise InputError(
                f"The checkpoint {path.stem} of the study “{study.info.title}” in {study.path} was not made by the "
                f"study's own training runs; train in another folder, or move the checkpoint away. {_UNTOUCHED}"
            )


def _is_own(study: Study, checkpoint: Path) -> bool:
    """Whether the head has a checkpoint's digest, or, in studies of earlier versions, its training run is there."""
    recorded = study.info.checkpoints.get(checkpoint.stem)
    if recorded is not None:
        return recorded == digest_file(checkpoint)
    best = study.path / "runs" / f"{checkpoint.stem}-f100-s{study.info.seed}" / BEST
    return best.is_file() and repr(read_checkpoint_header(best)) == repr(
        read_checkpoint_header(checkpoint)
    )  # NaN is not equal to itself
