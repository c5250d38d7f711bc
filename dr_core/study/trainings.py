"""All trainings of a study in one table: what each was, how long it took, and how good it became."""

from pathlib import Path

import numpy as np
import pandas as pd

from dr_core.data.grades import PAPER_READING
from dr_core.errors import InputError
from dr_core.models.header import read_checkpoint_header
from dr_core.study.folder import Study
from dr_core.study.run_history import CONFIG, METRICS, MONITOR, read_metrics, read_object
from dr_core.study.runs import RunKey, TrainingRun, list_training_runs
from dr_core.study.schemas import CHECKPOINT

TRAINING_COLUMNS = {
    "setup": "name of the set-up",
    "fraction": "share of the training patients whose labels it used, in percent",
    "seed": "seed of the training",
    "epochs": "epochs that it did; 0 where its run folder is not here",
    "asked": "epochs that its recipe asks for; 0 where its run folder is not here",
    "best_epoch": "epoch that was kept, from 1; 0 where it is not known",
    "validation_auc": "AUC of grades 3-4 against 0-2 on the validation eyes, by which the epoch was chosen",
    "test_auc": "AUC of grades 3-4 against 0-2 on the test eyes; NaN where it was not measured",
    "seconds": "time of all its epochs; NaN where it is not known",
    "digest": "digest of its weights, 16 digits of SHA-256",
}
"""Columns of `list_trainings`."""


def list_trainings(study: Study, data: str = "") -> pd.DataFrame:
    """List all finished trainings of a study.

    Args:
        study: The study.
        data: Key of the test eyes; empty takes the first data set on which runs were measured.

    Returns:
        A row for each training run, in the order of `list_training_runs`, with the columns of `TRAINING_COLUMNS`. A
        test AUC that was measured on earlier weights of a run is left out.

    Raises:
        InputError: If a checkpoint or a table is damaged.
    """
    measured = _measured_aucs(study, data)
    rows = [_describe(study, run, measured) for run in list_training_runs(study, without_weights=True)]
    return pd.DataFrame(rows, columns=list(TRAINING_COLUMNS))


def find_test_data(study: Study) -> list[str]:
    """Keys of the data sets on which the trainings of a study were measured, those of its head first."""
    if not study.has_results("fractions"):
        return []
    found = study.read_columns("fractions", ["data"])["data"].astype(str).unique().tolist()
    order = [one.key for one in study.info.data]
    return sorted(found, key=lambda key: order.index(key) if key in order else len(order))


def summarize_trainings(trainings: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over the seeds of each set-up and fraction.

    Args:
        trainings: As `list_trainings` gives them.

    Returns:
        A row for each set-up and fraction: `setup`, `fraction`, `runs`, and `mean` and `spread` (the standard
        deviation with n - 1 below; NaN for one run) of the test AUC, or of the validation AUC where no run has a test
        AUC; `measure` says which.
    """
    measure = "test_auc" if trainings["test_auc"].notna().any() else "validation_auc"
    groups = trainings.groupby(["setup", "fraction"], sort=False)[measure]
    table = groups.agg(runs="count", mean="mean", spread="std").reset_index()
    return table.assign(measure=measure)


def _measured_aucs(study: Study, data: str) -> dict[RunKey, tuple[float, str]]:
    """Training run -> its AUC on the test eyes, and the digest of the weights that were measured."""
    keys = find_test_data(study)
    if not keys:
        return {}
    rows = study.read_results("fractions")
    rows = rows[(rows["data"] == (data or keys[0])) & (rows["reading"] == PAPER_READING)]
    runs = zip(rows["setup"].astype(str), rows["seed"], rows["fraction"], strict=True)
    found = zip(rows["value"], rows[CHECKPOINT], strict=True)
    return {
        (setup, int(seed), int(fraction)): (float(value), str(digest))
        for (setup, seed, fraction), (value, digest) in zip(runs, found, strict=True)
    }


def _describe(study: Study, run: TrainingRun, measured: dict[RunKey, tuple[float, str]]) -> dict[str, object]:
    value, digest = measured.get(run.key, (np.nan, ""))
    history, asked = _read_history(study.path / "runs" / f"{run.setup}-f{run.fraction}-s{run.seed}")
    aucs = [line[MONITOR] for line in history if MONITOR in line]
    times = [line["seconds"] for line in history if "seconds" in line]
    validated = read_checkpoint_header(run.path).validation_auc if run.has_weights else max(aucs, default=np.nan)
    return {
        "setup": run.setup,
        "fraction": run.fraction,
        "seed": run.seed,
        "epochs": len(history),
        "asked": asked,
        "best_epoch": aucs.index(max(aucs)) + 1 if aucs else 0,
        "validation_auc": validated,
        "test_auc": value if digest in ("", run.digest) else np.nan,
        "seconds": sum(times) if times else np.nan,
        "digest": run.digest,
    }


def _read_history(folder: Path) -> tuple[list[dict[str, float]], int]:
    """Measures of each epoch and the epochs asked for; nothing where the run folder is not here or damaged."""
    if not (folder / CONFIG).is_file():
        return [], 0
    try:
        asked = read_object(folder / CONFIG).get("epochs", 0)
        return read_metrics(folder / METRICS), int(asked) if isinstance(asked, int) else 0
    except InputError:
        return [], 0
