"""Damaged eyes: every model's answers and heatmaps under every corruption and severity."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.controls import build_explainers
from dr_core.analysis.localization import pool, relevance_mass_accuracy
from dr_core.analysis.robustness import (
    correlate_heatmaps,
)
from dr_core.corruption import IMAGENET_C, MAX_SEVERITY, corrupt, find_corruption
from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import TARGET_GRADE, TOTAL
from dr_core.data.idrid import SegmentedEye
from dr_core.data.protocol import scale_mask
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS
from dr_core.experiments.settings import describe
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.folding import fold_models
from dr_core.models.prediction import predict_shared
from dr_core.seeds import derive_seed

CLEAN = "clean"
"""Name of no damage in the tables, at severity 0."""

_BATCH = 32
"""Eyes that are damaged at once; what a stopped run loses."""


@dataclass(frozen=True, kw_only=True)
class RobustnessConfig:
    """What is damaged how.

    Attributes:
        corruptions: Keys of `CORRUPTIONS`; the paper's are ImageNet-C's nineteen.
        severities: Numbers above 0, up to 5.
        eyes: Number of prepared eyes, evenly from all; 0 takes all.
        draws: Bootstrap draws over patients.
        seed: Seed of the damage and of the draws. All models see the same damaged eyes.
    """

    corruptions: tuple[str, ...] = describe(
        tuple(IMAGENET_C), "only this one; all 19 of ImageNet-C without it", name="corruption"
    )
    severities: tuple[float, ...] = describe((1, 2, 3, 4, 5), "above 0, up to 5", name="severity")
    eyes: int = describe(0, "only so many prepared eyes, evenly from all; 0 takes all", least=0)
    draws: int = describe(1000, "bootstrap draws over patients", least=1)
    seed: int = describe(0, "seed of damage and draws", least=0)

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
    folded = fold_models(models)
    spent, started = 0.0, time.perf_counter()
    for start in range(0, len(rows), _BATCH):
        taken = rows[start : start + _BATCH]
        eyes = store.index.iloc[taken]
        clean = torch.from_numpy(np.ascontiguousarray(store.read(taken))).to(device)
        seeds = [derive_seed(config.seed, "damage", str(eye)) for eye in eyes["eye"]]
        parts = [_ask(folded, clean, eyes, CLEAN, 0.0, device)]
        for name, severity in product(config.corruptions, config.severities):
            before = time.perf_counter()
            damaged = corrupt(clean, name, severity, seeds)
            spent += time.perf_counter() - before
            parts.append(_ask(folded, damaged, eyes, name, severity, device))
        found = pd.concat(parts, ignore_index=True)
        found.insert(0, "data", data)
        share = spent / (time.perf_counter() - started)
        yield RobustnessReport(done=start + len(eyes), total=len(rows), rows=found, share=share)


def _ask(
    models: Mapping[str, LoadedModel], images: Tensor, eyes: pd.DataFrame, name: str, severity: float, device: str
) -> pd.DataFrame:
    about = eyes[["eye", "patient", "grade"]].reset_index(drop=True)
    parts = []
    for setup, answers in predict_shared(models, images, device=device, fill=True).items():
        found = pd.DataFrame(answers.astype(np.float32), columns=ANSWERS)
        parts.append(pd.concat([about.assign(setup=setup, corruption=name, severity=float(severity)), found], axis=1))
    return pd.concat(parts, ignore_index=True)


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
    explainers = build_explainers(models, "alpha1_beta0")
    cells = list(product(config.corruptions, config.severities))
    for done, eye in enumerate(eyes, start=1):
        image = eye.read_image()
        field, total = find_field_of_view(image), eye.read_mask(TOTAL)
        seed = derive_seed(config.seed, "damage", eye.name)
        rows: list[dict[str, object]] = []
        for setup, model in models.items():
            preprocessing = model.info.preprocessing
            view = torch.from_numpy(preprocessing.to_model_view(image, field)).permute(2, 0, 1)[None]
            views = torch.cat([view, *(corrupt(view, name, severity, seed) for name, severity in cells)])
            mask = torch.from_numpy(
                scale_mask(total, preprocessing.size, crop=preprocessing.crop, rule="touched", field=field)
            )
            inputs = preprocessing.normalize(views.permute(0, 2, 3, 1).numpy())
            correlation, mass = _compare(explainers.get(setup), model, inputs, mask)
            about = {"data": data, "eye": eye.name, "setup": setup}
            for number, (name, severity) in enumerate([(CLEAN, 0.0), *cells]):
                measured = {"rank_correlation": correlation[number], "mass": mass[number]}
                rows.append(about | {"corruption": name, "severity": float(severity)} | measured)
        yield RobustnessReport(done=done, total=len(eyes), rows=pd.DataFrame(rows), share=float("nan"))


def _compare(
    explainer: Explainer | None, model: LoadedModel, inputs: Tensor, mask: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of every heatmap with the first one, and its mass on the mask; NaN where the model has no heatmap."""
    unknown = np.full(len(inputs), np.nan)
    if explainer is None or not model.info.can_answer(TARGET_GRADE):
        return unknown, unknown
    batches = inputs.split(16)  # type: ignore[no-untyped-call]
    maps = torch.cat([pool(explainer.attribute(batch, TARGET_GRADE), "sum_pos") for batch in batches])
    correlation = correlate_heatmaps(maps[:1].expand_as(maps), maps)
    return np.asarray(correlation), relevance_mass_accuracy(maps, mask.expand_as(maps)).numpy()
