"""Table 3 and beyond: do the heatmaps of every set-up lie on the lesions, and do the lesions matter?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from scipy import stats

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.knockout import knock_out, reduce_eye
from dr_core.analysis.localization import (
    draw_random_relevance,
    pool,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_recall,
)
from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import LESIONS, TARGET_GRADE, mask_names, referable_readings
from dr_core.data.idrid import SegmentedEye
from dr_core.data.protocol import PROTOCOLS, Protocol, view_with_masks
from dr_core.errors import InputError
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_views
from dr_core.seeds import derive_seed, numpy_generator
from dr_core.study.tables import RESULT_COLUMNS

SCORES = ("mass accuracy", "rank accuracy", "recall")
"""Equation 2, CLEVR-XAI's rank accuracy, equation 3 as its controls imply."""


@dataclass(frozen=True, kw_only=True)
class LocalizeConfig:
    """What is measured.

    Attributes:
        protocols: Keys of `PROTOCOLS`.
        poolings: Keys of `POOLINGS`; the paper's two.
        percentile: Of the recall; the paper's control rows imply 1.
        controls: Controls of each knock-out, at different places.
        draws: Bootstrap draws over eyes.
        seed: Seed of the random control, of the knock-out's control and of the draws.
    """

    protocols: tuple[str, ...] = ("paper", "fine")
    poolings: tuple[str, ...] = ("sum_pos", "l2_norm_sq")
    percentile: float = 1.0
    controls: int = 5
    draws: int = 1000
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class LocalizeReport:
    """How far it is: `done` of `total` eyes, and the rows of the eye that has just been done."""

    done: int
    total: int
    scores: pd.DataFrame
    knockouts: pd.DataFrame


def localize_eyes(
    models: dict[str, LoadedModel], eyes: Sequence[SegmentedEye], config: LocalizeConfig
) -> Iterator[LocalizeReport]:
    """Score every heatmap of every eye, and knock every lesion out.

    The protocol decides size and crop of the model's input; its color normalization stays the model's own.

    Args:
        models: Set-up -> model.
        eyes: Eyes with masks.
        config: What is measured.

    Yields:
        A report an eye, with rows as `RESULT_COLUMNS` describes `localization` and `knockout`.

    Raises:
        InputError: If there are no eyes or no models, or a photograph or mask cannot be read.
    """
    if not eyes or not models:
        raise InputError("Localization needs at least one eye with masks and one trained model.")
    explainers = {setup: Explainer(model.model) for setup, model in models.items()}
    for done, eye in enumerate(eyes, start=1):
        image = eye.read_image()
        masks = {mask: eye.read_mask(mask) for mask in mask_names()}
        rows: list[dict[str, object]] = []
        for name in config.protocols:
            rows += _score_eye(eye.name, PROTOCOLS[name], image, masks, models, explainers, config)
        knockouts = _knock_out_eye(eye.name, image, masks, models, config)
        yield LocalizeReport(done=done, total=len(eyes), scores=pd.DataFrame(rows), knockouts=pd.DataFrame(knockouts))


def _score_eye(
    eye: str,
    protocol: Protocol,
    image: np.ndarray,
    masks: dict[str, np.ndarray],
    models: dict[str, LoadedModel],
    explainers: dict[str, Explainer],
    config: LocalizeConfig,
) -> list[dict[str, object]]:
    view, scaled = view_with_masks(protocol, image, masks)
    present = {name: mask for name, mask in scaled.items() if masks[name].any()}
    rows = []
    for setup, model in models.items():
        way = replace(model.info.preprocessing, size=protocol.size, crop=protocol.crop)
        inputs = way.normalize(view[None])
        random = draw_random_relevance(tuple(inputs.shape), derive_seed(config.seed, eye, setup, protocol.name))
        maps = {"lrp": explainers[setup].attribute(inputs, TARGET_GRADE), "random": random}
        for method, relevance in maps.items():
            for pooling in config.poolings:
                about = {"eye": eye, "setup": setup, "protocol": protocol.name, "method": method, "pooling": pooling}
                pooled = pool(relevance, pooling)
                for lesion, mask in present.items():
                    scores = _scores(pooled, torch.from_numpy(mask)[None], config.percentile)
                    share = float(mask.mean())
                    rows += [
                        about | {"lesion": lesion, "score": name, "value": value, "share": share}
                        for name, value in scores.items()
                    ]
    return rows


def _scores(pooled: torch.Tensor, mask: torch.Tensor, percentile: float) -> dict[str, float]:
    values = (
        relevance_mass_accuracy(pooled, mask),
        relevance_rank_accuracy(pooled, mask),
        relevance_recall(pooled, mask, percentile),
    )
    return {name: value.item() for name, value in zip(SCORES, values, strict=True)}


