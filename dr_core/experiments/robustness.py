"""Damaged eyes: every model's answer under every corruption and severity, and what follows from them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.bootstrap import PatientDraws, draw_patients, interval
from dr_core.analysis.discrimination import measure_auc
from dr_core.analysis.grading import count_confusion, measure_calibration, quadratic_kappa
from dr_core.analysis.localization import pool, relevance_mass_accuracy
from dr_core.analysis.robustness import (
    correlate_heatmaps,
    corruption_error,
    draw_means,
    find_flips,
    score_difference,
)
from dr_core.corruption import IMAGENET_C, MAX_SEVERITY, corrupt, find_corruption
from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import READINGS, TARGET_GRADE, TOTAL, referable_readings
from dr_core.data.idrid import SegmentedEye
from dr_core.data.protocol import scale_mask
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_shared
from dr_core.seeds import derive_seed

CLEAN = "clean"
"""Name of no damage in the tables, at severity 0."""

REFERENCE = "iwne_fs"
"""The set-up to which corruption errors are relative."""

PAIRS = {"iwne": ("iwne_cl", "iwne_fs"), "ifi": ("ifi_cl", "ifi_fs")}
"""Rows of Figure 4: contrastive minus supervised."""

_REFERABLE = "grades 2-4 against 0-1"
"""The reading of flips and of calibration: the ICDR standard's."""

_BATCH = 32
"""Eyes that are damaged at once; what a stopped run loses."""


