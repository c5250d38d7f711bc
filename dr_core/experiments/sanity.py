"""Do the attribution methods depend on what the networks have learned, and on the grade that is asked about?

Source: Adebayo et al. 2018, arXiv:1810.03292.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from torch import Tensor, nn

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.sanity import (
    describe_cascade,
    describe_class_sensitivity,
    randomize_cascade,
    spearman,
    structural_likeness,
)
from dr_core.data.grades import GRADES, POSITIVE, TARGET_GRADE
from dr_core.errors import InputError
from dr_core.experiments.answers import RUN
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.explained_eyes import (
    EyeInView,
    MeasuredRows,
    ReadableEye,
    average_over_eyes,
    bring_to_view,
    plan_by_eye,
)
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Step
from dr_core.models.checkpoint import LoadedModel
from dr_core.seeds import derive_seed
from dr_core.study.folder import Study

CASCADE, CLASSES = "cascade", "class"
"""Checks: stages randomized from the output to the input; maps of other grades."""

LATE, ALL = 1, -1
"""Steps of the cascade after which a method's verdict is read: the last layer and the last stage are gone; nothing of
what was learned is left."""

TABLES: dict[str, dict[str, str]] = {
    "sanity": {
        "eye": "name of the eye",
        "setup": "set-up whose heatmap it is",
        "seed": "seed of its training run",
        "fraction": "share of the labels that the run used, in percent",
        "rule": "attribution method",
        "check": "cascade: stages randomized from the output on; class: another output asked about",
        "step": "last stage that was randomized, or the other grade; of two outputs the grades of the other one",
        "measure": "spearman inside the field of view, or ssim; against the map of the trained network and the target",
        "value": "-1 to 1, 1 = the same map; NaN where one of the two is no answer",
    },
    "sanity_summary": {
        "setup": "set-up",
        "seed": "seed of its training run",
        "fraction": "share of the labels that the run used, in percent",
        "rule": "attribution method",
        "check": "cascade or class, as in sanity",
        "step": "as in sanity",
        "measure": "as in sanity",
        "value": "mean over the eyes",
        "low": "lower end of the 95 % bootstrap interval over eyes",
        "high": "upper end",
        "n": "number of eyes",
    },
}
"""Columns of the tables."""


MEASURED = ["eye", "setup", "rule", "check", "step", "measure", "value"]
"""Columns of the rows as they are measured; what run a set-up's name stands for is filled in later."""


@dataclass(frozen=True, kw_only=True)
class SanityConfig:
    """What is checked.

    Attributes:
        rules: Keys of `RULES`.
        target: The grade whose map is held against the others.
        draws: Bootstrap draws over eyes.
        seed: Seed of the new weights and the draws.
        limit: Largest number of eyes, drawn at random; 0 takes all.
    """

    rules: tuple[str, ...] = describe(
        tuple(name for name, rule in RULES.items() if rule.passes <= 4),
        "attribution method that is checked",
        name="rule",
        choices=RULES,
    )
    target: int = describe(
        TARGET_GRADE, f"grade whose map is compared with the others; {POSITIVE}: positive of two outputs", least=0
    )
    draws: int = describe(1000, "bootstrap draws over eyes")
    seed: int = describe(0, "seed of the new weights and the draws")
    limit: int = describe(0, "largest number of eyes, drawn at random; 0 takes all", least=0)


def check_sanity(
    models: Mapping[str, LoadedModel], eyes: Sequence[ReadableEye], config: SanityConfig
) -> Iterator[MeasuredRows]:
    """Check every method on every set-up.

    Args:
        models: Set-up -> model.
        eyes: Eyes; no masks are needed.
        config: What is checked.

    Yields:
        A report for each method of each set-up, with rows as `TABLES` describes `sanity`.

    Raises:
        InputError: If there are no eyes or no models, or a rule is unknown.
    """
    if not eyes or not models:
        raise InputError("Sanity checks need at least one eye and one trained model.")
    views = [bring_to_view(eye, models) for eye in eyes]
    total, done = len(config.rules) * len(models), 0
    for setup, model in models.items():
        for rule in config.rules:
            answers = model.info.can_answer(config.target)  # of others the table has no row; a page says why
            found = _check_rule(model, rule, setup, views, config) if answers else ()
            rows = [{"setup": setup, "rule": rule, **row} for row in found]
            done += 1
            yield MeasuredRows(done=done, total=total, rows=pd.DataFrame(rows, columns=MEASURED))


def _check_rule(
    loaded: LoadedModel, rule: str, setup: str, views: Sequence[EyeInView], config: SanityConfig
) -> Iterator[dict[str, object]]:
    model, target = loaded.model, loaded.info.output_of(config.target)
    own = [_map(model, rule, view.inputs[setup], target) for view in views]
    for stage, randomized in randomize_cascade(model, derive_seed(config.seed, "cascade") % 2**31, by_stage=True):
        others = _maps(randomized, rule, [view.inputs[setup] for view in views], target)
        for view, first, second in zip(views, own, others, strict=True):
            yield from _compare(view, setup, CASCADE, stage, first, second)
    for output, name in enumerate(loaded.info.classes):
        if output != target:
            others = _maps(model, rule, [view.inputs[setup] for view in views], output)
            step = name if loaded.info.positive_from else str(output)
            for view, first, second in zip(views, own, others, strict=True):
                yield from _compare(view, setup, CLASSES, step, first, second)


