"""Every training of a study in one row, and what the seeds say together."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dr_core.data.grades import PAPER_READING
from dr_core.study.digests import digest_of
from dr_core.study.folder import open_study
from dr_core.study.run_history import MONITOR
from dr_core.study.trainings import TRAINING_COLUMNS, find_test_data, list_trainings, summarize_trainings


@pytest.fixture
def study(tiny_study, tmp_path):
    study = open_study(shutil.copytree(tiny_study.path, tmp_path / "study"))
    for seed in (1, 2):
        folder = study.path / "runs" / f"ifi_cl-f100-s{seed}"
        folder.mkdir(parents=True)
        shutil.copy(study.checkpoint_path("ifi_cl"), folder / "best.safetensors")
        (folder / "config.json").write_text(json.dumps({"epochs": 3}))
        lines = [{"epoch": n + 1, MONITOR: auc, "seconds": 2.5} for n, auc in enumerate((0.6, 0.8, 0.7))]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return study


def write_aucs(study, values, digest=""):
    rows = [
        {"percent": 100, "setup": "ifi_cl", "seed": seed, "fraction": 100, "data": "noise", "reading": PAPER_READING}
        | {"value": value, "low": 0.0, "high": 1.0, "n": 20, "positives": 8, "checkpoint": digest}
        for seed, value in values.items()
    ]
    study.write_results("fractions", pd.DataFrame(rows))


def test_every_training_has_a_row(study):
    write_aucs(study, {0: 0.5, 1: 0.7, 2: 0.9})
    assert find_test_data(study) == ["noise"]
    table = list_trainings(study)
    assert list(table) == list(TRAINING_COLUMNS)
    assert len(table) == 4 + 2
    row = table.query("setup == 'ifi_cl' and seed == 2").iloc[0].to_dict()
    assert (row["epochs"], row["asked"], row["best_epoch"], row["seconds"]) == (3, 3, 2, 7.5)
    assert (row["test_auc"], row["validation_auc"]) == (0.9, 0.5)  # the checkpoint's own header says .5
    assert row["digest"] == digest_of(study.checkpoint_path("ifi_cl"))
    assert np.isnan(table.query("setup == 'iwne_fs'")["test_auc"].iloc[0])


def test_an_auc_of_earlier_weights_is_left_out(study):
    write_aucs(study, {1: 0.7}, digest="0123456789abcdef")
    assert list_trainings(study)["test_auc"].isna().all()


def test_seeds_have_a_mean_and_a_spread(study):
    write_aucs(study, {0: 0.5, 1: 0.7, 2: 0.9})
    row = summarize_trainings(list_trainings(study)).query("setup == 'ifi_cl'").iloc[0]
    assert (row["runs"], row["measure"]) == (3, "test_auc")
    assert (row["mean"], row["spread"]) == pytest.approx((0.7, 0.2))


def test_without_test_eyes_the_validation_counts(study):
    assert set(summarize_trainings(list_trainings(study))["measure"]) == {"validation_auc"}