def _knock_out_eye(
    eye: str, image: np.ndarray, masks: dict[str, np.ndarray], models: dict[str, LoadedModel], config: LocalizeConfig
) -> list[dict[str, object]]:
    small, reduced = reduce_eye(image, {lesion: masks[lesion] for lesion in LESIONS})
    seed = derive_seed(config.seed, eye, "knock-out")
    cases = [case for mask in mask_names() for case in knock_out(small, reduced, mask, seed, config.controls)]
    field = find_field_of_view(small)  # one crop for all, so that nothing but the painting differs
    pictures = [small, *(case.image for case in cases)]
    ways = dict.fromkeys(model.info.preprocessing for model in models.values())
    views = {way: np.stack([way.to_model_view(picture, field) for picture in pictures]) for way in ways}
    rows: list[dict[str, object]] = []
    for setup, model in models.items():
        answers = predict_views(model, views[model.info.preprocessing])
        measures = {
            "severe": answers[:, TARGET_GRADE],
            **{f"referable_{reading.positive_from}": reading.score(answers) for reading in referable_readings()},
        }
        for number, case in enumerate(cases, start=1):
            about = {"eye": eye, "setup": setup, "lesion": case.lesion, "kind": case.kind}
            about_place = {"painted": case.painted, "placed": case.placed}
            rows += [
                {**about, **about_place, "measure": name, "before": float(values[0]), "after": float(values[number])}
                for name, values in measures.items()
            ]
    return rows


def summarize_localization(scores: pd.DataFrame, config: LocalizeConfig) -> pd.DataFrame:
    """Average over the eyes that have the lesion: Table 3.

    Args:
        scores: Rows of `localization`.
        config: Draws and seed of the intervals.

    Returns:
        Rows as `RESULT_COLUMNS` describes `localization_summary`: mean and median with 95 % bootstrap intervals over
        eyes.
    """
    keys = ["protocol", "lesion", "setup", "method", "pooling", "score"]
    rows = []
    for key, part in scores.groupby(keys, sort=False):
        values = part["value"].to_numpy(float)
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        generator = numpy_generator(config.seed, "localization", len(values))  # the same eyes drawn for every set-up
        drawn = values[generator.integers(0, len(values), (config.draws, len(values)))]
        for statistic, reduce in (("mean", np.mean), ("median", np.median)):
            low, high = np.percentile(reduce(drawn, axis=1), (2.5, 97.5))
            about = dict(zip(keys, key, strict=True))
            control = float(np.nanmean(part["share"])) if about["score"] != "recall" else 1 - config.percentile / 100
            measured = {"statistic": statistic, "value": float(reduce(values)), "low": low, "high": high}
            rows.append(about | measured | {"n": len(values), "chance": control})
    return pd.DataFrame(rows)


BEYOND = "beyond control"
"""Kind in the summary: how much further than in the control the probability falls."""


def summarize_knockouts(knockouts: pd.DataFrame, config: LocalizeConfig) -> pd.DataFrame:
    """Average the falls of the probabilities over the eyes that have the lesion.

    Args:
        knockouts: Rows of `knockout`.
        config: Draws and seed of the intervals.

    Returns:
        Rows as `RESULT_COLUMNS` describes `knockout_summary`: for each kind, and for `BEYOND`, the mean change with its
        95 % bootstrap interval over eyes; an eye's controls are averaged first.
    """
    keys = ["lesion", "setup", "measure"]
    changes = knockouts.assign(change=knockouts["after"] - knockouts["before"])
    rows = []
    for key, part in changes.groupby(keys, sort=False):
        wide = part.pivot_table(index="eye", columns="kind", values="change", aggfunc="mean", sort=False)
        wide[BEYOND] = wide["removed"] - wide["control"]
        generator = numpy_generator(config.seed, "knock-out", len(wide))  # the same eyes drawn for every set-up
        drawn = generator.integers(0, len(wide), (config.draws, len(wide)))
        for kind in wide.columns:
            values = wide[kind].to_numpy(float)
            low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
            measured = {"kind": kind, "value": float(values.mean()), "low": low, "high": high, "n": len(values)}
            rows.append(dict(zip(keys, key, strict=True)) | measured)
    return pd.DataFrame(rows)


def compare_setups(scores: pd.DataFrame) -> pd.DataFrame:
    """Test each pair of set-ups on the same eyes by Wilcoxon's signed ranks.

    Args:
        scores: Rows of `localization`.

    Returns:
        Rows as `RESULT_COLUMNS` describes `localization_tests`; p is NaN where no eye differs.
    """
    rows = []
    keys = ["protocol", "lesion", "pooling", "score"]
    heatmaps = scores[scores["method"] == "lrp"]
    for key, part in heatmaps.groupby(keys, sort=False):
        wide = part.pivot_table(index="eye", columns="setup", values="value", sort=False)
        for first, second in combinations(wide.columns, 2):
            difference = (wide[first] - wide[second]).dropna().to_numpy()
            moved = bool(len(difference)) and bool((difference != 0).any())
            p = float(stats.wilcoxon(difference).pvalue) if moved else float("nan")
            about = dict(zip(keys, key, strict=True))
            middle = float(np.median(difference)) if len(difference) else float("nan")
            rows.append(about | {"setup": first, "other": second, "difference": middle, "p": p, "n": len(difference)})
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS["localization_tests"]))  # one set-up alone has no pairs