def _map(model: nn.Module, rule: str, inputs: Tensor, target: int) -> np.ndarray | None:
    return _maps(model, rule, [inputs], target)[0]


def _maps(model: nn.Module, rule: str, inputs: Sequence[Tensor], target: int) -> list[np.ndarray | None]:
    """The signed sum over the channels, float64 (S, S), for each eye; None where there is no answer."""
    try:
        explainer = Explainer(model, rule)
    except InputError:  # a network that cannot be explained at all has no row but NaN
        return [None] * len(inputs)
    found: list[np.ndarray | None] = []
    for x in inputs:
        try:
            found.append(explainer.attribute(x, target)[0].double().sum(dim=0).numpy())
        except InputError:  # a randomized network may leave nothing to explain; its row says NaN
            found.append(None)
    return found


def _compare(
    view: EyeInView, setup: str, check: str, step: str, first: np.ndarray | None, second: np.ndarray | None
) -> Iterator[dict[str, object]]:
    about: dict[str, object] = {"eye": view.name, "check": check, "step": step}
    if first is None or second is None:
        yield from ({**about, "measure": measure, "value": float("nan")} for measure in ("spearman", "ssim"))
        return
    yield {**about, "measure": "spearman", "value": spearman(first, second, view.fields[setup])}
    yield {**about, "measure": "ssim", "value": structural_likeness(first, second)}


def summarize_sanity(rows: pd.DataFrame, config: SanityConfig) -> pd.DataFrame:
    """Average over the eyes: rows as `TABLES` describes `sanity_summary`."""
    runs = [column for column in RUN if column in rows]
    return average_over_eyes(rows, [*runs, "rule", "check", "step", "measure"], config.draws, config.seed)


def describe_sanity(summary: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Say of each method, over all set-ups, what both checks found.

    Args:
        summary: Rows of `sanity_summary`.

    Returns:
        Rule -> its sentence about the late layers, and its sentence about the grade.
    """
    ranks = summary[summary["measure"] == "spearman"]
    sentence = {}
    for rule, part in ranks.groupby("rule", sort=False):
        label = RULES[str(rule)].label
        late = _after(part, LATE)
        other = part[part["check"] == CLASSES]["value"].mean()
        sentence[str(rule)] = describe_cascade(label, float(late)), describe_class_sensitivity(label, float(other))
    return sentence


def _after(rows: pd.DataFrame, step: int) -> float:
    """Mean over set-ups and eyes after a step of the cascade, whose stages each network names; NaN where none is."""
    cascade, runs = rows[rows["check"] == CASCADE], [column for column in RUN if column in rows]
    values = []
    for _, part in cascade.groupby(runs, sort=False):
        steps = list(dict.fromkeys(part["step"]))
        if len(steps) > LATE:
            values.append(part.loc[part["step"] == steps[step], "value"].mean())
    return float(pd.Series(values, dtype=float).mean())


def arrange_sanity(summary: pd.DataFrame) -> pd.DataFrame:
    """Arrange the rank correlations of each method as a table, each the mean over the set-ups.

    Args:
        summary: Rows of `sanity_summary`.

    Returns:
        A row a method: `method` (its label), `late` (last layer and last stage randomized), `all` (every layer
        randomized), `grades` (asked about another grade) and `n` (eyes); NaN where there is no answer.
    """
    ranks = summary[summary["measure"] == "spearman"]
    rows = []
    for rule, part in ranks.groupby("rule", sort=False):
        rows.append(
            {
                "method": RULES[str(rule)].label,
                "late": _after(part, LATE),
                "all": _after(part, ALL),
                "grades": part[part["check"] == CLASSES]["value"].mean(),
                "n": int(part["n"].max()),
            }
        )
    return pd.DataFrame(rows, columns=["method", "late", "all", "grades", "n"])


def name_step(check: str, step: str) -> str:
    """Name a step for people."""
    if check != CLASSES:
        return f"randomized down to {step}"
    return f"target “{GRADES[int(step)] if step.isdigit() else step}”"


def _plan(study: Study, inputs: Inputs, config: SanityConfig, device: str) -> list[Step]:
    def measure(models: Mapping[str, LoadedModel], eye: ReadableEye) -> pd.DataFrame:
        return pd.concat([report.rows for report in check_sanity(models, [eye], config)], ignore_index=True)

    return [plan_by_eye("sanity", study, inputs, config, measure, partial(summarize_sanity, config=config))]


def _estimate(work: Workload, config: SanityConfig) -> Cost:
    maps = _MAPS * sum(RULES[rule].passes for rule in config.rules)
    return Cost(
        seconds=min(work.segmented, config.limit or work.segmented) * work.models * maps / work.forward,
        disk=1e5 * work.models,
    )


_MAPS = 11
"""Maps of an eye and a method: the trained network's, six stages, four other grades."""

SANITY = Experiment(
    name="sanity",
    label="Sanity of the attribution methods",
    question="Do the heatmaps depend on what the networks have learned, and on the target grade?",
    tables=TABLES,
    needs=(Need(kind="segmented eyes"),),
    config=SanityConfig,
    plan=_plan,
    estimate=_estimate,
    on_processor=True,
)
"""Cascading randomization and class sensitivity of every method."""
