"""Whether the head of a study, perhaps a stranger's, holds values of the kinds that its fields take."""

from pathlib import Path
from typing import TYPE_CHECKING

from dr_core.errors import Remedy
from dr_core.models.header import check_types

if TYPE_CHECKING:
    from dr_core.study.folder import StudyInfo

ROLES = ("pretraining", "training", "validation", "test", "calibration")
"""What a data set is for."""


def check_head(info: "StudyInfo") -> None:
    """Raise TypeError or ValueError where a value is not what its field takes."""
    check_types(info, str, ("title", "summary", "protocol", "created", "made_by"))
    check_types(info, dict, ("settings", "versions", "checkpoints"))
    _check_count("seed", info.seed)
    if not all(isinstance(text, str) for texts in (info.versions, info.checkpoints) for text in texts.values()):
        raise TypeError("versions or checkpoints that are no texts")
    for data in info.data:
        check_types(data, str, ("key", "title", "role", "description", "fingerprint", "label"))
        check_types(data, bool, ("real",))
        _check_count("images", data.images)
        if data.role not in ROLES:
            raise ValueError(f"the role of a data set is one of {', '.join(ROLES)}")
    keys = [data.key for data in info.data]
    if len(set(keys)) < len(keys):
        raise ValueError("two data sets of one key")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{name} must be a whole number, 0 or more")


def explain_missing_head(path: Path) -> tuple[str, Remedy | None]:
    """Why a folder without head is no study; a remedy only where it would harm nothing that lies there."""
    if any(path.glob("checkpoints/*")) or any(path.glob("results/*")):
        return (
            f"{path} holds checkpoints or results but no study.json, so their origin is unknown; put its study.json "
            "back.",
            None,
        )
    if (path / "runs").is_dir():
        return f"{path} is not finished yet: study.json is missing; resume the command that began it.", None
    return f"{path} holds no study: study.json is missing.", Remedy("make study", {"out": str(path)})
