"""Do the answers of every set-up rest on what their heatmaps mark? Region perturbation over a cohort, with controls.

Source: Samek et al. 2017; Rong et al. 2022, arXiv:2202.00449.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.controls import MAP, control_maps
from dr_core.analysis.faithfulness import Curves, PerturbationConfig, follow, perturb
from dr_core.analysis.localization import pool
from dr_core.errors import InputError
from dr_core.experiments.explained_eyes import (
    EyeInView,
    ReadableEye,
    average_over_eyes,
    bring_to_view,
    field_tensors,
)
from dr_core.models.checkpoint import LoadedModel
from dr_core.seeds import derive_seed

METHODS = (MAP, "random", "untrained-0", "edges")
"""Orders that are followed: the heatmap's own, and those of its controls."""

BEYOND = "beyond control"
"""Method in the summary: the map's area minus that of its strongest control on the same eye."""

TABLES: dict[str, dict[str, str]] = {
    "faithfulness": {
        "eye": "name of the eye",
        "setup": "set-up whose answer is followed",
        "rule": "attribution method",
        "fill": "how what is taken away is filled",
        "method": "lrp for the heatmap itself, else the control that gives the order",
        "fraction": "share of the field of view that is taken away",
        "most_first": "probability of the target grade, the most relevant first",
        "least_first": "the same, the least relevant first",
        "area": "mean height between the two curves, -1 to 1; the same in all rows of a curve",
    },
    "faithfulness_summary": {
        "setup": "set-up",
        "rule": "attribution method",
        "fill": "how what is taken away is filled",
        "method": "lrp, a control, or beyond control: the map minus its strongest control on the same eye",
        "value": "mean area between the curves over the eyes; above 0 = faithful",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
    },
}
"""Columns of the tables."""


@dataclass(frozen=True, kw_only=True)
class FaithfulnessConfig:
    """What is measured.

    Attributes:
        rule: Key of `RULES`.
        pooling: Key of `POOLINGS`.
        target: The grade whose probability is followed.
        perturbation: How curves are drawn.
        draws: Bootstrap draws over eyes.
        seed: Seed of the random order and the draws.
    """

    rule: str = "alpha1_beta0"
    pooling: str = "sum_pos"
    target: int = 3
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    draws: int = 1000
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class FaithfulnessReport:
    """How far it is: `done` of `total` eyes, and the rows of the eye that has just been done."""

    done: int
    total: int
    rows: pd.DataFrame


def measure_faithfulness(
    models: Mapping[str, LoadedModel], eyes: Sequence[ReadableEye], config: FaithfulnessConfig
) -> Iterator[FaithfulnessReport]:
    """Follow every set-up's answer on every eye.

    Args:
        models: Set-up -> model.
        eyes: Eyes; no masks are needed.
        config: What is measured.

    Yields:
        A report an eye, with rows as `TABLES` describes `faithfulness`.

    Raises:
        InputError: If there are no eyes or no models.
    """
    if not eyes or not models:
        raise InputError("Faithfulness needs at least one eye and one trained model.")
    explainers = {setup: Explainer(model.model, config.rule) for setup, model in models.items()}
    for done, eye in enumerate(eyes, start=1):
        view = bring_to_view(eye, models)
        curves = measure_eye(models, explainers, view, config)
        rows = [
            {"eye": view.name, "setup": setup, "rule": config.rule, "fill": config.perturbation.fill, "method": method}
            | {"fraction": fraction, "most_first": most, "least_first": least, "area": of.area}
            for setup, by_method in curves.items()
            for method, of in by_method.items()
            for fraction, most, least in zip(of.fractions, of.most_first, of.least_first, strict=True)
        ]
        yield FaithfulnessReport(
            done=done, total=len(eyes), rows=pd.DataFrame(rows, columns=list(TABLES["faithfulness"]))
        )


def measure_eye(
    models: Mapping[str, LoadedModel], explainers: Mapping[str, Explainer], view: EyeInView, config: FaithfulnessConfig
) -> dict[str, dict[str, Curves]]:
    """Follow every set-up's answer on one eye, along its own map and its controls.

    Returns:
        Set-up -> method of `METHODS` -> curves.
    """
    seed = derive_seed(config.seed, view.name)
    maps = control_maps(models, explainers, view.inputs, field_tensors(view), config.target, seed)
    return {
        setup: {
            method: follow(
                models[setup].model,
                perturb(
                    view.inputs[setup][0],
                    pool(maps[setup][method], config.pooling)[0].numpy(),
                    view.fields[setup],
                    config.perturbation,
                ),
                config.target,
                config.perturbation,
            )
            for method in METHODS
            if method in maps[setup]
        }
        for setup in models
    }


def summarize_faithfulness(rows: pd.DataFrame, config: FaithfulnessConfig) -> pd.DataFrame:
    """Average the areas over the eyes: rows as `TABLES` describes `faithfulness_summary`."""
    keys = ["setup", "rule", "fill"]
    areas = rows[rows["fraction"] == 0].rename(columns={"area": "value"})
    controls = areas[areas["method"] != MAP].groupby([*keys, "eye"])["value"].max()
    beyond = areas[areas["method"] == MAP].set_index([*keys, "eye"])["value"] - controls
    extra = beyond.reset_index().assign(method=BEYOND)
    both = pd.concat([areas[[*keys, "method", "eye", "value"]], extra], ignore_index=True)
    return average_over_eyes(both, [*keys, "method"], config.draws, config.seed)
