"""What is asked about which photographs, and whether a table that is there already may be gone on with."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dr_core
from dr_core.analysis.attribution import RULES
from dr_core.analysis.controls import why_no_explainer
from dr_core.analysis.operating_points import CRITERIA, HALF
from dr_core.data.grades import GRADES, TARGET_GRADE, referable_readings
from dr_core.data.photographs import HEATMAPS, Photograph, find_photographs
from dr_core.errors import InputError
from dr_core.experiments.operating import find_thresholds
from dr_core.files import digest_file, fuse_cell, write_json
from dr_core.models.checkpoint import LoadedModel, software_versions
from dr_core.models.prediction import choose_batch
from dr_core.score.journal import read_journals
from dr_core.study.folder import Study

SCORE_COLUMNS: dict[str, str] = {
    "path": "photograph, from the folder that was given; the name alone of a file that was given",
    "setup": "set-up that answers, or ensemble, the mean of them; empty where the photograph could not be read",
    "grade": "the most probable ICDR grade, 0..4; empty, as all that a model with two outputs does not answer",
    **{f"p{grade}": f"softmax of grade {grade}, {name}" for grade, name in enumerate(GRADES)},
    "referable_3": "p3 + p4: the paper's reading, severe or worse",
    "referable_2": "p2 + p3 + p4: the ICDR standard, moderate or worse",
    "threshold_3": "threshold of the operating point on referable_3; the header says what it was chosen for",
    "flagged_3": "1 where referable_3 reaches it, 0 where it does not",
    "threshold_2": "the same on referable_2",
    "flagged_2": "1 where referable_2 reaches it, 0 where it does not",
    "field_found": "1 where a round field of view was found, 0 where the whole picture was taken",
    "crop_left": "left edge of the part that the model saw, as a share of the photograph's width; may be negative",
    "crop_top": "its upper edge, as a share of the height",
    "crop_width": "its width, as a share of the photograph's; above 1 where it reaches beyond",
    "crop_height": "its height, likewise",
    "sharpness": "0..1, high where edges are fine",
    "luminance": "median luminance, 0..255",
    "warnings": "what is wrong with the photograph, in words; empty for a good one",
    "level": "how far the photograph is from what models know: within, doubtful or outside; outside, it is no answer",
    "checkpoint": "first 12 digits of the checkpoint file's SHA-256",
    "error": "why the photograph could not be read; empty where it could",
    "reason": "why this set-up gives no answer about the photograph; empty where it does",
}
"""Columns of the table, a row for each photograph and set-up; one row of a photograph that could not be read."""

SCHEMA = 1
"""Version of the table and of what stands beside it."""

ENSEMBLE = "ensemble"
"""In the column of the set-ups: the mean of all that answer."""

_AUTHOR = "DR Lens score"


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What is asked, and how it is computed.

    Attributes:
        setups: Set-ups that answer; none stands for all that have a checkpoint.
        heatmaps: Whether heatmaps are written.
        rule: Attribution method of the heatmaps, a key of `RULES`.
        batch_size: Photographs per forward pass; None takes 8 on a processor and 64 elsewhere.
        device: Where the models run.
        processes: Processes that decode, beside the models.
        criterion: What the operating point was chosen for, such as `"specificity 0.9"`.
        chosen_on: Key of the eyes on which it was chosen; empty for the probability of one half, chosen on none.
        ensemble: Whether the mean of the set-ups answers as one more model.
        flips: Whether each answer is the mean over the view and its flips (left-right, up-down, both).
    """

    setups: tuple[str, ...] = ()
    heatmaps: bool = False
    rule: str = "alpha1_beta0"
    batch_size: int | None = None
    device: str = "cpu"
    processes: int = 2
    criterion: str = HALF
    chosen_on: str = ""
    ensemble: bool = False
    flips: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be done, before anything is done."""
        RULES.find(self.rule)
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"The batch size must be at least 1, not {self.batch_size}.")
        if self.processes < 1:
            raise InputError(f"There must be at least 1 process that decodes, not {self.processes}.")
        if (self.criterion == HALF) == bool(self.chosen_on):
            raise InputError(
                "An operating point is named by what it was chosen for and by the eyes on which it was chosen; name "
                "both, or neither for a probability of 0.5."
            )

    @property
    def batch(self) -> int:
        """Photographs per forward pass."""
        return self.batch_size or choose_batch(self.device)


@dataclass(frozen=True)
class Scoring:
    """A run that may begin or go on.

    Attributes:
        out: The table.
        photographs: All photographs, sorted by name.
        models: Set-up -> model, on its device.
        header: What stands beside the table, without counts.
        config: What is asked.
        refused: Set-up -> why its checkpoint gives no answer.
        thresholds: Lowest referable grade -> set-up -> threshold of the operating point.
    """

    out: Path
    photographs: tuple[Photograph, ...]
    models: dict[str, LoadedModel]
    header: dict[str, Any]
    config: ScoreConfig
    refused: dict[str, str] = field(default_factory=dict)
    thresholds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def header_path(self) -> Path:
        """File of the header."""
        return self.out.with_suffix(".json")

    @property
    def parts(self) -> Path:
        """Folder of the journals."""
        return self.out.with_suffix(".parts")

    @property
    def heatmaps(self) -> Path:
        """Folder of the heatmaps."""
        return self.out.with_suffix(HEATMAPS)


def plan_scoring(study: Study, given: Sequence[Path], out: Path, config: ScoreConfig) -> Scoring:
    """Find the photographs, load the models, and make sure that the table is theirs.

    Args:
        study: The study.
        given: Photographs, and folders of photographs.
        out: The table, `.csv`; its folder is made.
        config: What is asked.

    Raises:
        InputError: If there is no photograph or no model, or if `out` is another run's table.
    """
    if out.suffix != ".csv":
        raise InputError(f"The table must end in .csv, not {out.name!r}.")
    photographs = tuple(find_photographs(given))
    trained = [name for name in study.setups if study.has_checkpoint(name)]
    unknown = [name for name in config.setups if name not in study.setups]
    if unknown:
        known = ", ".join(study.setups)
        raise InputError(f"The study {study.name} has no set-up {unknown[0]!r}; its set-ups are {known}.")
    asked = [name for name in study.setups if name in (config.setups or trained)]
    models, refused = _load_models(study, asked)
    if not models:
        reasons = " ".join(refused.values())
        raise InputError(reasons or f"The study {study.name} has no trained model yet.")
    for setup, model in models.items():
        if not model.info.positive_from and len(model.info.classes) != len(GRADES):
            raise InputError(f"{setup} knows {len(model.info.classes)} classes, not the five grades; leave it out.")
        model.model.to(config.device)
    if config.ensemble:
        _check_ensemble(study, models)
    thresholds = _find_thresholds(study, config)
    header = _describe(study, given, models, config) | {"operating_point": _describe_point(config, thresholds)}
    scoring = Scoring(out, photographs, models, header, config, refused, thresholds)
    out.parent.mkdir(parents=True, exist_ok=True)
    _check_ours(scoring)
    if not scoring.header_path.is_file():
        write_json(scoring.header_path, scoring.header)
    scoring.parts.mkdir(exist_ok=True)  # after the header, which says whose it is
    return scoring


def _find_thresholds(study: Study, config: ScoreConfig) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {
        reading.positive_from: find_thresholds(study, config.criterion, config.chosen_on, reading.name)
        for reading in referable_readings()
    }
    if config.ensemble and config.criterion == HALF:  # other thresholds were chosen for each model, none for their mean
        found = {start: of_setup | {ENSEMBLE: CRITERIA[HALF].value} for start, of_setup in found.items()}
    return found


def _check_ensemble(study: Study, models: Mapping[str, LoadedModel]) -> None:
    if ENSEMBLE in study.setups:
        raise InputError(f"The study has a set-up named {ENSEMBLE}, so the mean cannot have that name.")
    told_apart = [setup for setup, model in models.items() if not model.info.positive_from]
    if len(told_apart) < 2:
        raise InputError(
            f"The mean of the set-ups needs two models that tell the five grades apart, not {len(told_apart)}."
        )


def _describe_point(config: ScoreConfig, thresholds: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    label = CRITERIA.find(config.criterion).label
    name = f"{label} on {config.chosen_on}" if config.chosen_on else label
    return {"name": name, "thresholds": {f"referable_{start}": values for start, values in thresholds.items()}}


def _load_models(study: Study, setups: Sequence[str]) -> tuple[dict[str, LoadedModel], dict[str, str]]:
    """The models that may answer, and why the others may not; a checkpoint that is missing raises."""
    models: dict[str, LoadedModel] = {}
    refused: dict[str, str] = {}
    for setup in setups:
        if not study.has_checkpoint(setup):
            study.load_model(setup)
        try:
            models[setup] = study.load_model(setup)
        except InputError as error:
            refused[setup] = str(error)
    return models, refused


def _describe(
    study: Study, given: Sequence[Path], models: Mapping[str, LoadedModel], config: ScoreConfig
) -> dict[str, Any]:
    """Everything the numbers follow from; of folders a digest only, their names may be patients'."""
    roots = sorted({str((path if path.is_dir() else path.parent).resolve()) for path in given})
    versions = {"dr_lens": dr_core.__version__} | software_versions()
    return {
        "written_by": _AUTHOR,
        "schema": SCHEMA,
        "note": "Research use only, not for diagnosis.",
        "study": study.info.title,
        "given": hashlib.sha256("\n".join(roots).encode("utf-8", "surrogateescape")).hexdigest()[:16],
        "models": {setup: _describe_model(study, setup, model) for setup, model in models.items()},
        "device": config.device.partition(":")[0],
        "heatmaps": _describe_heatmaps(models, config) if config.heatmaps else None,
        "ensemble": config.ensemble,
        "flips": config.flips,
        "versions": versions,
        "columns": SCORE_COLUMNS,
    }


