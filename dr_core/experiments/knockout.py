"""Knock-out: what the answers about an eye are when a lesion is painted over."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.drawn_intervals import drawn_interval
from dr_core.analysis.knockout import knock_out_all
from dr_core.analysis.robustness import bootstrap_means
from dr_core.data.grades import TARGET_GRADE, referable_readings
from dr_core.experiments.answers import RUN
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_shared
from dr_core.models.validity import check_answers

BEYOND = "beyond control"
"""Kind in the summary: how much further than in the control the probability falls."""


def knock_out_eye(
    eye: str,
    image: np.ndarray,
    masks: Mapping[str, np.ndarray],
    models: Mapping[str, LoadedModel],
    *,
    controls: int,
    seed: int,
    disc: np.ndarray | None = None,
) -> list[dict[str, object]]:
    """Knock every lesion of an eye out, and ask every model before and after.

    Args:
        eye: Name of the eye.
        image: Uint8 (H, W, 3) RGB.
        masks: Name of a mask, `total` among them -> bool (H, W).
        models: Name of a set-up or training run -> model.
        controls: Controls of each knock-out, at different positions.
        seed: Seed of the controls.
        disc: Bool (H, W), the optic disc, which no control touches; None takes what is found in the photograph.

    Returns:
        Rows as `RESULT_COLUMNS` describes `knockout`, with the model's name in the column `setup`.
    """
    painted = knock_out_all(eye, image, masks, controls=controls, seed=seed, disc=disc)
    pictures = [painted.image, *(case.image for case in painted.cases)]
    preprocessings = dict.fromkeys(model.info.preprocessing for model in models.values())
    views = {
        preprocessing: np.stack([preprocessing.to_model_view(picture, painted.field) for picture in pictures])
        for preprocessing in preprocessings
    }
    found: dict[str, np.ndarray] = {}
    for preprocessing, seen in views.items():  # together, since they share their input
        found |= predict_shared(
            {name: model for name, model in models.items() if model.info.preprocessing == preprocessing}, seen
        )
    rows: list[dict[str, object]] = []
    for setup, model in models.items():
        answers = found[setup]
        check_answers(f"The model of {model.info.setup}", answers, model.info)
        measures = {
            "severe": answers[:, TARGET_GRADE],
            **{f"referable_{reading.positive_from}": reading.score(answers) for reading in referable_readings()},
        }
        for number, case in enumerate(painted.cases, start=1):
            about = {"eye": eye, "setup": setup, "lesion": case.lesion, "kind": case.kind}
            about_place = {
                "painted": case.painted,
                "placed": case.placed,
                "unlike": case.unlike,
                "weight": case.weight,
            }
            rows += [
                {**about, **about_place, "measure": name, "before": float(values[0]), "after": float(values[number])}
                for name, values in measures.items()
                if not np.isnan(values[0])  # what a model with two outputs does not answer
            ]
    return rows


def summarize_knockouts(knockouts: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Average the falls of the probabilities over the eyes that have the lesion.

    Args:
        knockouts: Rows of `knockout`.
        draws: Bootstrap draws over eyes.
        seed: Seed of the draws.

    Returns:
        Rows as `RESULT_COLUMNS` describes `knockout_summary`: for each kind, and for `BEYOND`, the mean change with its
        95 % bootstrap interval over eyes. An eye's controls are averaged first, by their weights
        (`dr_core.analysis.knockout.weigh_control`); the eye then counts beyond the control by the mean weight of its
        controls, not at all where that is 0. Controls of older tables, whose weight is not known, weigh 1.
    """
    keys = ["lesion", *(column for column in RUN if column in knockouts), "measure"]
    if "weight" not in knockouts:
        knockouts = knockouts.assign(weight=np.nan, unlike=np.nan)
    changes = knockouts.assign(change=knockouts["after"] - knockouts["before"], weight=knockouts["weight"].fillna(1.0))
    rows: list[dict[str, object]] = []
    for key, part in changes.groupby(keys, sort=False):
        about = dict(zip(keys, key, strict=True))
        wide, weights, unlike = _by_eye(part)
        drawn = sample_patients(np.arange(len(wide)), draws=draws, seed=seed)  # the same eyes drawn for every set-up
        for kind in wide.columns:
            weighed = kind in (BEYOND, "control")
            weight = weights if weighed else np.ones(len(wide))
            values = np.where(weight > 0, wide[kind].to_numpy(float), 0.0)
            count = int((weight > 0).sum())
            with np.errstate(invalid="ignore", divide="ignore"):
                means = bootstrap_means(weight * values, drawn) / bootstrap_means(weight, drawn)
            found = drawn_interval(means, count, least=-1.0)
            rows.append(
                about
                | {"kind": kind, "value": found.value, "low": found.low, "high": found.high, "n": count}
                | {"left_out": len(wide) - count if weighed else 0, "unlike": unlike if weighed else np.nan}
            )
    return pd.DataFrame(rows)


def _by_eye(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, float]:
    """Change of each eye by kind, the eyes' weights beyond the control, and how unlike the controls that count are."""
    wide = rows.pivot_table(index="eye", columns="kind", values="change", aggfunc="mean", sort=False)
    controls = rows[rows["kind"] == "control"]
    sums = controls.assign(weighed=controls["change"] * controls["weight"]).groupby("eye", sort=False)
    weights = sums["weight"].mean().reindex(wide.index).fillna(0.0)
    total = sums["weight"].sum().reindex(wide.index)
    wide["control"] = (sums["weighed"].sum().reindex(wide.index) / total).where(total > 0)
    wide[BEYOND] = wide["removed"] - wide["control"]
    counted = controls[controls["weight"] > 0]
    return wide, weights.to_numpy(float), float(counted["unlike"].mean()) if len(counted) else float("nan")
