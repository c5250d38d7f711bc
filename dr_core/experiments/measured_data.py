"""The eyes that an experiment measured, described in the head of the study."""

from collections.abc import Mapping
from pathlib import Path

from dr_core.data.idrid import load_segmentation
from dr_core.data.store import open_store, read_header
from dr_core.errors import InputError
from dr_core.files import locked
from dr_core.study.drawn_data import DRAWN_MARK
from dr_core.study.eyes import open_graded
from dr_core.study.folder import DataSet, Study, add_data
from dr_core.study.staleness import SEGMENTED


def register_data(
    study: Study, data: Path | None, masks: Path | None, digests: Mapping[str, str], *, role: str, replace: bool
) -> None:
    """Describe the eyes on which a study was measured, so that their keys go on meaning them.

    Args:
        study: The study.
        data: Store of prepared eyes.
        masks: Folder of photographs with lesion masks.
        digests: Key of each data set -> digest of its eyes.
        role: What they are used for.
        replace: Whether a key that means other eyes means these from now on.
    """
    described = []
    for key, digest in digests.items():
        if key == SEGMENTED and masks is not None:
            described.append(_describe_masks(masks, digest, role))
        elif data is not None:
            described.append(_describe_store(key, data, digest, role))
    with locked(study.path / "study.json"):
        add_data(study.path, *described, replacing=replace)


_PURPOSES = {"test": "were measured", "calibration": "were calibrated", "training": "were trained"}


def _describe_store(key: str, data: Path, digest: str, role: str) -> DataSet:
    header = read_header(data)
    kind = "Eyes" if header else "Drawn eyes"
    return DataSet(
        key=key,
        title=str(header.get("title", key)),
        role=role,
        images=_count(data),
        real=bool(header),
        description=f"{kind} on which the models {_PURPOSES.get(role, 'were measured')}.",
        fingerprint=digest,
    )


def _count(data: Path) -> int:
    """Number of graded eyes; of all images where none has a grade."""
    try:
        return len(open_graded(data).store)
    except InputError:
        return len(open_store(data))


def _describe_masks(masks: Path, digest: str, role: str) -> DataSet:
    eyes = load_segmentation(masks)
    return DataSet(
        key=SEGMENTED,
        title="Eyes with lesion masks",
        role=role,
        images=len(eyes),
        real=not (masks / DRAWN_MARK).is_file(),
        description="Eyes on whose lesion masks the heatmaps were measured.",
        fingerprint=digest,
    )