def _describe_heatmaps(models: Mapping[str, LoadedModel], config: ScoreConfig) -> dict[str, Any]:
    """What the heatmaps show; of models that have none, why."""
    about: dict[str, Any] = {"rule": config.rule, "grade": TARGET_GRADE}
    groups = {setup: model.info.classes[1] for setup, model in models.items() if model.info.positive_from}
    reasons = {setup: why_no_explainer(model, config.rule) for setup, model in models.items()}
    left_out = {setup: reason for setup, reason in reasons.items() if reason}
    return about | ({"of_two_outputs": groups} if groups else {}) | ({"left_out": left_out} if left_out else {})


def _describe_model(study: Study, setup: str, model: LoadedModel) -> dict[str, Any]:
    preprocessing = model.info.preprocessing
    about = {
        "arch": model.info.arch,
        "size": preprocessing.size,
        "crop": preprocessing.crop,
        "contrast": preprocessing.contrast,
    }
    trained = {"training_data": model.info.training_data, "data_fingerprint": model.info.data_fingerprint}
    only = {"answers": f"{' and '.join(model.info.classes)} alone"} if model.info.positive_from else {}
    return {"sha256": digest_file(study.checkpoint_path(setup))} | about | trained | only


def _check_ours(scoring: Scoring) -> None:
    """Refuse to write over what another run, or another program, has written."""
    out, path = scoring.out, scoring.header_path
    taken = [existing for existing in (out, scoring.parts, scoring.heatmaps) if existing.exists()]
    if not path.is_file():  # asked last: another part may begin at this moment
        if taken:
            raise InputError(f"{taken[0]} was not written by this command; choose another folder.")
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        is_ours = stored["written_by"] == _AUTHOR
        different = [name for name, value in _identity(scoring.header).items() if _identity(stored)[name] != value]
    except (ValueError, KeyError, TypeError, AttributeError):
        is_ours, different = False, []
    if not is_ours:
        raise InputError(f"{path} was not written by this command; choose another folder.")
    if different:
        raise InputError(f"{out} was begun differently ({', '.join(different)} differ); choose another folder.")
    known = read_journals(scoring.parts, scoring.photographs).names | _names_in(out)
    lost = sorted(known - {photograph.name for photograph in scoring.photographs})
    if lost:
        raise InputError(
            f"{out} holds {len(lost)} photographs that are not given now, such as {lost[0]}; choose another folder."
        )


def _identity(header: Mapping[str, Any]) -> dict[str, Any]:
    """What must be alike in two runs that write one table."""
    versions = {name: version for name, version in header["versions"].items() if name != "python"}
    return {
        "schema": header["schema"],
        "folders": header["given"],
        "models": {setup: model["sha256"] for setup, model in header["models"].items()},
        "device": header["device"],
        "heatmaps": header["heatmaps"],
        "operating point": header.get("operating_point"),
        "ensemble": header.get("ensemble", False),
        "flips": header.get("flips", False),
        "versions": versions,
    }


def _names_in(out: Path) -> set[str]:
    if not out.is_file():
        return set()
    with out.open(encoding="utf-8", newline="") as file:
        return {fuse_cell(row["path"]) for row in csv.DictReader(file)}
