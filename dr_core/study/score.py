"""Answers about any photographs, as one table: resumable, in parts on many machines, the same bytes in the end.

Beside `results.csv` stand `results.json` (which models and software, what the columns mean), `results.heatmaps/` where
asked for, and `results.parts/` with a journal of each part, by which a stopped run goes on and a later one asks only
about photographs that are new, have changed or could not be read. A batch that is not whole in the journals is asked
about again as a whole, since sums may be ordered otherwise in another batch.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dr_core
from dr_core.analysis.attribution import Explainer
from dr_core.data.grades import GRADES, referable_probability
from dr_core.data.photographs import HEATMAPS, Photograph, PhotographView, find_photographs, view_photographs
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.files import digest_file, held, replacing, write_json
from dr_core.models.checkpoint import LoadedModel, software_versions
from dr_core.models.prediction import predict_shared
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study
from dr_core.study.score_heatmaps import write_heatmaps
from dr_core.study.score_journal import Row, cut_half_line, journal_line, read_journals
from dr_core.study.shards import Shard

SCORE_COLUMNS: dict[str, str] = {
    "path": "photograph, from the folder that was given; the name alone of a file that was given",
    "setup": "set-up that answers; empty where the photograph could not be read",
    "grade": "the most probable ICDR grade, 0..4",
    **{f"p{grade}": f"softmax of grade {grade}, {name}" for grade, name in enumerate(GRADES)},
    "referable_3": "p3 + p4: the paper's reading, severe or worse",
    "referable_2": "p2 + p3 + p4: the ICDR standard, moderate or worse",
    "field_found": "1 where a round field of view was found, 0 where the whole picture was taken",
    "crop_left": "left edge of the part that the model saw, as a share of the photograph's width; may be negative",
    "crop_top": "its upper edge, as a share of the height",
    "crop_width": "its width, as a share of the photograph's; above 1 where it reaches beyond",
    "crop_height": "its height, likewise",
    "sharpness": "0..1, high where edges are fine",
    "luminance": "median luminance, 0..255",
    "warnings": "what is wrong with the photograph, in words; empty for a good one",
    "checkpoint": "first 12 digits of the checkpoint file's SHA-256",
    "error": "why the photograph could not be read; empty where it could",
}
"""Columns of the table, a row for each photograph and set-up; one row of a photograph that could not be read."""

SCHEMA = 1
"""Version of the table and of what stands beside it."""

TARGET = 3
"""The heatmaps start from severe DR. Source: paper, section 4.4."""

_AUTHOR = "DR Lens score"
_CPU_BATCH, _DEVICE_BATCH = 16, 64
_EXPLAINED_AT_ONCE = 4
"""Eyes of one LRP pass on a processor: it keeps every activation of a ResNet-50."""


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What is asked, and how it is computed.

    Attributes:
        setups: Set-ups that answer; none stands for all that have a checkpoint.
        heatmaps: Whether LRP heatmaps are written.
        batch_size: Photographs per forward pass; None takes 16 on a processor and 64 elsewhere.
        device: Where the models run.
        processes: Processes that decode, beside the models.
    """

    setups: tuple[str, ...] = ()
    heatmaps: bool = False
    batch_size: int | None = None
    device: str = "cpu"
    processes: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot be done, before anything is done."""
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"The batch size must be at least 1, not {self.batch_size}.")
        if self.processes < 1:
            raise InputError(f"There must be at least 1 process that decodes, not {self.processes}.")

    @property
    def batch(self) -> int:
        """Photographs per forward pass."""
        return self.batch_size or (_CPU_BATCH if self.device == "cpu" else _DEVICE_BATCH)


@dataclass(frozen=True, kw_only=True)
class ScoreReport:
    """How far it is: `done` of `total` photographs of this part, `unreadable` of those that this run looked at."""

    done: int
    total: int
    unreadable: int


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """What the finished table holds: photographs, and how many of them could not be read."""

    photographs: int
    unreadable: int


@dataclass(frozen=True)
class Scoring:
    """A run that may begin or go on.

    Attributes:
        out: The table.
        photographs: All photographs, sorted by name.
        models: Set-up -> model, on its device.
        header: What stands beside the table, without counts.
        config: What is asked.
    """

    out: Path
    photographs: tuple[Photograph, ...]
    models: dict[str, LoadedModel]
    header: dict[str, Any]
    config: ScoreConfig

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
    trained = [name for name in study.info.setups if study.has_checkpoint(name)]
    models = {setup: study.load_model(setup) for setup in sorted(config.setups or trained, key=list(SETUPS).index)}
    if not models:
        raise InputError(f"The study {study.name} has no trained model yet.")
    for setup, model in models.items():
        if len(model.info.classes) != len(GRADES):
            raise InputError(f"{setup} knows {len(model.info.classes)} classes, not the five grades; leave it out.")
        model.model.to(config.device)
    scoring = Scoring(out, photographs, models, _describe(study, given, models, config), config)
    out.parent.mkdir(parents=True, exist_ok=True)
    _check_ours(scoring)
    if not _header_path(out).is_file():
        write_json(_header_path(out), scoring.header)
    scoring.parts.mkdir(exist_ok=True)  # after the header, which says whose it is
    return scoring


def _header_path(out: Path) -> Path:
    return out.with_suffix(".json")


def _describe(
    study: Study, given: Sequence[Path], models: Mapping[str, LoadedModel], config: ScoreConfig
) -> dict[str, Any]:
    """Everything the numbers follow from; of folders a digest only, their names may be patients'."""
    roots = sorted({str((place if place.is_dir() else place.parent).resolve()) for place in given})
    versions = {"dr_lens": dr_core.__version__} | software_versions()
    return {
        "written_by": _AUTHOR,
        "schema": SCHEMA,
        "note": "Research use only, not for diagnosis.",
        "study": study.info.title,
        "given": hashlib.sha256("\n".join(roots).encode("utf-8", "surrogateescape")).hexdigest()[:16],
        "models": {setup: _describe_model(study, setup, model) for setup, model in models.items()},
        "device": config.device.partition(":")[0],
        "heatmaps": {"rule": "alpha1_beta0", "grade": TARGET} if config.heatmaps else None,
        "versions": versions,
        "columns": SCORE_COLUMNS,
    }


