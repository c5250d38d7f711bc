"""Knock-out: what the answers about an eye are when a lesion is painted over."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dr_core.analysis.knockout import knock_out, reduce_eye
from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import LESIONS, TARGET_GRADE, mask_names, referable_readings
from dr_core.experiments.answers import RUN
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.prediction import predict_views
from dr_core.seeds import derive_seed, numpy_generator

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
) -> list[dict[str, object]]:
    """Knock every lesion of an eye out, and ask every model before and after.

    Args:
        eye: Name of the eye.
        image: Uint8 (H, W, 3) RGB.
        masks: Name of a mask, `total` among them -> bool (H, W).
        models: Name of a set-up or training run -> model.
        controls: Controls of each knock-out, at different positions.
        seed: Seed of the controls.

    Returns:
        Rows as `RESULT_COLUMNS` describes `knockout`, with the model's name in the column `setup`.
    """
    small, reduced = reduce_eye(image, {lesion: masks[lesion] for lesion in LESIONS})
    derived = derive_seed(seed, eye, "knock-out")
    cases = [case for mask in mask_names() for case in knock_out(small, reduced, mask, derived, controls)]
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


def summarize_knockouts(knockouts: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Average the falls of the probabilities over the eyes that have the lesion.

    Args:
        knockouts: Rows of `knockout`.
        draws: Bootstrap draws over eyes.
        seed: Seed of the draws.

    Returns:
        Rows as `RESULT_COLUMNS` describes `knockout_summary`: for each kind, and for `BEYOND`, the mean change with its
        95 % bootstrap interval over eyes; an eye's controls are averaged first.
    """
    keys = ["lesion", *(column for column in RUN if column in knockouts), "measure"]
    changes = knockouts.assign(change=knockouts["after"] - knockouts["before"])
    rows = []
    for key, part in changes.groupby(keys, sort=False):
        wide = part.pivot_table(index="eye", columns="kind", values="change", aggfunc="mean", sort=False)
        wide[BEYOND] = wide["removed"] - wide["control"]
        generator = numpy_generator(seed, "knock-out", len(wide))  # the same eyes drawn for every set-up
        drawn = generator.integers(0, len(wide), (draws, len(wide)))
        for kind in wide.columns:
            values = wide[kind].to_numpy(float)
            low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
            measured = {"kind": kind, "value": float(values.mean()), "low": low, "high": high, "n": len(values)}
            rows.append(dict(zip(keys, key, strict=True)) | measured)
    return pd.DataFrame(rows)
