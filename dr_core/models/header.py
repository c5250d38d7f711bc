"""What a checkpoint says of itself, read without PyTorch: a page that names the models need not wait for it."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from dr_core.data.grades import GRADES, POSITIVE, ReferableFrom, spread_binary, target_label
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.files import open_regular

SCHEMA = 1
"""Version of the header; a reader refuses a newer one."""

HEADER_KEY = "dr_lens"
"""Key of the metadata of a safetensors file under which the header stands."""

_MAX_HEADER_BYTES = 2**20
"""Ours takes 40 KB; safetensors itself would parse 100 MB."""

Outputs = Literal["grades", "cumulative", "regression", "referable"]
"""What the last layer gives: a logit for each grade; four logits, of "worse than grade 0, 1, 2, 3"; the grade itself, a
number from 0 to 4; or two logits, of the grades below a certain one and of that grade and the worse ones."""

OUTPUT_COUNTS: Mapping[Outputs, int] = {
    "grades": len(GRADES),
    "cumulative": len(GRADES) - 1,
    "regression": 1,
    "referable": 2,
}


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Everything that is known of a checkpoint besides its weights.

    Attributes:
        arch: Name of the architecture, as `find_architecture` takes it.
        setup: Name of the set-up.
        preprocessing: How an eye becomes the model's input; holds the input size.
        validation_auc: AUC of grades 3-4 against 0-2 on the validation eyes, by which this checkpoint was chosen.
        training_data: What it was trained on, one line for people.
        data_fingerprint: Digest of the training images and grades.
        training: The training configuration, plain values.
        classes: Names of the outputs.
        versions: Versions of the software that wrote it.
        schema: Version of the header.
        outputs: What the last layer gives; anything but a logit for each grade becomes one by a rule of
            `dr_core.models.heads`.
        positive_from: Lowest grade of the second of two outputs; 0 where it answers about each of the five grades.
    """

    arch: str
    setup: str
    preprocessing: Preprocessing
    validation_auc: float
    training_data: str
    data_fingerprint: str
    training: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = GRADES
    versions: dict[str, str] = field(default_factory=lambda: software_versions())
    schema: int = SCHEMA
    outputs: Outputs = "grades"
    positive_from: ReferableFrom | Literal[0] = 0

    def spread(self, answers: np.ndarray) -> np.ndarray:
        """Write probabilities of the outputs, float (..., classes), beside the grades, (..., 5): `spread_binary`."""
        return spread_binary(answers, self.positive_from) if self.positive_from else answers

    def output_of(self, target: int) -> int:
        """Number of the output that answers for a grade, or for `POSITIVE`.

        Raises:
            InputError: If there is none: no output stands in for another.
        """
        number = 1 if self.positive_from and target == POSITIVE else target
        if (target == POSITIVE) != bool(self.positive_from) or not 0 <= number < len(self.classes):
            has = " and ".join(self.classes) if self.positive_from else f"the grades 0 to {len(self.classes) - 1}"
            count = "two" if self.positive_from else str(len(self.classes))
            raise InputError(
                f"No answer for {target_label(target)!r}, because this model has {count} outputs, {has}; choose one of "
                "them."
            )
        return number

    def can_answer(self, target: int) -> bool:
        """Whether an output answers for a grade, or for `POSITIVE`."""
        try:
            self.output_of(target)
        except InputError:
            return False
        return True


def software_versions() -> dict[str, str]:
    """Versions of what a number depends on."""
    import torch  # the header of a checkpoint is read before it is there
    import torchvision

    return {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__}


def read_checkpoint_header(path: str | Path) -> CheckpointInfo:
    """Read what a checkpoint says of itself; whether its weights fit, `dr_core.models.checkpoint.read_info` checks.

    Raises:
        InputError: If the file is missing, is not such a checkpoint, is of a newer schema, or has a damaged header.
    """
    path = Path(path)
    check_length(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return parse_header(path, file.metadata())
    except FILE_DEFECTS as error:
        raise InputError(f"{path.name} is not a safetensors file, or is cut off ({error}); write it again.") from error


FILE_DEFECTS = (SafetensorError, OSError, ValueError)
"""What reading a file raises that is no safetensors file."""


def check_length(path: Path) -> None:
    """Refuse a file that is missing, no regular one, or whose header takes gigabytes to parse, before it is parsed."""
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}; train the set-up, or put the file back.")
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= _MAX_HEADER_BYTES:
        raise InputError(f"{path.name} is not a safetensors file, or is cut off (a header of {length} bytes).")


def parse_header(path: Path, metadata: Mapping[str, str] | None) -> CheckpointInfo:
    """What the metadata of a safetensors file say.

    Args:
        path: The file.
        metadata: Its metadata.

    Raises:
        InputError: If they are not ours, of a newer schema, or damaged.
    """
    header = (metadata or {}).get(HEADER_KEY)
    if header is None:
        raise InputError(f"{path.name} holds weights but not DR Lens's header; it cannot be rebuilt from them.")
    try:
        values = json.loads(header)
        schema = int(values["schema"])
        if schema > SCHEMA:
            raise InputError(
                f"{path.name} was written by a newer DR Lens (schema {schema}, this one reads {SCHEMA}); "
                "update DR Lens to open it."
            )
        values["preprocessing"] = Preprocessing.from_dict(values["preprocessing"])
        values["classes"] = tuple(values["classes"])
        info = CheckpointInfo(**values)
        _check_info(info)
    except HEADER_DEFECTS as error:
        raise InputError(f"The header of {path.name} is damaged ({error}); write the checkpoint again.") from error
    return info


HEADER_DEFECTS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What parsing JSON and building dataclasses from it raises where someone tampered with it."""


def _check_info(info: CheckpointInfo) -> None:
    """Raise TypeError or ValueError where a value is not what its field takes; JSON can hold anything."""
    check_types(info, str, ("arch", "setup", "training_data", "data_fingerprint"))
    check_types(info, (int, float), ("validation_auc",))
    check_types(info, dict, ("training", "versions"))
    if not 1 <= len(info.classes) <= _MAX_CLASSES or not all(isinstance(name, str) for name in info.classes):
        raise ValueError("classes")
    if info.outputs not in OUTPUT_COUNTS:
        raise ValueError("outputs")
    positive, groups = (1, 2, 3, 4) if info.outputs == "referable" else (0,), len(info.classes)
    if info.positive_from not in positive or (info.positive_from and groups != OUTPUT_COUNTS["referable"]):
        raise ValueError("positive_from")


_MAX_CLASSES = 1000


def check_types(values: object, kind: type | tuple[type, ...], names: Sequence[str]) -> None:
    """Raise TypeError where an attribute that was read from a file is of another type."""
    for name in names:
        if not isinstance(getattr(values, name), kind):
            raise TypeError(f"{name} of the wrong type")
