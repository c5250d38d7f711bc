"""What a cell asks for: one frozen record a kind of work, from which a command line is rendered elsewhere."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dr_core.training.jobs.finetune import FinetuneRequest
from dr_core.training.jobs.pretrain import PretrainRequest

Options = dict[str, Any]
"""Name of a setting -> text, number, truth value or a list of them: `{"image_spectra": 8, "severity": [1, 3]}`."""

Measurement = str
"""Key of an experiment."""


@dataclass(frozen=True, kw_only=True)
class DrawRequest:
    """Drawing synthetic data in the place of published data.

    Attributes:
        content: `"phantoms"`, `"textures"` or `"segmented"`.
        out: Folder of the store.
        count: Patients (phantoms), images (textures) or eyes (segmented).
        first: Number of the first patient.
        size: Side in pixels.
        seed: Seed of everything.
    """

    content: Literal["phantoms", "textures", "segmented"]
    out: Path
    count: int
    first: int = 0
    size: int = 224
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Measuring the models of a study.

    Attributes:
        measurement: What is measured.
        study: The study's folder.
        data: Store of prepared eyes, or the folder of IDRiD for `"localize"`.
        key: Name of the data set in the tables; empty where the tables have none.
        device: Where the models run; empty where the measurement has no choice.
        options: Options in place of the measurement's own.
        allow_overlap: Whether eyes may be measured that have another role in the study, knowingly.
    """

    measurement: Measurement
    study: Path
    data: Path
    key: str = ""
    device: str = ""
    options: Options = field(default_factory=dict)
    allow_overlap: bool = False


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """Writing the report of a study.

    Attributes:
        study: The study's folder.
    """

    study: Path


Training = PretrainRequest | FinetuneRequest
Request = DrawRequest | Training | MeasureRequest | ReportRequest


def plain_values(request: Any, out: Path) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """A request as JSON can hold it; paths inside the study's folder are given from there, so that it can be moved.

    What it allows is left out, since it changes nothing of what is made.

    Args:
        request: The request.
        out: The study's folder.
    """

    def plain(value: object) -> object:
        if isinstance(value, Path):
            return str(value.relative_to(out)) if value.is_relative_to(out) else str(value)
        if isinstance(value, dict):
            return {str(name): plain(one) for name, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    values = {name: plain(value) for name, value in dataclasses.asdict(request).items()}
    values = {name: value for name, value in values.items() if not name.startswith("allow_")}
    return {"request": type(request).__name__} | values
