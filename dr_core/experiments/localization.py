"""Table 3 and beyond: do the heatmaps of every set-up lie on the lesions, and do the lesions matter?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.bootstrap import bootstrap_medians, sample_patients
from dr_core.analysis.controls import CONTROLS, MAP, build_explainers, control_maps, why_no_map
from dr_core.analysis.drawn_intervals import drawn_interval
from dr_core.analysis.localization import POOLINGS, pool
from dr_core.analysis.measures import MaskedHeatmaps, measures_of
from dr_core.analysis.multiplicity import holm_adjusted
from dr_core.analysis.robustness import bootstrap_means
from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import POSITIVE, TARGET_GRADE, mask_names
from dr_core.data.idrid import SegmentedEye, load_segmentation
from dr_core.data.protocol import PROTOCOLS, Protocol, view_with_masks
from dr_core.data.regions import find_regions
from dr_core.errors import InputError
from dr_core.experiments.answers import RUN
from dr_core.experiments.experiment import Cost, Experiment, Inputs, Need, Workload
from dr_core.experiments.heatmap_spread import VIEW, spread_rows
from dr_core.experiments.knockout import knock_out_eye, summarize_knockouts
from dr_core.experiments.origins import read_present
from dr_core.experiments.settings import describe
from dr_core.experiments.step import Report, Step
from dr_core.experiments.table3 import keep_paper_method, write_table3
from dr_core.models.checkpoint import LoadedModel
from dr_core.seeds import derive_seed
from dr_core.study.folder import Study
from dr_core.study.runs import TrainingRun, load_runs, name_runs, runs_with_all_labels
from dr_core.study.staleness import SEGMENTED
from dr_core.study.tables import TABLES, select_columns


def list_scores() -> tuple[str, ...]:
    """Names of the scores of a heatmap on a mask, as in the tables."""
    return tuple(measure.name for measure in measures_of("heatmap"))


@dataclass(frozen=True, kw_only=True)
class LocalizeConfig:
    """What is measured.

    Attributes:
        protocols: Keys of `PROTOCOLS`.
        poolings: Keys of `POOLINGS`; the paper's two.
        percentile: Of the recall; the paper's control rows imply 1.
        rule: Key of `RULES`; the paper's is LRP alpha1-beta0.
        target: The grade whose output is explained, or `POSITIVE`; the paper's is severe DR.
        controls: Controls of each knock-out, at different places.
        draws: Bootstrap draws over eyes.
        seed: Seed of the random control, of the knock-out's control and of the draws.
    """

    protocols: tuple[str, ...] = describe(
        ("paper", "fine"), "how eye and mask are brought to model size", name="protocol", choices=PROTOCOLS
    )
    poolings: tuple[str, ...] = describe(
        ("sum_pos", "l2_norm_sq"), "how the colors of a heatmap become one value", name="pooling", choices=POOLINGS
    )
    percentile: float = describe(1.0, "of the recall; the paper's controls imply 1", least=0, most=100)
    rule: str = describe("alpha1_beta0", "attribution method", choices=RULES)
    target: int = describe(TARGET_GRADE, f"grade that is explained; {POSITIVE}: positive of two outputs", least=0)
    controls: int = describe(5, "controls of each knock-out, at different positions", least=1)
    draws: int = describe(1000, "bootstrap draws over eyes", least=1)
    seed: int = describe(0, "seed of controls and draws", least=0)


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
    explainers = build_explainers(models, config.rule)
    for done, eye in enumerate(eyes, start=1):
        image = eye.read_image()
        masks = {mask: eye.read_mask(mask) for mask in mask_names()}
        rows: list[dict[str, object]] = []
        for name in config.protocols:
            rows += _score_eye(eye.name, PROTOCOLS[name], image, masks, models, explainers, config)
        knockouts = knock_out_eye(
            eye.name, image, masks, models, controls=config.controls, seed=config.seed, disc=eye.read_disc()
        )
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
    preprocessings = {
        setup: replace(model.info.preprocessing, size=protocol.size, crop=protocol.crop)
        for setup, model in models.items()
    }
    inputs = {setup: preprocessing.normalize(view[None]) for setup, preprocessing in preprocessings.items()}
    field = find_field_of_view(image)
    fields = {
        setup: torch.from_numpy(find_regions(image.shape[:2], preprocessing, field, None).field)[None]
        for setup, preprocessing in preprocessings.items()
    }
    seed = derive_seed(config.seed, eye, protocol.name)
    scored: dict[tuple[int, str], dict[str, list[float]]] = {}  # set-ups share the maps of some controls
    rows: list[dict[str, object]] = []
    for setup, maps in control_maps(models, explainers, inputs, fields, config.target, seed).items():
        reason = "" if MAP in maps else why_no_map(models[setup], config.rule, inputs[setup], config.target) or ""
        own = {"eye": eye, "setup": setup, "protocol": protocol.name, "rule": config.rule, "target": config.target}
        about_eye = own | {"reason": ""}
        rows += [about_eye | row for row in spread_rows(maps, fields[setup], config.poolings)]
        drawn: dict[str, torch.Tensor | None] = {MAP: None, **maps}
        for method, relevance in drawn.items():
            for pooling in config.poolings:
                about = own | {"method": method, "pooling": pooling}
                about["reason"] = "" if relevance is not None else reason
                key = id(relevance), pooling
                if present and key not in scored:
                    scored[key] = _score_map(relevance, present, pooling, config.percentile)
                rows += _score_rows(about, scored.get(key, {}), present)
    return rows


def _score_map(
    relevance: torch.Tensor | None, present: Mapping[str, np.ndarray], pooling: str, percentile: float
) -> dict[str, list[float]]:
    """Each score of one map on the masks; NaN where there is no map."""
    if relevance is None:
        return {name: [float("nan")] * len(present) for name in list_scores()}
    masks = torch.from_numpy(np.stack(list(present.values())))
    pooled = pool(relevance, pooling).expand(len(masks), -1, -1)  # ranked once for all masks
    heatmaps = MaskedHeatmaps(pooled=pooled, mask=masks, percentile=percentile)
    return {measure.name: measure.compute(heatmaps).tolist() for measure in measures_of("heatmap")}


def _score_rows(
    about: dict[str, object], scores: Mapping[str, list[float]], present: Mapping[str, np.ndarray]
) -> Iterator[dict[str, object]]:
    """A row for each lesion and score."""
    for at, (lesion, mask) in enumerate(present.items()):
        share = float(mask.mean())
        for name, values in scores.items():
            yield about | {"lesion": lesion, "score": name, "value": values[at], "share": share}


def summarize_localization(scores: pd.DataFrame, config: LocalizeConfig) -> pd.DataFrame:
    """Average over the eyes that have the lesion: Table 3.

    Args:
        scores: Rows of `localization`.
        config: Draws and seed of the intervals.

    Returns:
        Rows as `RESULT_COLUMNS` describes `localization_summary`: mean and median with 95 % bootstrap intervals over
        eyes, and the mean of the random control on the same eyes, measured by the same pooling and score.
    """
    keys = [*_method_columns(scores), "protocol", "lesion", *_run_columns(scores), "method", "pooling", "score"]
    controlled = [key for key in keys if key != "method"]
    random = scores[scores["method"] == "random"]
    controls = random.groupby(controlled, sort=False)["value"].mean().to_dict()
    rows = []
    for key, part in scores.groupby(keys, sort=False):
        values = part["value"].to_numpy(float)
        values = values[np.isfinite(values)]
        about = dict(zip(keys, key, strict=True))
        reason = _reason_of(part)
        if not len(values):
            if reason:
                rows += [about | {"statistic": one, **_NOTHING, "reason": reason} for one in ("mean", "median")]
            continue
        # the same eyes drawn for every set-up
        draws = sample_patients(np.arange(len(values)), draws=config.draws, seed=config.seed)
        for statistic, drawn in (
            ("mean", bootstrap_means(values, draws)),
            ("median", bootstrap_medians(values, draws)),
        ):
            found = drawn_interval(drawn, len(values))
            chance = controls.get(tuple(about[name] for name in controlled), float("nan"))
            measured = {"statistic": statistic, "value": found.value, "low": found.low, "high": found.high}
            rows.append(about | measured | {"n": len(values), "chance": chance, "reason": reason})
    return pd.DataFrame(rows)


_NOTHING = {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0, "chance": float("nan")}


def _reason_of(rows: pd.DataFrame) -> str:
    """Why some eyes have no value; empty where all have one, and in tables of before there was a reason."""
    reasons = (
        [str(reason) for reason in rows["reason"].unique() if isinstance(reason, str) and reason]
        if "reason" in rows
        else []
    )
    return reasons[0] if reasons else ""


def _method_columns(rows: pd.DataFrame) -> list[str]:
    return [column for column in ("rule", "target") if column in rows]


def _run_columns(rows: pd.DataFrame) -> list[str]:
    return [column for column in RUN if column in rows]


def compare_setups(scores: pd.DataFrame) -> pd.DataFrame:
    """Test each pair of set-ups on the same eyes by Wilcoxon's signed ranks.

    Args:
        scores: Rows of `localization`.

    Returns:
        Rows as `RESULT_COLUMNS` describes `localization_tests`; p is NaN where no eye differs; Holm's correction is
        over all tests.
    """
    rows = []
    runs = [column for column in _run_columns(scores) if column != "setup"]
    keys = [*_method_columns(scores), "protocol", "lesion", *runs, "pooling", "score"]
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
    tests = pd.DataFrame(rows, columns=list(TABLES["localization_tests"].columns))  # one set-up alone has no pairs
    return tests.assign(p_holm=holm_adjusted(tests["p"].to_numpy(float)))


def _plan(study: Study, inputs: Inputs, config: LocalizeConfig, device: str) -> list[Step]:
    eyes, runs = load_segmentation(inputs.masks or Path()), runs_with_all_labels(study)
    step = Step(
        name="localization",
        tables=("localization", "knockout"),
        units=tuple(eye.name for eye in eyes),
        unit="eye",
        facts=(replace(config, draws=0), tuple(CONTROLS), inputs.digest()[SEGMENTED], [run.stamp for run in runs]),
        measure=partial(_measure, runs, eyes, config),
        summarize=partial(_summarize, study, runs, config),
        export=partial(_export, study),
    )
    return [step]


def _measure(
    runs: Sequence[TrainingRun],
    eyes: Sequence[SegmentedEye],
    config: LocalizeConfig,
    units: Sequence[str],
) -> Iterator[Report]:
    chosen = [eye for eye in eyes if eye.name in set(units)]
    reports = localize_eyes(load_runs(runs), chosen, config)
    for eye, report in zip(chosen, reports, strict=True):
        if set(report.scores["lesion"]) <= {VIEW}:
            raise InputError(f"The eye {eye.name} has no lesion; it has nothing to be localized.")
        tables = {"localization": report.scores, "knockout": report.knockouts}
        yield Report(done=report.done, total=report.total, units=(eye.name,), tables=tables)


def _summarize(
    study: Study, runs: Sequence[TrainingRun], config: LocalizeConfig, measured: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    scores, knockouts = (name_runs(measured[name], runs) for name in ("localization", "knockout"))
    if study.has_results("localization"):  # heatmaps of other methods, or of other grades, stay
        old = read_present(study, "localization")
        same = (old["rule"] == config.rule) & (old["target"] == config.target)
        scores = pd.concat([old[~same], scores], ignore_index=True) if not same.all() else scores
    return {
        "localization": scores,
        "knockout": knockouts,
        "knockout_summary": summarize_knockouts(knockouts, draws=config.draws, seed=config.seed),
        "localization_summary": summarize_localization(scores, config),
        "localization_tests": compare_setups(scores),
    }


def _export(study: Study, tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Table 3 is of the models in `checkpoints/`, as the paper's is of one training of each set-up."""
    summary = keep_paper_method(study.select_checkpoint_rows(tables["localization_summary"]))
    if len(summary):
        write_table3(summary, folder, study.setups)


_FORWARDS_OF_AN_EYE = 100.0
"""Forward passes as long as an eye takes with one ResNet-50: 14 s with four of them on two cores that answer 28 images
a second, added up from the times of benchmarks/attribution.py, prediction, inpainting and reading 12 megapixels."""


def _estimate(work: Workload, config: LocalizeConfig) -> Cost:
    share = len(config.protocols) / len(PROTOCOLS)
    seconds = work.segmented * _FORWARDS_OF_AN_EYE * work.models / work.forward
    return Cost(seconds=seconds * (1 + share) / 2, disk=2.5e5 * work.models)


LOCALIZATION = Experiment(
    name="localization",
    label="Localization and knock-out",
    question="Do the heatmaps lie on the lesions, and do the lesions matter?",
    tables=select_columns("localization", "localization_summary", "localization_tests", "knockout", "knockout_summary"),
    needs=(Need(kind="segmented eyes"),),
    config=LocalizeConfig,
    plan=_plan,
    estimate=_estimate,
    action="localize",
    on_processor=True,
)
"""Table 3, and what the answers are without the lesions."""
