"""Fixtures of all tests: the real eyes where they exist, and a tiny study of untrained models."""

import functools
import gc
import os
import random
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_core.analysis.measures import MEASURES
from dr_core.data.grades import READINGS
from dr_core.data.preprocessing import Preprocessing
from dr_core.experiments.answers import predict_table, summarize
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, load_model, save_model
from dr_core.models.setups import SETUPS
from dr_core.processes import worker_context
from dr_core.study.folder import DataSet, StudyInfo, open_study, write_study_info

ROOT = Path(__file__).parents[1]

_FORKED = (
    "dr_cli.data",
    "dr_cli.experiment",
    "dr_cli.finetune",
    "dr_cli.pretrain",
    "dr_cli.report",
    "dr_core.data.prepare",
    "dr_core.training.classification",
    "dr_core.training.pretraining.task",
    "sklearn.metrics",
    "tests.faults.commands",
)
"""What workers, cells of a study and stopped commands import: seconds, each time anew."""


worker_context(*_FORKED)


_LONGEST = (
    "tests/cli/test_train_cli.py",
    "tests/app/test_explain.py",
    "tests/browser/test_accessibility.py",
    "tests/app/test_load.py",
    "tests/browser/test_login.py",
    "tests/cli/test_study_command.py",
    "tests/faults/test_faults.py",
    "tests/browser/test_measure_views.py",
    "tests/app/test_promises.py",
    "tests/core/training/test_contrastive_learning.py",
    "tests/app/test_other_setups.py",
    "tests/test_open_vocabularies.py",
)
"""Files that take half a minute and more."""


def pytest_collection_modifyitems(items):
    """The longest files first, so that of several processes none is left with one at the end."""
    assert all((ROOT / name).is_file() for name in _LONGEST)
    places = {ROOT / name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish():
    """Spare the tests to look, time and again, for what does not change while they run.

    Streamlit searches for garbage after each run of a page, and looks into each installed package for components
    before an app's first run: half a second a page together. The server of the app does neither (dr_ui.shell.server).
    """
    gc.collect()
    gc.freeze()
    if "streamlit.testing.v1.app_test" in sys.modules:
        from streamlit import config
        from streamlit.components.v2 import manifest_scanner

        config.set_option("runner.postScriptGC", False)
        manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def pytest_sessionfinish():
    """Leave nothing behind."""
    gc.unfreeze()  # otherwise libraries complain, at the very end, of what they never see freed
    for made in _made.values():
        made.cleanup()
    _made.clear()


def find_free_port():
    """A port that nobody listens on, and that the system gives to no connection before it is used.

    The system takes the ports of connections, and those of `bind(0)`, from 32768 up.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("all ports are taken")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real eyes; tests that need it are skipped where it does not exist."""
    folder = Path(os.environ.get("DR_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real eyes in {folder}; DR_SHARED_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def full_size_eyes(shared_data):
    """IDRiD_01 to IDRiD_20, 4288x2848."""
    return sorted(shared_data.glob("idrid/A. Segmentation/1. Original Images/a. Training Set/IDRiD_*.jpg"))


@pytest.fixture(scope="session")
def small_eyes(shared_data):
    """IDRiD_01 to IDRiD_54 and 89 eyes without visible retinopathy, 512x512."""
    return sorted(shared_data.glob("idrid512/*images/*.jpg"))


_made = {}
"""Set-ups and what is measured -> a folder with such a study."""


def make_study(folder, setups=None):
    """A whole study whose slim models, the paper's four or others, have random weights; its numbers mean nothing."""
    setups = tuple(SETUPS.values()) if setups is None else tuple(setups)
    key = (setups, tuple(MEASURES), tuple(READINGS.values()))
    if key not in _made:
        _made[key] = tempfile.TemporaryDirectory(prefix="studies-")
        _build_study(Path(_made[key].name) / "study", setups)
    shutil.copytree(Path(_made[key].name) / "study", folder, dirs_exist_ok=True)
    return open_study(folder)


def _build_study(folder, setups):
    import pandas as pd

    preprocessing = Preprocessing(size=64)
    (folder / "checkpoints").mkdir(parents=True)
    for seed, setup in enumerate(one.name for one in setups):
        info = CheckpointInfo(
            arch="resnet50_slim",
            setup=setup,
            preprocessing=preprocessing,
            validation_auc=0.5,
            training_data="nothing",
            data_fingerprint="",
        )
        path = folder / "checkpoints" / f"{setup}.safetensors"
        save_model(path, build_backbone("resnet50_slim", 5, seed), info, half=True)
    data = DataSet(key="noise", title="noise", role="test", images=20, real=False, description="Random pixels.")
    info = StudyInfo(title="Tiny", summary="Untrained models.", protocol="-", seed=0, setups=setups, data=(data,))
    study = write_study_info(folder, info)
    views = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8)
    grades = np.arange(20) % 5
    eyes = pd.DataFrame({"eye": grades.astype(str), "patient": np.arange(20), "grade": grades, "has_dr": grades > 0})
    models = {setup: load_model(study.checkpoint_path(setup)) for setup in study.setups}
    predictions = predict_table("noise", models, views, eyes)
    study.write_results("predictions", predictions)
    study.write_results("performance", summarize(predictions))


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory):
    """A whole study of untrained models, shared by all tests; do not change it."""
    return make_study(tmp_path_factory.mktemp("studies") / "tiny")


@pytest.fixture
def one_thread():
    """Sums are ordered by threads: what two processes compute alike needs the same number of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
