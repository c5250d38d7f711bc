"""Measuring a study: its checkpoints' answers on prepared eyes, then every table that follows from them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dr_core.data.store import Store, fingerprint_store, open_store, read_header
from dr_core.errors import InputError
from dr_core.experiments.answers import MeasureConfig, compare_setups, predict_table, summarize, summarize_aucs
from dr_core.files import locked
from dr_core.models.checkpoint import LoadedModel, load_model
from dr_core.study.eyes import list_eyes
from dr_core.study.folder import DataSet, Study, add_data

_BATCH = 256
"""Eyes that are read from the disk at once."""


@dataclass(frozen=True)
class EvaluateReport:
    """How far the evaluation is: `done` of `total` eyes, each model counted."""

    done: int
    total: int


def evaluate_study(
    study: Study, data: Path | None, key: str | None, config: MeasureConfig, *, device: str = "cpu"
) -> Iterator[EvaluateReport]:
    """Ask the checkpoints about a data set and write the tables predictions, eyes, performance, comparisons, fractions.

    Args:
        study: The study.
        data: Folder of a store of graded eyes; None measures the stored predictions again.
        key: Name of the data set in the tables; None takes the folder's name. Its rows are replaced.
        config: How it is measured.
        device: Where the models run.

    Yields:
        Reports.

    Raises:
        InputError: If the store does not fit the models, there is no model, or no prediction to measure.
    """
    old = study.read_results("predictions") if study.has_results("predictions") else None
    if data is None:
        if old is None:
            raise InputError("The study has no predictions yet; name prepared eyes with --data.")
        predictions = old
    else:
        models = study.load_models()
        if not models:
            raise InputError(f"The study {study.name} has no trained model yet.")
        key, store = key or data.name, open_graded(data, models)
        runs = _fraction_runs(study)
        total, parts = len(store) * (len(models) + len(runs)), []
        for setup, model in models.items():
            for part in _predict(key, setup, model, store, device):
                parts.append(part)
                yield EvaluateReport(sum(map(len, parts)), total)
        new = pd.concat(parts, ignore_index=True)
        predictions = new if old is None else pd.concat([old[old["data"] != key], new], ignore_index=True)
        fractions, done = [_fraction_rows(new, 100, study.info.seed, config)], len(new)
        for (setup, percent, seed), path in runs.items():
            answers = pd.concat(list(_predict(key, setup, load_model(path), store, device)), ignore_index=True)
            fractions.append(_fraction_rows(answers, percent, seed, config))
            done += len(store)
            yield EvaluateReport(done, total)
        _write_fractions(study, key, pd.concat(fractions, ignore_index=True))
        study.replace_rows("eyes", key, list_eyes(key, store, data))
        _register(study, key, data, len(store))
    performance, comparisons = summarize(predictions, config), compare_setups(predictions, config)
    study.write_results("predictions", predictions)
    study.write_results("performance", performance)
    if not comparisons.empty:
        study.write_results("comparisons", comparisons)


def _register(study: Study, key: str, data: Path, images: int) -> None:
    """Describe a store in the head of the study that was measured on it."""
    header = read_header(data)
    kind = "Eyes" if header else "Drawn eyes"
    described = DataSet(
        key=key,
        title=str(header.get("title", key)),
        role="test",
        images=images,
        real=bool(header),
        description=f"{kind} on which the models were measured.",
        fingerprint=fingerprint_store(data),
    )
    with locked(study.path / "study.json"):
        add_data(study.path, described)


def open_graded(data: Path, models: Mapping[str, LoadedModel]) -> Store:
    """Open prepared eyes whose grades are known.

    Args:
        data: Folder of the store.
        models: The models that will see them.

    Raises:
        InputError: If it is no store, has no eyes or not their grades, or a model takes another size.
    """
    store = open_store(data)
    missing = [column for column in ("eye", "patient", "grade") if column not in store.index]
    if missing or len(store) == 0:
        what = f"lacks the column {missing[0]!r}" if missing else "is empty"
        raise InputError(f"The table of {data} {what}; prepare graded eyes with `train_cli.py data prepare`.")
    if not store.index["grade"].between(0, 4).all():
        raise InputError(f"The grades of {data} must be 0 to 4; prepare only graded eyes.")
    for setup, model in models.items():
        if store.images.shape[-1] != (size := model.info.preprocessing.size):
            raise InputError(
                f"{setup} sees eyes of {size} px, the prepared ones have {store.images.shape[-1]}; prepare with "
                f"--size {size}."
            )
    return store


def _predict(key: str, setup: str, model: LoadedModel, store: Store, device: str) -> Iterator[pd.DataFrame]:
    model.model.to(device)
    for start in range(0, len(store), _BATCH):
        eyes = store.index.iloc[start : start + _BATCH]
        eyes = eyes.assign(has_dr=eyes["grade"] > 0)[["eye", "patient", "grade", "has_dr"]]
        views = store.images[start : start + _BATCH].transpose(0, 2, 3, 1)
        yield predict_table(key, {setup: model}, views, eyes, device)


def _fraction_runs(study: Study) -> dict[tuple[str, int, int], Path]:
    """Checkpoints of trainings on a share of the labels, or with another seed: (set-up, percent, seed) -> file."""
    found = {}
    for path in sorted(study.path.glob("runs/*-f*-s*/best.safetensors")):
        setup, _, rest = path.parent.name.rpartition("-f")
        percent, _, seed = rest.partition("-s")
        if setup not in study.setups or not (percent.isdigit() and seed.isdigit()):
            continue
        if (int(percent), int(seed)) != (100, study.info.seed):
            found[setup, int(percent), int(seed)] = path
    return found


def _fraction_rows(answers: pd.DataFrame, percent: int, seed: int, config: MeasureConfig) -> pd.DataFrame:
    return summarize_aucs(answers, config).assign(percent=percent, seed=seed)


def _write_fractions(study: Study, key: str, rows: pd.DataFrame) -> None:
    """Write the rows; what is there of other data sets, or of trainings that are no longer there, stays."""
    if study.has_results("fractions"):
        same = ["setup", "percent", "seed", "data", "reading"]
        rows = pd.concat([study.read_results("fractions"), rows], ignore_index=True).drop_duplicates(same, keep="last")
    study.write_results("fractions", rows.sort_values(["data", "percent", "seed"], kind="stable"))
