"""Do the answers of every set-up rest on what their heatmaps mark? Region perturbation over a cohort, with controls.

Source: Samek et al. 2017; Rong et al. 2022, arXiv:2202.00449.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.controls import MAP, build_explainers, control_maps
from dr_core.analysis.faithfulness import FILLS, Curves, PerturbationConfig, follow, perturb
from dr_core.analysis.localization import POOLINGS, pool
from dr_core.data.grades import POSITIVE, TARGET_GRADE
from dr_core.errors import InputError
from dr_core.experiments.answers import RUN
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.explained_eyes import (
    EyeInView,
    MeasuredRows,
    ReadableEye,
    average_over_eyes,
    bring_to_view,
    field_tensors,
    plan_by_eye,
)
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Step
from dr_core.models.checkpoint import LoadedModel
from dr_core.seeds import derive_seed
from dr_core.study.folder import Study

METHODS = (MAP, "random", "untrained-0", "edges")
"""Orders that are followed: the heatmap's own, and those of its controls."""

BEYOND = "beyond control"
"""Method in the summary: the map's area minus that of its strongest control on the same eye."""

TABLES: dict[str, dict[str, str]] = {
    "faithfulness": {
        "eye": "name of the eye",
        "setup": "set-up whose answer is followed",
        "seed": "seed of its training run",
        "fraction": "share of the labels that the run used, in percent",
        "rule": "attribution method",
        "fill": "how removed pixels are filled",
        "method": "lrp for the heatmap itself, else the control that gives the order",
        "taken": "share of the field of view that is removed",
        "most_first": "probability of the target grade, the most relevant first",
        "least_first": "the same, the least relevant first",
        "area": "mean height between the two curves, -1 to 1; the same in all rows of a curve",
    },
    "faithfulness_summary": {
        "setup": "set-up",
        "seed": "seed of its training run",
        "fraction": "share of the labels that the run used, in percent",
        "rule": "attribution method",
        "fill": "how removed pixels are filled",
        "method": "lrp, a control, or beyond control: the map minus its strongest control on the same eye",
        "value": "mean area between the curves over the eyes; above 0 = faithful",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
    },
}
"""Columns of the tables."""


MEASURED = ["eye", "setup", "rule", "fill", "method", "taken", "most_first", "least_first", "area"]
"""Columns of the rows as they are measured; what run a set-up's name stands for is filled in later."""


@dataclass(frozen=True, kw_only=True)
class FaithfulnessConfig:
    """What is measured.

    Attributes:
        rule: Key of `RULES`.
        pooling: Key of `POOLINGS`.
        target: The grade whose probability is followed, or `POSITIVE`.
        fill: Key of `FILLS`.
        draws: Bootstrap draws over eyes.
        seed: Seed of the random order and the draws.
        limit: Largest number of eyes, drawn at random; 0 takes all.
    """

    rule: str = describe("alpha1_beta0", "attribution method", choices=RULES)
    pooling: str = describe("sum_pos", "how the colors of a heatmap become one value", choices=POOLINGS)
    target: int = describe(TARGET_GRADE, f"grade that is followed; {POSITIVE}: positive of two outputs", least=0)
    fill: str = describe("road", "how removed pixels are filled", choices=FILLS)
    draws: int = describe(1000, "bootstrap draws over eyes")
    seed: int = describe(0, "seed of the random order and the draws")
    limit: int = describe(0, "largest number of eyes, drawn at random; 0 takes all", least=0)

    @property
    def perturbation(self) -> PerturbationConfig:
        """How curves are drawn."""
        return PerturbationConfig(fill=self.fill, seed=self.seed)


def measure_faithfulness(
    models: Mapping[str, LoadedModel], eyes: Sequence[ReadableEye], config: FaithfulnessConfig
) -> Iterator[MeasuredRows]:
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
    explainers = build_explainers(models, config.rule)
    for done, eye in enumerate(eyes, start=1):
        view = bring_to_view(eye, models)
        curves = measure_eye(models, explainers, view, config)
        rows = [
            {"eye": view.name, "setup": setup, "rule": config.rule, "fill": config.perturbation.fill, "method": method}
            | {"taken": taken, "most_first": most, "least_first": least, "area": own.area}
            for setup, by_method in curves.items()
            for method, own in by_method.items()
            for taken, most, least in zip(own.fractions, own.most_first, own.least_first, strict=True)
        ]
        yield MeasuredRows(done=done, total=len(eyes), rows=pd.DataFrame(rows, columns=MEASURED))


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
                models[setup].info.output_of(config.target),
                config.perturbation,
            )
            for method in METHODS
            if method in maps[setup]
        }
        for setup in models
        if MAP in maps[setup]
    }


def summarize_faithfulness(rows: pd.DataFrame, config: FaithfulnessConfig) -> pd.DataFrame:
    """Average the areas over the eyes: rows as `TABLES` describes `faithfulness_summary`."""
    keys = [*(column for column in RUN if column in rows), "rule", "fill"]
    areas = rows[rows["taken"] == 0].rename(columns={"area": "value"})
    controls = areas[areas["method"] != MAP].groupby([*keys, "eye"])["value"].max()
    own = areas[areas["method"] == MAP].set_index([*keys, "eye"])["value"]
    beyond = own - controls.reindex(own.index)  # in the order of the rows
    extra = beyond.reset_index().assign(method=BEYOND)
    both = pd.concat([areas[[*keys, "method", "eye", "value"]], extra], ignore_index=True)
    return average_over_eyes(both, [*keys, "method"], config.draws, config.seed)


def _plan(study: Study, inputs: Inputs, config: FaithfulnessConfig, device: str) -> list[Step]:
    def measure(models: Mapping[str, LoadedModel], eye: ReadableEye) -> pd.DataFrame:
        return next(measure_faithfulness(models, [eye], config)).rows

    summarize = partial(summarize_faithfulness, config=config)
    return [plan_by_eye("faithfulness", study, inputs, config, measure, summarize)]


_FORWARDS_OF_AN_EYE = 120.0
"""Forward passes as long as an eye takes with one network: 44 of them, its maps, and the filling of 40 pictures."""


def _estimate(work: Workload, config: FaithfulnessConfig) -> Cost:
    return Cost(
        seconds=min(work.segmented, config.limit or work.segmented) * work.models * _FORWARDS_OF_AN_EYE / work.forward,
        disk=3e4 * work.models,
    )


FAITHFULNESS = Experiment(
    name="faithfulness",
    label="Faithfulness of the heatmaps",
    question="Do the answers depend on what the heatmaps mark?",
    tables=TABLES,
    needs=(Need(kind="segmented eyes"),),
    config=FaithfulnessConfig,
    plan=_plan,
    estimate=_estimate,
    on_processor=True,
)
"""Region perturbation curves, beside those of controls."""