@dataclass(frozen=True, kw_only=True)
class RobustnessConfig:
    """What is damaged how.

    Attributes:
        corruptions: Keys of `CORRUPTIONS`; the paper's are ImageNet-C's nineteen.
        severities: Numbers above 0, up to 5.
        draws: Bootstrap draws over patients.
        seed: Seed of the damage and of the draws. All models see the same damaged eyes.
    """

    corruptions: tuple[str, ...] = tuple(IMAGENET_C)
    severities: tuple[float, ...] = (1, 2, 3, 4, 5)
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done, before anything is done."""
        for name in self.corruptions:
            find_corruption(name)
        wrong = [level for level in self.severities if not 0 < level <= MAX_SEVERITY]
        if wrong or not self.severities or not self.corruptions:
            raise InputError(f"Severities must be above 0 and at most {MAX_SEVERITY}; give at least one of them.")


@dataclass(frozen=True, kw_only=True)
class RobustnessReport:
    """How far it is: `done` of `total` eyes, their rows, and the share of the time that the damaging took."""

    done: int
    total: int
    rows: pd.DataFrame
    share: float


def damage_eyes(
    data: str,
    models: Mapping[str, LoadedModel],
    store: Store,
    config: RobustnessConfig,
    *,
    rows: np.ndarray | None = None,
    device: str = "cpu",
) -> Iterator[RobustnessReport]:
    """Ask every model about every eye, clean and under every corruption and severity.

    An eye's damage follows from the seed and its name, so that neither batch nor shard changes it.

    Args:
        data: Key of the data set.
        models: Set-up -> model, on `device`.
        store: Graded eyes at model size.
        config: What is damaged how.
        rows: Int (M,), the rows of the store that are asked about; None takes all.
        device: Where eyes are damaged and models run.

    Yields:
        A report every few eyes, with rows as `RESULT_COLUMNS` describes `robustness`.

    Raises:
        InputError: If there are no eyes or no models.
    """
    rows = np.arange(len(store)) if rows is None else rows
    if len(rows) == 0 or not models:
        raise InputError("Robustness needs at least one eye and one trained model.")
    spent, started = 0.0, time.perf_counter()
    for start in range(0, len(rows), _BATCH):
        taken = rows[start : start + _BATCH]
        eyes = store.index.iloc[taken]
        clean = torch.from_numpy(np.ascontiguousarray(store.images[taken])).to(device)
        seeds = [derive_seed(config.seed, "damage", str(eye)) for eye in eyes["eye"]]
        parts = [_ask(models, clean, eyes, CLEAN, 0.0, device)]
        for name, severity in product(config.corruptions, config.severities):
            before = time.perf_counter()
            damaged = corrupt(clean, name, severity, seeds)
            spent += time.perf_counter() - before
            parts.append(_ask(models, damaged, eyes, name, severity, device))
        found = pd.concat(parts, ignore_index=True)
        found.insert(0, "data", data)
        share = spent / (time.perf_counter() - started)
        yield RobustnessReport(done=start + len(eyes), total=len(rows), rows=found, share=share)


def _ask(
    models: Mapping[str, LoadedModel], images: Tensor, eyes: pd.DataFrame, name: str, severity: float, device: str
) -> pd.DataFrame:
    views = images.permute(0, 2, 3, 1).cpu().numpy()
    about = eyes[["eye", "patient", "grade"]].reset_index(drop=True)
    parts = []
    for setup, answers in predict_shared(models, views, device=device).items():
        found = pd.DataFrame(answers.astype(np.float32), columns=ANSWERS)
        parts.append(pd.concat([about.assign(setup=setup, corruption=name, severity=float(severity)), found], axis=1))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class _Grid:
    """Answers on the same eyes under the same damage.

    Attributes:
        data: Key of the data set.
        cells: Corruption and severity of each cell, the clean one first.
        answers: Set-up -> float64 (cells, N, 5).
        grades: Int (N,).
        draws: Draws of the patients.
    """

    data: str
    cells: list[tuple[str, float]]
    answers: dict[str, np.ndarray]
    grades: np.ndarray
    draws: PatientDraws


def _grids(rows: pd.DataFrame, config: RobustnessConfig) -> Iterator[_Grid]:
    if bool(rows[ANSWERS].isna().any(axis=None)):
        raise InputError("Some probabilities of the damaged eyes are not numbers; compute them again.")
    for data, of_data in rows.groupby("data", sort=False):
        names = list(dict.fromkeys(of_data["corruption"]))
        rank = of_data["corruption"].map({name: number for number, name in enumerate(names)})
        of_data = of_data.assign(rank=rank).sort_values(["setup", "rank", "severity", "patient", "eye"], kind="stable")
        eyes = of_data.drop_duplicates(["patient", "eye"])[["patient", "eye", "grade"]]
        distinct = of_data.drop_duplicates(["corruption", "severity"])
        cells = list(zip(distinct["corruption"].astype(str), distinct["severity"].astype(float), strict=True))
        shape = (len(cells), len(eyes), len(ANSWERS))
        answers = {}
        for setup, part in of_data.groupby("setup", sort=False):
            if len(part) != len(cells) * len(eyes):
                raise InputError(f"{setup} lacks some damaged eyes of {data}; let `robustness` run to its end.")
            answers[str(setup)] = part[ANSWERS].to_numpy(np.float64).reshape(shape)
        draws = draw_patients(eyes["patient"].astype(str).to_numpy(), draws=config.draws, seed=config.seed)
        yield _Grid(str(data), cells, answers, eyes["grade"].to_numpy(np.int64), draws)


def summarize_robustness(rows: pd.DataFrame, config: RobustnessConfig) -> pd.DataFrame:
    """Measure every model under every corruption and severity.

    Args:
        rows: Rows of `robustness`.
        config: Draws and seed of the intervals.

    Returns:
        Rows as `RESULT_COLUMNS` describes `robustness_summary`.

    Raises:
        InputError: If a model lacks some of the damaged eyes, or a probability is not a number.
    """
    found: list[dict[str, object]] = []
    for grid in _grids(rows, config):
        for setup, answers in grid.answers.items():
            about = {"data": grid.data, "setup": setup}
            found += [about | row for row in _measure_cells(grid, answers)]
            if REFERENCE in grid.answers:
                found += [about | row for row in _measure_errors(grid, answers)]
    return pd.DataFrame(found)


def _row(cell: tuple[str, float], measure: str, reading: str, values: np.ndarray, n: int) -> dict[str, object]:
    value, low, high = interval(values)
    about = {"corruption": cell[0], "severity": cell[1], "measure": measure, "reading": reading}
    return about | {"value": value, "low": low, "high": high, "n": n}


def _measure_cells(grid: _Grid, answers: np.ndarray) -> Iterator[dict[str, object]]:
    eyes, n = np.arange(len(grid.grades)), len(grid.grades)
    true = draw_means(answers[:, eyes, grid.grades], grid.draws)
    referable = READINGS[_REFERABLE].score(answers)
    flips = draw_means(find_flips(referable[0], referable), grid.draws)
    labels = READINGS[_REFERABLE].positives(grid.grades)
    for number, cell in enumerate(grid.cells):
        yield _row(cell, "score of the true grade", "", true[number], n)
        yield _row(cell, "flip rate", _REFERABLE, flips[number], n)
        for reading in referable_readings():
            scores, truth = reading.score(answers[number]), reading.positives(grid.grades)
            yield _row(cell, "auc", reading.name, measure_auc(scores, truth, grid.draws), n)
        confusion = count_confusion(grid.grades, answers[number].argmax(axis=1), grid.draws)
        yield _row(cell, "quadratic_kappa", "five grades", quadratic_kappa(confusion), n)
        error = measure_calibration(np.clip(referable[number], 0, 1), labels, grid.draws).error
        yield _row(cell, "calibration_error", _REFERABLE, error, n)


def _measure_errors(grid: _Grid, answers: np.ndarray) -> Iterator[dict[str, object]]:
    """Corruption errors of the five grades, relative to the reference; the mean over corruptions last."""
    names = list(dict.fromkeys(name for name, _ in grid.cells if name != CLEAN))
    wrong = {
        key: draw_means(values.argmax(axis=-1) != grid.grades, grid.draws)
        for key, values in (("own", answers), ("reference", grid.answers[REFERENCE]))
    }
    of_name = [[number for number, (name, _) in enumerate(grid.cells) if name == one] for one in names]
    errors = corruption_error(wrong["own"][of_name], wrong["reference"][of_name])
    n = len(grid.grades)
    for name, values in zip(names, errors, strict=True):
        yield _row((name, float("nan")), "corruption error", "five grades", values, n)
    yield _row(("all", float("nan")), "corruption error", "five grades", errors.mean(axis=0), n)


def compare_training(rows: pd.DataFrame, config: RobustnessConfig) -> pd.DataFrame:
    """The paper's Figure 4: contrastive minus supervised, the score of the true grade.

    Args:
        rows: Rows of `robustness`.
        config: Draws and seed of the intervals.

    Returns:
        Rows as `RESULT_COLUMNS` describes `robustness_differences`.
    """
    found = []
    for grid in _grids(rows, config):
        for initialization, (first, second) in PAIRS.items():
            if {first, second} <= set(grid.answers):
                values = score_difference(grid.answers[first], grid.answers[second], grid.grades, grid.draws)
                for cell, value in zip(grid.cells, values, strict=True):
                    row = _row(cell, "", "", value, len(grid.grades))
                    kept = {key: row[key] for key in ("corruption", "severity", "value", "low", "high", "n")}
                    found.append({"data": grid.data, "initialization": initialization} | kept)
    return pd.DataFrame(found)


def move_heatmaps(
    data: str, models: Mapping[str, LoadedModel], eyes: Sequence[SegmentedEye], config: RobustnessConfig
) -> Iterator[RobustnessReport]:
    """Measure how far damage moves the heatmaps of eyes with masks, and how much of them stays on the lesions.

    Args:
        data: Key of the data set.
        models: Set-up -> model.
        eyes: Eyes with masks, in the models' own view.
        config: What is damaged how.

    Yields:
        A report an eye, with rows as `RESULT_COLUMNS` describes `robustness_heatmaps`.

    Raises:
        InputError: If there are no eyes or no models, or a photograph or mask cannot be read.
    """
    if not eyes or not models:
        raise InputError("Heatmaps under damage need at least one eye with masks and one trained model.")
    explainers = {setup: Explainer(model.model) for setup, model in models.items()}
    cells = list(product(config.corruptions, config.severities))
    for done, eye in enumerate(eyes, start=1):
        image = eye.read_image()
        field, total = find_field_of_view(image), eye.read_mask(TOTAL)
        seed = derive_seed(config.seed, "damage", eye.name)
        rows: list[dict[str, object]] = []
        for setup, model in models.items():
            way = model.info.preprocessing
            view = torch.from_numpy(way.to_model_view(image, field)).permute(2, 0, 1)[None]
            views = torch.cat([view, *(corrupt(view, name, severity, seed) for name, severity in cells)])
            mask = torch.from_numpy(scale_mask(total, way.size, crop=way.crop, rule="touched", field=field))
            maps = _explain(explainers[setup], way.normalize(views.permute(0, 2, 3, 1).numpy()))
            correlation = correlate_heatmaps(maps[:1].expand_as(maps), maps)
            mass = relevance_mass_accuracy(maps, mask.expand_as(maps)).numpy()
            about = {"data": data, "eye": eye.name, "setup": setup}
            for number, (name, severity) in enumerate([(CLEAN, 0.0), *cells]):
                measured = {"rank_correlation": correlation[number], "mass": mass[number]}
                rows.append(about | {"corruption": name, "severity": float(severity)} | measured)
        yield RobustnessReport(done=done, total=len(eyes), rows=pd.DataFrame(rows), share=float("nan"))


def _explain(explainer: Explainer, inputs: Tensor) -> Tensor:
    return torch.cat([pool(explainer.attribute(batch, TARGET_GRADE), "sum_pos") for batch in inputs.split(16)])
