"""Probes of pretrainings as a table: every kept epoch beside random weights, by the same code."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from dr_core.analysis.feature_probes import score_by_neighbors, score_linearly
from dr_core.errors import InputError
from dr_core.experiments.experiment import Inputs, Workload
from dr_core.experiments.probe import ProbeConfig
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.study.folder import open_study
from dr_core.training.execution import Execution
from dr_core.training.jobs.pretrain import PretrainRequest, pretrain
from dr_core.training.jobs.snapshots import find_pretrainings, list_snapshots, read_snapshot
from dr_core.training.pretraining.registry import METHODS
from tests.cli.test_measure_commands import write_store
from tests.conftest import make_study

PROBE = EXPERIMENTS["probe"]
CONFIG = replace(
    METHODS["simclr"].recipes["quick"], epochs=3, batch_size=16, dim=8, view_size=None, precision="32-true"
)


def draw(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_the_linear_probe_is_scikit_learns_on_standardized_features():
    features, others = 3 + 2 * draw(60, 4), draw(20, 4, 1)
    features[:, 3] = 1.0  # a channel that never fires
    labels = features[:, 0] + draw(60, 1, 2)[:, 0] > 3
    mean, spread = features.mean(0), np.where(features.std(0) > 0, features.std(0), 1)
    oracle = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit((features - mean) / spread, labels)
    scores = score_linearly(features, labels, others, 0.1)
    np.testing.assert_allclose(scores, oracle.decision_function((others - mean) / spread), atol=1e-3)
    with pytest.raises(InputError, match="of one class alone"):
        score_linearly(features, np.ones(60, bool), others, 0.1)


def test_neighbors_vote_as_scikit_learns_do_with_the_papers_weights():
    features, others = draw(50, 4), draw(10, 4, 1)
    labels = features[:, 0] > 0
    oracle = KNeighborsClassifier(20, metric="cosine", weights=lambda distance: np.exp(-distance / 0.07))
    found = oracle.fit(features, labels).predict_proba(others)[:, 1]
    np.testing.assert_allclose(score_by_neighbors(features, labels, others), found, atol=1e-9)


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    study, eyes = make_study(folder / "study"), write_store(folder / "eyes", n=60, size=32)
    request = PretrainRequest(
        data=write_store(folder / "unlabeled", n=32, size=32),
        out=study.path / "runs" / "simclr-s0",
        method="simclr",
        config=CONFIG,
        arch="resnet50_slim",
        execution=Execution(device="cpu"),
        keep_every=2,
    )
    list(pretrain(request))
    *_, last = PROBE.run(study, Inputs(data=eyes), allow_overlap=True)
    assert last.written
    assert not last.unanswered
    return study, eyes


def test_each_kept_epoch_is_probed_beside_random_weights(probed):
    study, _ = probed
    rows = study.read_results("probes")
    assert set(zip(rows["features"], rows["epoch"], strict=True)) == {
        ("random weights", 0),
        ("pretraining", 2),
        ("pretraining", 3),
    }
    assert set(rows["probe"]) == {"linear", "neighbors"}
    assert set(rows["run"]) == {"simclr-s0"}
    assert (rows["n"] == 30).all()
    assert rows["value"].between(0, 1).all()
    assert (rows["low"] <= rows["value"]).all()
    assert (rows.loc[rows["features"] == "random weights", "weights"] == "").all()
    pretrained = rows[rows["features"] == "pretraining"]
    assert pretrained.groupby("epoch")["weights"].nunique().eq(1).all()


def test_a_snapshot_is_the_encoder_of_that_epoch(probed):
    study, _ = probed
    run = study.path / "runs" / "simclr-s0"
    assert find_pretrainings(study.path / "runs") == (run,)
    snapshots = list_snapshots(run)
    assert list(snapshots) == [2, 3]
    state = torch.load(run / "last.ckpt", weights_only=True)["network"]
    last = read_snapshot(run, snapshots[3], "fc")
    assert all(torch.equal(state[f"encoder.{name}"], tensor) for name, tensor in last.items())
    assert read_snapshot(run, snapshots[2], "fc").keys() == last.keys()
    snapshots[2].write_bytes(snapshots[2].read_bytes()[:100])
    with pytest.raises(InputError, match="is damaged"):
        read_snapshot(run, snapshots[2], "fc")
    snapshots[2].unlink()


def test_a_study_without_a_pretraining_says_so(tmp_path, tiny_study, probed):
    with pytest.raises(InputError, match="has no pretraining in its folder runs"):
        list(PROBE.run(open_study(tiny_study.path), Inputs(data=probed[1]), allow_overlap=True))


def test_eyes_of_one_grade_give_no_answer(probed, tmp_path):
    study, _ = probed
    eyes = write_store(tmp_path / "healthy", n=20, size=32)
    index = pd.read_parquet(eyes / "index.parquet").assign(grade=0)
    index.to_parquet(eyes / "index.parquet")
    *_, last = PROBE.run(study, Inputs(data=eyes), ProbeConfig(limit=10), allow_overlap=True)
    assert any("too few of one class" in sentence or "of one class" in sentence for sentence in last.unanswered)
    rows = study.read_results("probes")
    assert set(rows["data"]) == {"eyes", "healthy"}  # rows of other eyes stay


def test_the_estimate_grows_with_the_eyes():
    work = Workload(eyes=1000, segmented=0, models=4, runs=4, forward=100.0)
    assert PROBE.estimate(work, ProbeConfig()).seconds > PROBE.estimate(work, ProbeConfig(limit=10)).seconds
