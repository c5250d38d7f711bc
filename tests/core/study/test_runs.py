"""Training runs of a study, and tables that say which of them a row is of."""

import json
import shutil

import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.study.folder import StudyInfo, open_study, write_study_info
from dr_core.study.run_history import MONITOR
from dr_core.study.runs import list_training_runs, name_runs, runs_with_all_labels
from dr_core.study.schemas import DIGEST_COLUMNS
from dr_core.study.tables import RESULT_COLUMNS
from tests.conftest import ROOT


@pytest.fixture
def study(tiny_study, tmp_path):
    (tmp_path / "study" / "checkpoints").mkdir(parents=True)
    made = write_study_info(tmp_path / "study", tiny_study.info)
    shutil.copy(tiny_study.checkpoint_path("ifi_cl"), made.checkpoint_path("ifi_cl"))
    for name in ("ifi_fs-f100-s1", "ifi_cl-f100-s0", "iwne_fs-f10-s0", "ifi_cl-f100-s1", "dino-f100-s1", "moco-s0"):
        (made.path / "runs" / name).mkdir(parents=True)
        (made.path / "runs" / name / "best.safetensors").touch()
    (made.path / "runs" / "ifi_cl-f100-s9").mkdir()  # has not finished its first epoch
    return made


def test_checkpoints_are_the_studys_seed_and_runs_the_others(study):
    runs = list_training_runs(study)
    assert [(run.name, run.setup, run.seed, run.fraction) for run in runs] == [
        ("ifi_cl", "ifi_cl", 0, 100),
        ("ifi_fs-f100-s1", "ifi_fs", 1, 100),
        ("ifi_cl-f100-s1", "ifi_cl", 1, 100),
        ("iwne_fs-f10-s0", "iwne_fs", 0, 10),
    ]
    assert [run.name for run in runs_with_all_labels(study)] == ["ifi_cl", "ifi_fs-f100-s1", "ifi_cl-f100-s1"]
    rows = name_runs(pd.DataFrame({"setup": ["ifi_fs-f100-s1", "iwne_fs-f10-s0"]}), runs)
    assert rows.to_numpy().tolist() == [["ifi_fs", 1, 100], ["iwne_fs", 0, 10]]


@pytest.mark.parametrize(
    ("asked", "measured", "counts"),
    [
        ({"epochs": 400}, [0.7], False),  # killed after the first of 400
        ({"epochs": 2}, [0.7, 0.6], True),
        ({"epochs": 400, "patience": 2}, [0.7, 0.6, 0.5], True),  # stopped early, as its recipe says
        ({"epochs": 400, "patience": 3}, [0.7, 0.6, 0.5], False),
        ({}, [0.7], False),
        ({"epochs": "many"}, [0.7], False),
    ],
)
def test_a_training_that_is_not_at_its_end_is_no_run(study, asked, measured, counts):
    folder = study.path / "runs" / "iwne_fs-f10-s0"
    (folder / "config.json").write_text(json.dumps(asked))
    lines = [json.dumps({"epoch": number, MONITOR: auc}) + "\n" for number, auc in enumerate(measured, start=1)]
    (folder / "metrics.jsonl").write_text("".join(lines))
    assert ("iwne_fs-f10-s0" in [run.name for run in list_training_runs(study)]) == counts


def test_a_study_without_models_says_so(tmp_path):
    info = StudyInfo(title="T", summary="", protocol="-", seed=0, setups=(), data=())
    empty = write_study_info(tmp_path / "empty", info)
    assert list_training_runs(empty) == ()
    with pytest.raises(InputError, match="no trained model yet"):
        runs_with_all_labels(empty)


def test_tables_of_schema_1_open_as_those_of_the_studys_seed(tmp_path):
    demo = open_study(ROOT / "assets" / "demo_study")
    (tmp_path / "results").mkdir()
    shutil.copy(demo.path / "study.json", tmp_path)
    tables = [name for name in RESULT_COLUMNS if demo.has_results(name)]
    assert {"performance", "spectrum", "robustness", "localization", "knockout"} <= set(tables)
    for name in tables:  # without what schema 2 added: seed, fraction and digests
        rows = demo.read_results(name) if name == "fractions" else demo.read_checkpoint_results(name)
        rows = rows[rows["seed"] == demo.info.seed] if "seed" in rows else rows
        added = {"seed", "fraction", *DIGEST_COLUMNS} | ({"setup", "other"} if "initialization" in rows else set())
        rows.drop(columns=added & set(rows)).to_parquet(tmp_path / "results" / f"{name}.parquet", index=False)
    demo = open_study(tmp_path)
    for name in tables:
        rows = demo.read_results(name)
        assert list(rows) == list(RESULT_COLUMNS[name])
        if "fraction" in rows:
            assert set(rows["seed"]) == {demo.info.seed}
            assert len(demo.read_checkpoint_results(name)) == len(rows)
    assert set(demo.read_results("fractions")["fraction"]) == {10, 30, 100}
    pairs = demo.read_results("robustness_differences")
    assert set(zip(pairs["initialization"], pairs["setup"], pairs["other"], strict=True)) == {
        ("iwne", "iwne_cl", "iwne_fs"),
        ("ifi", "ifi_cl", "ifi_fs"),
    }


def test_rows_of_other_seeds_are_left_to_those_who_ask_for_them(study):
    row = dict.fromkeys(RESULT_COLUMNS["spectrum"], 1)
    rows = pd.DataFrame([row | {"setup": "ifi_cl", "seed": seed, "fraction": 100} for seed in (0, 1)])
    study.write_results("spectrum", rows)
    assert list(study.read_results("spectrum")["seed"]) == [0, 1]
    assert list(study.read_checkpoint_results("spectrum")["seed"]) == [0]