def _describe_model(study: Study, setup: str, model: LoadedModel) -> dict[str, Any]:
    way = model.info.preprocessing
    about = {"arch": model.info.arch, "size": way.size, "crop": way.crop, "contrast": way.contrast}
    trained = {"training_data": model.info.training_data, "data_fingerprint": model.info.data_fingerprint}
    return {"sha256": digest_file(study.checkpoint_path(setup))} | about | trained


def _check_ours(scoring: Scoring) -> None:
    """Refuse to write over what another run, or another program, has written."""
    out, path = scoring.out, _header_path(scoring.out)
    taken = [place for place in (out, scoring.parts, scoring.heatmaps) if place.exists()]
    if not path.is_file():  # asked last: another part may begin at this moment
        if taken:
            raise InputError(f"{taken[0]} was not written by this command; choose another --out.")
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        is_ours = stored["written_by"] == _AUTHOR
        different = [name for name, value in _identity(scoring.header).items() if _identity(stored)[name] != value]
    except (ValueError, KeyError, TypeError, AttributeError):
        is_ours, different = False, []
    if not is_ours:
        raise InputError(f"{path} was not written by this command; choose another --out.")
    if different:
        raise InputError(f"{out} was begun otherwise ({', '.join(different)} differ); choose another --out.")
    known = read_journals(scoring.parts, scoring.photographs).names | _names_in(out)
    lost = sorted(known - {photograph.name for photograph in scoring.photographs})
    if lost:
        raise InputError(
            f"{out} holds {len(lost)} photographs that are not given now, such as {lost[0]}; choose another --out."
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
        "versions": versions,
    }


def _names_in(out: Path) -> set[str]:
    if not out.is_file():
        return set()
    with out.open(encoding="utf-8", newline="") as file:
        return {row["path"] for row in csv.DictReader(file)}


def run_scoring(scoring: Scoring, shard: Shard) -> Iterator[ScoreReport]:
    """Ask about the photographs of one part that have not been asked about, are new, have changed or were unreadable.

    Args:
        scoring: The run.
        shard: The part.

    Yields:
        A report each batch.

    Raises:
        InputError: If another process does this part, or a model's answer is not a number.
        OSError: If the disk is full; the same command goes on from there.
    """
    name = f"{shard.number}-of-{shard.count}"
    with held(scoring.parts / f".{name}.lock", f"writes part {name} of {scoring.out}"):
        journal = scoring.parts / f"{name}.jsonl"
        cut_half_line(journal)
        journals = read_journals(scoring.parts, scoring.photographs)
        mine = shard.take(scoring.photographs)
        batches = [mine[start : start + scoring.config.batch] for start in range(0, len(mine), scoring.config.batch)]
        missing = [batch for batch in batches if not journals.have_answers(batch)]
        done, unreadable = len(mine) - sum(map(len, missing)), 0
        if not missing:
            return
        with journal.open("ab") as log:
            for batch, rows in _ask(scoring, missing):
                lines = [journal_line(photograph, found) for photograph, found in zip(batch, rows, strict=True)]
                log.write(b"".join(lines))
                log.flush()
                done += len(batch)
                unreadable += sum(bool(found[0]["error"]) for found in rows)
                yield ScoreReport(done=done, total=len(mine), unreadable=unreadable)


