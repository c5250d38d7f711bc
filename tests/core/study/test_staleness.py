"""What was measured before a retraining, or on other eyes, is found, is never mixed in, and is not lost."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.performance import PERFORMANCE
from dr_core.experiments.robustness import ROBUSTNESS, RobustnessConfig
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import read_info, save_model
from dr_core.study.digests import digest_of, digest_photographs
from dr_core.study.folder import open_study
from dr_core.study.staleness import find_stale
from tests.cli.test_measure_commands import write_store

FEW = MeasureConfig(draws=2)
DAMAGE = RobustnessConfig(corruptions=("contrast",), severities=(2,), draws=2)


@pytest.fixture
def study(tiny_study, tmp_path):
    return open_study(shutil.copytree(tiny_study.path, tmp_path / "study"))


def measure(study, store, key=None, **given):
    reports = list(PERFORMANCE.run(open_study(study.path), Inputs(data=store, key=key), FEW, **given))
    return [note for report in reports for note in report.notes]


def retrain(study, setup, seed=99):
    path = study.checkpoint_path(setup)
    save_model(path, build_backbone("resnet50_slim", 5, seed), read_info(path), half=True)


def test_every_row_says_which_weights_and_eyes_it_is_of(study, tmp_path):
    store = write_store(tmp_path / "eyes", n=10)
    measure(study, store)
    digests = {setup: digest_of(study.checkpoint_path(setup)) for setup in study.setups}
    for table in ("predictions", "performance", "fractions", "comparisons"):
        rows = study.read_results(table).query("data == 'eyes'")
        assert len(rows)
        assert (rows["checkpoint"] == rows["setup"].map(digests)).all(), table
        assert rows["data_digest"].nunique() == 1
        assert len(rows["data_digest"].iloc[0]) == 16
    pairs = study.read_results("comparisons").query("data == 'eyes'")
    assert (pairs["other_checkpoint"] == pairs["other"].map(digests)).all()
    before = study.read_results("performance").query("data == 'noise'")  # was written by hand, without digests
    assert set(before["checkpoint"]) == {""}
    assert find_stale(open_study(study.path)) == ()


def test_rows_of_earlier_weights_are_found_and_never_mixed_with_new_ones(study, tmp_path):
    one, two = write_store(tmp_path / "one", n=10), write_store(tmp_path / "two", n=15)
    measure(study, one)
    measure(study, two)
    old = study.read_results("predictions").query("data == 'one' and setup == 'ifi_cl'")
    retrain(study, "ifi_cl")
    stale = find_stale(open_study(study.path))
    assert {(row.table, row.data) for row in stale} >= {("predictions", "one"), ("performance", "two")}
    assert {row.reason for row in stale} == {"its set-up was trained anew since"}
    assert {row.setup for row in stale if row.table == "predictions"} == {"ifi_cl"}
    compared = {row.setup for row in stale if row.table == "comparisons"}
    assert compared == {"iwne_fs", "iwne_cl", "ifi_fs"}  # of a pair that it is the second of
    with pytest.raises(InputError, match="trained anew since"):
        list(PERFORMANCE.run(open_study(study.path), Inputs(), FEW))
    notes = measure(study, two)
    assert any("are in replaced/results now" in note for note in notes)
    assert find_stale(open_study(study.path)) == ()
    rows = study.read_results("predictions")
    assert not len(rows.query("data == 'one' and setup == 'ifi_cl'"))
    assert len(rows.query("data == 'one' and setup == 'ifi_fs'")) == 10  # nothing happened to that one
    kept = pd.read_parquet(study.path / "replaced" / "results" / "predictions-1.parquet")
    np.testing.assert_array_equal(kept["p0"], old["p0"])


def test_a_run_that_is_gone_leaves_stale_rows(study, tmp_path):
    measure(study, write_store(tmp_path / "eyes", n=10))
    study.checkpoint_path("iwne_fs").unlink()
    stale = find_stale(open_study(study.path))
    assert {row.reason for row in stale if row.table == "predictions"} == {"its training run is no longer there"}
    assert "predictions of iwne_fs, seed 0, 100 % on eyes" in {row.describe() for row in stale}


def test_other_eyes_under_a_known_key_are_refused_or_replace_all_rows(study, tmp_path):
    one, two = write_store(tmp_path / "one", n=10), write_store(tmp_path / "two", n=15)
    measure(study, one, "test")
    list(ROBUSTNESS.run(open_study(study.path), Inputs(data=one, key="test"), DAMAGE))
    with pytest.raises(InputError, match="give them another key"):
        measure(study, two, "test")
    measure(study, two, "test", replace=True)
    assert len(study.read_results("predictions").query("data == 'test'")) == 4 * 15
    (data,) = (one for one in open_study(study.path).info.data if one.key == "test")
    assert data.images == 15
    stale = find_stale(open_study(study.path))
    assert {row.table for row in stale} == {"robustness", "robustness_summary", "robustness_differences"}
    assert {row.data for row in stale} == {"test"}


def test_a_store_that_was_changed_since_makes_its_rows_stale(study, tmp_path):
    store = write_store(tmp_path / "eyes", n=10)
    measure(study, store)
    index = pd.read_parquet(store / "index.parquet")
    index.assign(grade=4 - index["grade"]).to_parquet(store / "index.parquet")
    assert {row.reason for row in find_stale(open_study(study.path))} == {
        f"the prepared eyes in {store} have changed since"
    }


def test_a_model_that_is_trained_anew_while_it_is_measured_makes_no_table(study, tmp_path):
    store = write_store(tmp_path / "eyes", n=10)
    reports = PERFORMANCE.run(open_study(study.path), Inputs(data=store), FEW)
    next(reports)
    retrain(study, "ifi_cl")
    with pytest.raises(InputError, match="trained anew while it was measured"):
        list(reports)
    assert not len(study.read_results("predictions").query("data == 'eyes'"))


def test_a_backup_while_a_model_is_measured_changes_nothing(study, tmp_path):
    store = write_store(tmp_path / "eyes", n=10)
    reports = PERFORMANCE.run(open_study(study.path), Inputs(data=store), FEW)
    next(reports)
    checkpoint = study.checkpoint_path("ifi_cl")
    (tmp_path / "backup").hardlink_to(checkpoint)
    checkpoint.touch()
    list(reports)
    assert len(study.read_results("predictions").query("data == 'eyes'"))


def test_a_study_that_was_moved_is_not_measured_again(study, tmp_path):
    store = write_store(tmp_path / "eyes", n=6)
    list(ROBUSTNESS.run(open_study(study.path), Inputs(data=store), DAMAGE))
    moved = study.path.rename(tmp_path / "moved")
    for path in moved.glob("checkpoints/*"):  # as a copy to another disk would
        path.write_bytes(path.read_bytes())
    reports = list(ROBUSTNESS.run(open_study(moved), Inputs(data=store), DAMAGE))
    assert len(reports) == 1  # nothing was left to be measured


def test_a_folder_of_photographs_is_known_by_what_they_hold(tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"one")
    before = digest_photographs(tmp_path)
    (tmp_path / "notes.txt").write_text("no photograph")
    assert digest_photographs(tmp_path) == before
    (tmp_path / "one.jpg").write_bytes(b"two")  # of the same name and size
    assert digest_photographs(tmp_path) != before


def test_a_head_names_the_eyes_of_every_experiment(study, tmp_path):
    store = write_store(tmp_path / "eyes", n=6)
    list(ROBUSTNESS.run(open_study(study.path), Inputs(data=store), DAMAGE))
    head = json.loads((study.path / "study.json").read_text())
    (data,) = (one for one in head["data"] if one["key"] == "eyes")
    assert len(data["fingerprint"]) == 16
