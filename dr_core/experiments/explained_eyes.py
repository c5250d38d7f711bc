"""What the experiments on heatmaps share: eyes in the views of the models, and means with intervals over eyes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dr_core.analysis.bootstrap import interval, sample_patients
from dr_core.analysis.robustness import bootstrap_means
from dr_core.data.fundus import find_field_of_view
from dr_core.data.idrid import load_segmentation
from dr_core.data.regions import find_regions
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.step import Report, Step
from dr_core.models.checkpoint import LoadedModel
from dr_core.study.folder import Study
from dr_core.study.runs import load_runs, name_runs, runs_with_all_labels


class ReadableEye(Protocol):
    """An eye with a name, such as those of IDRiD or a study."""

    @property
    def name(self) -> str:
        """Name of the eye."""

    def read_image(self) -> np.ndarray:
        """Read the photograph, uint8 (H, W, 3) RGB."""


@dataclass(frozen=True, kw_only=True)
class EyeInView:
    """One eye as every model meets it.

    Attributes:
        name: The eye.
        inputs: Set-up -> the model's input, float32 (1, 3, S, S).
        fields: Set-up -> field of view in it, bool (S, S).
    """

    name: str
    inputs: Mapping[str, Tensor]
    fields: Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class MeasuredRows:
    """How far a measurement is: `done` of `total`, and the rows of what has just been done, as its table has them."""

    done: int
    total: int
    rows: pd.DataFrame


def bring_to_view(eye: ReadableEye, models: Mapping[str, LoadedModel]) -> EyeInView:
    """Read an eye and bring it to the own view of every model."""
    image = eye.read_image()
    field = find_field_of_view(image)
    preprocessings = {setup: model.info.preprocessing for setup, model in models.items()}
    shape = (image.shape[0], image.shape[1])
    views = {
        preprocessing: preprocessing.normalize(preprocessing.to_model_view(image, field)[None])
        for preprocessing in set(preprocessings.values())
    }
    inside = {preprocessing: find_regions(shape, preprocessing, field, None).field for preprocessing in views}
    return EyeInView(
        name=eye.name,
        inputs={setup: views[preprocessing] for setup, preprocessing in preprocessings.items()},
        fields={setup: inside[preprocessing] for setup, preprocessing in preprocessings.items()},
    )


def field_tensors(eye: EyeInView) -> dict[str, Tensor]:
    """Set-up -> field of view, bool (1, S, S)."""
    return {setup: torch.from_numpy(field)[None] for setup, field in eye.fields.items()}


def average_over_eyes(rows: pd.DataFrame, keys: Sequence[str], draws: int, seed: int) -> pd.DataFrame:
    """Average a column `value` over eyes, with intervals from the same drawn eyes for every group.

    Args:
        rows: `keys`, `eye` and `value`.
        keys: Columns that make a group.
        draws: Bootstrap draws over eyes.
        seed: Their seed.

    Returns:
        `keys`, `value`, `low`, `high` (95 % percentile interval) and `n`; eyes without a value are left out.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    found = []
    for key, part in rows.groupby(list(keys), sort=False):
        values = part.groupby("eye", sort=False)["value"].mean().dropna().to_numpy(float)
        about = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        if not len(values):
            found.append(about | {"value": np.nan, "low": np.nan, "high": np.nan, "n": 0})
            continue
        drawn = bootstrap_means(values, sample_patients(np.arange(len(values)), draws=draws, seed=seed))
        value, low, high = interval(drawn)
        found.append(about | {"value": value, "low": low, "high": high, "n": len(values)})
    return pd.DataFrame(found, columns=[*keys, "value", "low", "high", "n"])


def _take_few(eyes: Sequence[ReadableEye], limit: int, seed: int) -> Sequence[ReadableEye]:
    """At most so many eyes, in their order; 0 takes all."""
    if not limit or len(eyes) <= limit:
        return eyes
    return [eyes[index] for index in np.sort(np.random.default_rng(seed).choice(len(eyes), limit, replace=False))]


def plan_by_eye(
    name: str,
    study: Study,
    inputs: Inputs,
    config: Any,  # noqa: ANN401 - of any experiment that has `limit`, `seed` and `draws`
    measure: Callable[[Mapping[str, LoadedModel], ReadableEye], pd.DataFrame],
    summarize: Callable[[pd.DataFrame], pd.DataFrame],
) -> Step:
    """Plan a step that measures one eye after another by all training runs with all labels.

    Args:
        name: The step and its table of rows; the table of means is `<name>_summary`.
        study: The study.
        inputs: Names the eyes.
        config: The experiment's settings.
        measure: From the models by the names of their runs and an eye to rows.
        summarize: From all rows to their means.

    Raises:
        InputError: If there are no eyes or no trained model.
    """
    eyes = _take_few(load_segmentation(inputs.masks or Path()), config.limit, config.seed)
    runs = runs_with_all_labels(study)

    def work(units: Sequence[str]) -> Iterator[Report]:
        models = load_runs(runs)
        chosen = [eye for eye in eyes if eye.name in set(units)]
        for done, eye in enumerate(chosen, start=1):
            yield Report(done=done, total=len(chosen), units=(eye.name,), tables={name: measure(models, eye)})

    def conclude(measured: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        rows = name_runs(measured[name], runs)
        return {name: rows, f"{name}_summary": summarize(rows)}

    facts = (replace(config, draws=0), inputs.digest(), [run.stamp for run in runs])
    return Step(
        name=name,
        tables=(name,),
        units=tuple(eye.name for eye in eyes),
        unit="eye",
        facts=facts,
        measure=work,
        summarize=conclude,
    )
