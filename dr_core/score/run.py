"""Asking about photographs part by part, and the table at the end."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dr_core.analysis.agreement import mean_answer
from dr_core.analysis.attribution import Explainer
from dr_core.analysis.controls import build_explainers
from dr_core.data.grades import POSITIVE, TARGET_GRADE, referable_probability, tells_grades
from dr_core.data.photographs import Photograph, PhotographView, view_photographs
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.files import defuse_row, held, replacing, write_json
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.folding import fold_models
from dr_core.models.prediction import predict_shared
from dr_core.models.validity import check_answers
from dr_core.score.heatmaps import write_heatmaps
from dr_core.score.journal import Row, cut_half_line, journal_line, read_journals
from dr_core.score.plan import ENSEMBLE, SCORE_COLUMNS, Scoring
from dr_core.study.shards import Shard

_EXPLAINED_AT_ONCE = 4
"""Eyes of one LRP pass on a processor: it keeps every activation of a ResNet-50."""

_FLIPS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
"""Steps through the rows and the columns of a view; the first leaves it as it is."""


@dataclass(frozen=True, kw_only=True)
class ScoreReport:
    """How far it is: `done` of `total` photographs of this part, `unreadable` of those that this run looked at."""

    done: int
    total: int
    unreadable: int


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """What the finished table holds.

    Attributes:
        photographs: Number of photographs.
        unreadable: How many of them could not be read.
        unanswered: Set-ups that give no answer about a photograph that could be read, added up over all of them.
    """

    photographs: int
    unreadable: int
    unanswered: int

    @property
    def is_whole(self) -> bool:
        """Whether every model answers about every photograph."""
        return not self.unreadable and not self.unanswered


def run_scoring(scoring: Scoring, shard: Shard) -> Iterator[ScoreReport]:
    """Ask about the photographs of one part that have not been asked about, are new, have changed or were unreadable.

    Args:
        scoring: The run.
        shard: The part.

    Yields:
        A report each batch.

    Raises:
        InputError: If another process does this part.
        OSError: If the disk is full; the same command goes on from there.
    """
    name = f"{shard.number}-of-{shard.count}"
    with held(scoring.parts / f".{name}.lock", f"writes part {name} of {scoring.out}"):
        journal = scoring.parts / f"{name}.jsonl"
        cut_half_line(journal)
        journals = read_journals(scoring.parts, scoring.photographs)
        mine = shard.take(scoring.photographs)
        missing = [photograph for photograph in mine if not journals.has_answers(photograph)]
        size, done, unreadable = scoring.config.batch, len(mine) - len(missing), 0
        if not missing:
            return
        with journal.open("ab") as log:
            for batch, rows in _ask(scoring, [missing[start : start + size] for start in range(0, len(missing), size)]):
                lines = [journal_line(photograph, found) for photograph, found in zip(batch, rows, strict=True)]
                log.write(b"".join(lines))
                log.flush()
                done += len(batch)
                unreadable += sum(bool(found[0]["error"]) for found in rows)
                yield ScoreReport(done=done, total=len(mine), unreadable=unreadable)


def _ask(scoring: Scoring, batches: list[list[Photograph]]) -> Iterator[tuple[list[Photograph], list[list[Row]]]]:
    """Decode in other processes, answer in this one, batch after batch: the rows of each photograph."""
    preprocessings = list(dict.fromkeys(_view_preprocessing(model) for model in scoring.models.values()))
    folded = fold_models(scoring.models)
    explainers = build_explainers(scoring.models, scoring.config.rule) if scoring.config.heatmaps else {}
    for batch, viewed in zip(batches, view_photographs(batches, preprocessings, scoring.config.processes), strict=True):
        readable = {n: view for n, view in enumerate(viewed) if isinstance(view, PhotographView)}
        seen = list(readable.values())
        stacks = (
            {one: np.stack([view.views[n] for view in seen]) for n, one in enumerate(preprocessings)} if seen else {}
        )
        answers = _answer(scoring, folded, stacks)
        if explainers and seen:
            _write_maps(scoring, explainers, [batch[n] for n in readable], seen, stacks)
        rows: list[list[Row]] = [[{"path": one.name, "error": view}] for one, view in zip(batch, viewed, strict=True)]
        for row, (n, view) in enumerate(readable.items()):
            of_one = {setup: found[row] for setup, found in answers.items()}
            rows[n] = _rows(scoring, batch[n].name, view, of_one, preprocessings)
        yield batch, rows


def _view_preprocessing(model: LoadedModel) -> Preprocessing:
    """How a model sees a photograph, before its colors are normalized."""
    return Preprocessing(size=model.info.preprocessing.size, crop=model.info.preprocessing.crop)


def _answer(
    scoring: Scoring, models: Mapping[str, LoadedModel], stacks: Mapping[Preprocessing, np.ndarray]
) -> dict[str, np.ndarray]:
    """Set-up -> float64 (N, 5), as `predict_shared`."""
    answers: dict[str, np.ndarray] = {}
    for preprocessing, views in stacks.items():
        alike = {setup: model for setup, model in models.items() if _view_preprocessing(model) == preprocessing}
        seen = [views[:, ::down, ::right] for down, right in (_FLIPS if scoring.config.flips else _FLIPS[:1])]
        found = [predict_shared(alike, one, scoring.config.batch, scoring.config.device, fill=True) for one in seen]
        answers |= {setup: np.mean([one[setup] for one in found], axis=0) for setup in alike}
    return answers


def _rows(
    scoring: Scoring,
    name: str,
    view: PhotographView,
    answers: Mapping[str, np.ndarray],
    preprocessings: list[Preprocessing],
) -> list[Row]:
    quality = {
        "field_found": int(view.field_found),
        "sharpness": round(view.sharpness, 4),
        "luminance": round(view.luminance, 1),
        "warnings": " ".join(view.warnings),
        "level": view.level,
        "error": "",
    }
    rows: list[Row] = []
    given: dict[str, np.ndarray] = {}
    for setup, model in scoring.models.items():
        answer, part = answers[setup], view.parts[preprocessings.index(_view_preprocessing(model))]
        if reason := _find_fault(model, answer):
            rows.append({"path": name, "setup": setup} | quality | {"reason": reason})
            continue
        given[setup] = answer
        edges = ("crop_left", "crop_top", "crop_width", "crop_height")
        rows.append(
            {"path": name, "setup": setup}
            | _give_answer(scoring, setup, answer)
            | {edge: round(share, 4) for edge, share in zip(edges, part, strict=True)}
            | quality
            | {"checkpoint": scoring.header["models"][setup]["sha256"][:12], "reason": ""}
        )
    if scoring.config.ensemble:
        mean = mean_answer(given)
        found = _give_answer(scoring, ENSEMBLE, mean[0]) if mean else {}
        reason = "" if mean else "fewer than two set-ups answer"
        rows.append({"path": name, "setup": ENSEMBLE} | found | quality | {"reason": reason})
    return rows + [
        {"path": name, "setup": setup} | quality | {"reason": reason} for setup, reason in scoring.refused.items()
    ]


def _give_answer(scoring: Scoring, setup: str, answer: np.ndarray) -> Row:
    """Grades and readings of an answer, float (5,), and what the operating point makes of them."""
    referable: Row = {f"referable_{start}": _digits(referable_probability(answer, start)) for start in (3, 2)}
    return _give_grades(answer) | referable | _apply_point(scoring, setup, answer)


def _give_grades(answer: np.ndarray) -> Row:
    """The likeliest grade and the probability of each; nothing of a model that does not tell them apart."""
    if not tells_grades(answer):
        return {}
    return {"grade": int(answer.argmax())} | {f"p{grade}": _digits(value) for grade, value in enumerate(answer)}


def _apply_point(scoring: Scoring, setup: str, answer: np.ndarray) -> Row:
    """Threshold of the operating point, and whether the answer, float (5,), reaches it, for each reading."""
    row: Row = {}
    for start, of_setup in scoring.thresholds.items():
        score = float(referable_probability(answer, start))  # type: ignore[arg-type]
        if setup in of_setup and not np.isnan(score):
            row |= {f"threshold_{start}": _digits(of_setup[setup]), f"flagged_{start}": int(score >= of_setup[setup])}
    return row


def _find_fault(model: LoadedModel, answer: np.ndarray) -> str:
    """Why an answer, float (5,), may not be given; empty where it may."""
    try:
        check_answers(f"The model of {model.info.setup}", answer[None], model.info)
    except InputError as error:
        return str(error)
    return ""


def _digits(probability: Any) -> str:  # noqa: ANN401 - numpy has many names for a number
    return "" if np.isnan(probability) else f"{probability:.6f}"


def _write_maps(
    scoring: Scoring,
    explainers: Mapping[str, Explainer],
    photographs: Sequence[Photograph],
    seen: Sequence[PhotographView],
    stacks: Mapping[Preprocessing, np.ndarray],
) -> None:
    preprocessings = list(stacks)
    at_once = _EXPLAINED_AT_ONCE if scoring.config.device == "cpu" else scoring.config.batch
    for start in range(0, len(seen), at_once):
        part = slice(start, start + at_once)
        relevances, reasons = {}, {}
        for setup, explainer in explainers.items():
            model = scoring.models[setup]
            inputs = model.info.preprocessing.normalize(stacks[_view_preprocessing(model)][part]).to(
                scoring.config.device
            )
            output = model.info.output_of(POSITIVE if model.info.positive_from else TARGET_GRADE)
            try:
                relevances[setup] = explainer.attribute(inputs, output).float().cpu().numpy()
            except InputError as error:
                reasons[setup] = str(error)
        for n, (photograph, view) in enumerate(zip(photographs[part], seen[part], strict=True)):
            places = {setup: preprocessings.index(_view_preprocessing(scoring.models[setup])) for setup in relevances}
            write_heatmaps(
                scoring.heatmaps / photograph.name,
                {setup: view.views[number] for setup, number in places.items()},
                {setup: found[n] for setup, found in relevances.items()},
                {setup: view.parts[number] for setup, number in places.items()},
                {setup: POSITIVE if scoring.models[setup].info.positive_from else TARGET_GRADE for setup in relevances},
                reasons,
            )


def finish_scoring(scoring: Scoring) -> ScoreSummary | None:
    """Write the table from all journals; None while another part is not done."""
    places = read_journals(scoring.parts, scoring.photographs).places
    if not all(photograph.name in places for photograph in scoring.photographs):
        return None
    unreadable = unanswered = 0
    with replacing(scoring.out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(SCORE_COLUMNS), restval="", lineterminator="\n")
        writer.writeheader()
        for photograph in scoring.photographs:
            rows = places[photograph.name].read()
            writer.writerows(defuse_row(row) for row in rows)
            unanswered += sum(bool(row.get("reason")) for row in rows)
            unreadable += not places[photograph.name].readable
    summary = ScoreSummary(photographs=len(scoring.photographs), unreadable=unreadable, unanswered=unanswered)
    write_json(scoring.header_path, scoring.header | vars(summary))
    return summary
