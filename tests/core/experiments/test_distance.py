"""The distance from the training eyes as a table: fitted, stored, read back, and what has none."""

import numpy as np
import pandas as pd
import pytest

from dr_core.experiments.distance import TABLE, read_references
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.models.features import last_features
from dr_core.study.digests import digest_of
from tests.conftest import make_study


def write_eyes(folder, number, seed=0):
    folder.mkdir()
    np.save(folder / "images.npy", np.random.default_rng(seed).integers(0, 256, (number, 3, 64, 64), np.uint8))
    eyes = pd.DataFrame({"eye": [str(eye) for eye in range(number)], "grade": np.arange(number) % 5})
    eyes.assign(patient=[str(eye // 2) for eye in range(number)]).to_parquet(folder / "index.parquet")
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("distance") / "study")


def test_a_reference_is_stored_beside_the_weights_and_read_back(study, tmp_path):
    folder = write_eyes(tmp_path / "eyes", 60)
    assert list(EXPERIMENTS["distance"].run(study, Inputs(data=folder)))[-1].written
    rows = study.read_checkpoint_results(TABLE)
    assert set(rows["setup"]) == set(study.setups)
    of_one = rows[rows["setup"] == "iwne_fs"]
    assert set(of_one["checkpoint"]) == {digest_of(study.checkpoint_path("iwne_fs"))}
    assert set(rows["n"]) == {60}
    reference = read_references(rows)["iwne_fs"]
    views = np.load(folder / "images.npy").transpose(0, 2, 3, 1)
    features = last_features(study.load_model("iwne_fs"), views)
    assert reference.mean == pytest.approx(features.mean(axis=0), abs=1e-4)
    plain = np.full((1, 64, 64, 3), 255, np.uint8)
    far = reference.distance(last_features(study.load_model("iwne_fs"), plain))
    assert far > reference.distance(features).max()


def test_too_few_eyes_are_a_reason_for_each_network(study, tmp_path):
    reports = list(
        EXPERIMENTS["distance"].run(study, Inputs(data=write_eyes(tmp_path / "few", 10, 1), key="few"), replace=True)
    )
    assert len(reports[-1].unanswered) == len(study.setups)
    assert "at least 50 training eyes" in reports[-1].unanswered[0]
    assert read_references(study.read_checkpoint_results(TABLE)) == {}
