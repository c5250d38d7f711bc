"""A study that was tampered with, retrained or only half moved says so, thing by thing."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from dr_cli.main import main
from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.experiment import Inputs
from dr_core.experiments.performance import PERFORMANCE
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import read_info, save_model
from dr_core.study.digests import digest_of
from dr_core.study.folder import open_study, write_study_info
from dr_core.study.schemas import SCHEMAS
from dr_core.study.tables import TABLES
from dr_core.study.verify import SOUND, verify_study
from tests.cli.test_measure_commands import write_store
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def whole(tiny_study, tmp_path_factory):
    """A study whose models are its own, measured on ten eyes."""
    folder = tmp_path_factory.mktemp("verified")
    study = open_study(shutil.copytree(tiny_study.path, folder / "study"))
    for table in ("predictions", "performance"):
        (study.path / "results" / f"{table}.parquet").unlink()
    store = write_store(folder / "eyes", n=10)
    list(PERFORMANCE.run(study, Inputs(data=store), MeasureConfig(draws=2)))
    return folder


@pytest.fixture
def study(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "copy")
    study = open_study(tmp_path / "copy" / "study")
    eyes = study.read_results("eyes").assign(store=str(tmp_path / "copy" / "eyes"))
    study.write_results("eyes", eyes)
    return study


def wrong(study):
    return {(node.kind, node.name): node for node in verify_study(open_study(study.path)) if node.state not in SOUND}


def test_a_study_that_nobody_touched_is_sound(study, capsys):
    assert wrong(study) == {}
    tables = {node.name: node for node in verify_study(study) if node.kind == "table"}
    assert {node.state for node in tables.values()} == {"good"}
    weights = {digest_of(study.checkpoint_path(setup)) for setup in study.setups}
    assert weights < set(tables["performance"].parents)
    assert main(["verify", str(study.path)]) == 0
    assert "0 have a problem" in capsys.readouterr().out


def test_tables_that_experiments_bring_along_are_no_strangers_to_the_command(study):
    brought = {table for experiment in EXPERIMENTS.values() for table in experiment.tables} - set(SCHEMAS)
    assert {"concepts", "similarity"} <= brought
    for table in brought:
        study.write_results(table, pd.DataFrame(columns=list(TABLES[table].columns)))
    # a process of its own: here some test has imported the experiments
    command = [sys.executable, "train_cli.py", "verify", str(study.path), "--json"]
    printed = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout)
    states = {node["name"]: node["state"] for node in printed["nodes"]}
    assert {states.get(table) for table in brought} <= {"good", "unknown"}
    assert not [name for name, state in states.items() if state == "foreign"]


def test_a_checkpoint_that_was_swapped_is_found(study, capsys):
    path = study.checkpoint_path("ifi_cl")
    save_model(path, build_backbone("resnet50_slim", 5, 77), read_info(path), half=True)
    found = wrong(study)
    assert found["table", "performance"].state == "stale"
    assert "ifi_cl" in found["table", "performance"].reason
    assert main(["verify", str(study.path), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert not printed["sound"]
    states = {node["name"]: node["state"] for node in printed["nodes"] if node["kind"] == "table"}
    assert states["predictions"] == "stale"


def test_a_checkpoint_that_the_studys_run_did_not_make_is_foreign(study):
    info = study.info
    write_study_info(study.path, type(info)(**vars(info) | {"checkpoints": {"ifi_cl": "0" * 64}}))
    assert wrong(study)["checkpoint", "ifi_cl"].state == "foreign"


def test_a_picture_that_was_changed_by_hand_is_found(study):
    path = study.path.parent / "eyes" / "images.npy"
    images = np.load(path)
    images[3, 0, 0, 0] ^= 1
    np.save(path, images)
    found = wrong(study)
    assert found["data", "eyes"].state == "stale"


def test_what_is_missing_damaged_or_foreign_is_named(study):
    study.checkpoint_path("iwne_fs").unlink()
    study.checkpoint_path("iwne_cl").write_bytes(b"no weights")
    (study.path / "results" / "secrets.parquet").write_bytes(b"")
    (study.path / "results" / "comparisons.parquet").write_bytes(b"no table")
    (study.path / "checkpoints" / "swav.safetensors").write_bytes(b"")
    states = {name: node.state for name, node in wrong(study).items()}
    assert states["checkpoint", "iwne_fs"] == "missing"
    assert states["checkpoint", "iwne_cl"] == "damaged"
    assert states["table", "comparisons"] == "damaged"
    assert states["file", "results/secrets.parquet"] == "foreign"
    assert states["file", "checkpoints/swav.safetensors"] == "foreign"


def test_a_run_that_started_from_weights_that_are_gone_is_stale(study):
    moco, run = study.path / "runs" / "moco-train-s0", study.path / "runs" / "iwne_cl-f100-s0"
    moco.mkdir(parents=True)
    run.mkdir()
    (moco / "last.ckpt").write_bytes(b"first")
    start = f"moco-train-s0, weights {digest_of(moco / 'last.ckpt')}"
    (run / "config.json").write_text(json.dumps({"epochs": 0, "start": start, "data": ""}))
    assert wrong(study) == {}
    (moco / "last.ckpt").write_bytes(b"trained anew")
    assert wrong(study)["run", "runs/iwne_cl-f100-s0"].state == "stale"


def test_tables_say_what_computed_them(study):
    computed = study.read_provenance("predictions")
    assert {"code", "processor", "device", "precision", "threads", "torch", "numpy"} <= set(computed)
    assert open_study(study.path).read_provenance("eyes") == {}  # written by this test's own hand


def test_roles_that_overlap_are_a_leak(study):
    (path,) = (study.path / "roles").glob("test-*.parquet")
    shutil.copy(path, path.with_name(path.name.replace("test-", "training-")))
    assert wrong(study)["roles", "test and training"].state == "leak"


def test_a_table_of_an_earlier_version_is_not_known_in_full(study):
    rows = study.read_results("comparisons").drop(columns=["checkpoint", "other_checkpoint", "data_digest"])
    rows.to_parquet(study.path / "results" / "comparisons.parquet")
    assert wrong(study) == {}
    (node,) = (node for node in verify_study(study) if node.name == "comparisons")
    assert node.state == "unknown"
    assert isinstance(study.read_results("comparisons"), pd.DataFrame)