def _ask(scoring: Scoring, batches: list[list[Photograph]]) -> Iterator[tuple[list[Photograph], list[list[Row]]]]:
    """Decode in other processes, answer in this one, batch after batch: the rows of each photograph."""
    ways = list(dict.fromkeys(_way(model) for model in scoring.models.values()))
    explainers = (
        {setup: Explainer(model.model) for setup, model in scoring.models.items()} if scoring.config.heatmaps else {}
    )
    for batch, viewed in zip(batches, view_photographs(batches, ways, scoring.config.processes), strict=True):
        readable = {n: view for n, view in enumerate(viewed) if isinstance(view, PhotographView)}
        seen = list(readable.values())
        stacks = {way: np.stack([view.views[n] for view in seen]) for n, way in enumerate(ways)} if seen else {}
        answers = _answer(scoring, stacks)
        if explainers and seen:
            _write_maps(scoring, explainers, [batch[n] for n in readable], seen, stacks)
        rows: list[list[Row]] = [[{"path": one.name, "error": view}] for one, view in zip(batch, viewed, strict=True)]
        for place, (n, view) in enumerate(readable.items()):
            of_one = {setup: found[place] for setup, found in answers.items()}
            rows[n] = _rows(scoring, batch[n].name, view, of_one, ways)
        yield batch, rows


def _way(model: LoadedModel) -> Preprocessing:
    """How a model sees a photograph, before its colors are normalized."""
    return Preprocessing(size=model.info.preprocessing.size, crop=model.info.preprocessing.crop)


def _answer(scoring: Scoring, stacks: Mapping[Preprocessing, np.ndarray]) -> dict[str, np.ndarray]:
    """Set-up -> float64 (N, 5), softmax over the grades."""
    answers: dict[str, np.ndarray] = {}
    for way, views in stacks.items():
        alike = {setup: model for setup, model in scoring.models.items() if _way(model) == way}
        answers |= predict_shared(alike, views, scoring.config.batch, scoring.config.device)
    for setup, found in answers.items():
        if not np.isfinite(found).all():
            raise InputError(f"Some answers of {setup} are not numbers; its checkpoint is broken, train it again.")
    return answers


def _rows(
    scoring: Scoring, name: str, view: PhotographView, answers: Mapping[str, np.ndarray], ways: list[Preprocessing]
) -> list[Row]:
    quality = {
        "field_found": int(view.field_found),
        "sharpness": round(view.sharpness, 4),
        "luminance": round(view.luminance, 1),
        "warnings": " ".join(view.warnings),
        "error": "",
    }
    rows = []
    for setup, model in scoring.models.items():
        answer, part = answers[setup], view.parts[ways.index(_way(model))]
        edges = ("crop_left", "crop_top", "crop_width", "crop_height")
        rows.append(
            {"path": name, "setup": setup, "grade": int(answer.argmax())}
            | {f"p{grade}": _digits(value) for grade, value in enumerate(answer)}
            | {f"referable_{start}": _digits(referable_probability(answer, start)) for start in (3, 2)}
            | {edge: round(share, 4) for edge, share in zip(edges, part, strict=True)}
            | quality
            | {"checkpoint": scoring.header["models"][setup]["sha256"][:12]}
        )
    return rows


def _digits(probability: Any) -> str:  # noqa: ANN401 - numpy has many names for a number
    return f"{probability:.6f}"


def _write_maps(
    scoring: Scoring,
    explainers: Mapping[str, Explainer],
    photographs: Sequence[Photograph],
    seen: Sequence[PhotographView],
    stacks: Mapping[Preprocessing, np.ndarray],
) -> None:
    ways = list(stacks)
    at_once = _EXPLAINED_AT_ONCE if scoring.config.device == "cpu" else scoring.config.batch
    for start in range(0, len(seen), at_once):
        part = slice(start, start + at_once)
        relevances = {}
        for setup, model in scoring.models.items():
            inputs = model.info.preprocessing.normalize(stacks[_way(model)][part]).to(scoring.config.device)
            relevances[setup] = explainers[setup].attribute(inputs, TARGET).float().cpu().numpy()
        for n, (photograph, view) in enumerate(zip(photographs[part], seen[part], strict=True)):
            places = {setup: ways.index(_way(model)) for setup, model in scoring.models.items()}
            write_heatmaps(
                scoring.heatmaps / photograph.name,
                {setup: view.views[place] for setup, place in places.items()},
                {setup: found[n] for setup, found in relevances.items()},
                {setup: view.parts[place] for setup, place in places.items()},
                TARGET,
            )


def finish_scoring(scoring: Scoring) -> ScoreSummary | None:
    """Write the table from all journals; None while another part is not done."""
    places = read_journals(scoring.parts, scoring.photographs).places
    if not all(photograph.name in places for photograph in scoring.photographs):
        return None
    unreadable = 0
    with replacing(scoring.out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(SCORE_COLUMNS), restval="", lineterminator="\n")
        writer.writeheader()
        for photograph in scoring.photographs:
            writer.writerows(places[photograph.name].read())
            unreadable += not places[photograph.name].readable
    summary = ScoreSummary(photographs=len(scoring.photographs), unreadable=unreadable)
    write_json(_header_path(scoring.out), scoring.header | vars(summary))
    return summary
