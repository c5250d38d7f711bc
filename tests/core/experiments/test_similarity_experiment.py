"""The similarity of a study's set-ups as tables: pairs, blocks, starts, and what has no answer."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from dr_core.errors import InputError
from dr_core.experiments.experiment import Inputs, Workload
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.experiments.similarity import SIMILARITY, SimilarityConfig
from dr_core.models.checkpoint import load_model
from dr_core.study.digests import digest_of
from dr_core.study.folder import open_study
from dr_core.study.shards import Shard
from tests.conftest import make_study

FEW = SimilarityConfig(batch_size=5)


def write_eyes(folder, number=11):
    folder.mkdir()
    np.save(folder / "images.npy", np.random.default_rng(0).integers(0, 256, (number, 3, 64, 64), np.uint8))
    pd.DataFrame({"eye": [str(eye) for eye in range(number)]}).to_parquet(folder / "index.parquet")
    return folder


def write_start(study, setup, network, digest=""):
    """Run folders of a pretraining that ended with these weights, and of the finetuning that started from them."""
    run, folder = study.path / "runs" / "moco", study.path / "runs" / f"{setup}-f100-s0"
    run.mkdir(parents=True)
    state = {f"encoder_q.{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    torch.save({"history": [], "network": state}, run / "last.ckpt")
    (run / "config.json").write_text(json.dumps({"queue": 8, "epochs": 0}))
    folder.mkdir()
    record = f"moco, weights {digest or digest_of(run / 'last.ckpt')}"
    (folder / "config.json").write_text(json.dumps({"start": record}))


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    return write_eyes(tmp_path_factory.mktemp("eyes") / "mine")


@pytest.fixture(scope="module")
def measured(tmp_path_factory, eyes):
    """A study in which iwne_cl is its own start, and ifi_fs started from random weights."""
    study = make_study(tmp_path_factory.mktemp("similarity") / "study")
    write_start(study, "iwne_cl", load_model(study.checkpoint_path("iwne_cl")).model)
    random = study.path / "runs" / "ifi_fs-f100-s0"
    random.mkdir()
    (random / "config.json").write_text(json.dumps({"start": "random weights"}))
    reports = list(SIMILARITY.run(study, Inputs(data=eyes), FEW))
    assert reports[-1].written
    assert not reports[-1].unanswered
    return study


def test_every_block_is_compared_with_every_other(measured):
    rows = measured.read_results("similarity")
    assert len(rows) == (4 * 16) ** 2
    assert set(rows["n"]) == {11}
    assert set(rows["reason"]) == {""}
    own = rows[(rows["setup"] == rows["other"]) & (rows["block"] == rows["other_block"])]
    np.testing.assert_allclose(own["value"], 1, atol=1e-12)
    assert rows["value"].abs().max() <= 1 + 1e-12
    grid = rows.pivot_table(index=["setup", "block"], columns=["other", "other_block"], values="value")
    np.testing.assert_allclose(grid, grid.T, atol=1e-12)
    assert set(rows["other_checkpoint"]) == {digest_of(measured.checkpoint_path(setup)) for setup in measured.setups}


def test_a_set_up_against_its_start_or_the_reason(measured):
    rows = measured.read_results("similarity_starts").set_index("setup")
    own = rows.loc["iwne_cl"]
    assert own["block"].tolist()[:3] == ["layer1.0", "layer1.1", "layer1.2"]
    np.testing.assert_allclose(own["value"], 1, atol=1e-9)
    assert "random weights: there is no checkpoint" in rows.loc["ifi_fs", "reason"]
    assert "no run folder" in rows.loc["iwne_fs", "reason"]
    assert rows.loc[["ifi_fs", "iwne_fs", "ifi_cl"], "value"].isna().all()


def test_a_start_of_other_weights_is_no_start(tmp_path, eyes):
    study = make_study(tmp_path / "study")
    write_start(study, "iwne_cl", load_model(study.checkpoint_path("iwne_cl")).model, digest="0" * 16)
    list(SIMILARITY.run(study, Inputs(data=eyes), FEW))
    rows = study.read_results("similarity_starts").set_index("setup")
    assert "moco, weights 0000000000000000) are not in the study" in rows.loc["iwne_cl", "reason"]


def test_parts_give_the_same_numbers(tmp_path, eyes, measured):
    study = make_study(tmp_path / "study")
    shutil.copytree(measured.path / "runs", study.path / "runs")
    for number in (1, 2):
        list(SIMILARITY.run(study, Inputs(data=eyes), FEW, shard=Shard(number=number, count=2)))
    for table in SIMILARITY.tables:
        pd.testing.assert_frame_equal(study.read_results(table), measured.read_results(table))


def test_other_eyes_stand_beside_and_pooled_features_are_others(tmp_path, eyes, measured):
    shutil.copytree(measured.path, tmp_path / "study")
    study = open_study(tmp_path / "study")
    inputs = Inputs(data=eyes, key="again")
    list(SIMILARITY.run(study, inputs, SimilarityConfig(batch_size=5, pooled=True)))
    rows = study.read_results("similarity")
    before, after = (rows[rows["data"] == key]["value"].to_numpy() for key in ("mine", "again"))
    assert len(before) == len(after)
    assert np.abs(before - after).max() > 0.05


def test_too_few_eyes_are_a_sentence(tmp_path, tiny_study):
    with pytest.raises(InputError, match="at least 4 eyes, not 3"):
        list(SIMILARITY.run(tiny_study, Inputs(data=write_eyes(tmp_path / "few", 3)), FEW))
    with pytest.raises(InputError, match="needs eyes"):
        list(SIMILARITY.run(tiny_study, Inputs(), FEW))


def test_it_is_listed_and_has_an_estimate():
    assert EXPERIMENTS["similarity"] is SIMILARITY
    few, twice = (Workload(eyes=eyes, segmented=0, models=4, runs=4, forward=10) for eyes in (100, 200))
    assert SIMILARITY.estimate(twice, FEW).seconds > SIMILARITY.estimate(few, FEW).seconds > 0
