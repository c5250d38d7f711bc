"""Studies and checkpoints that somebody tampered with."""

import ast
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import load_file, save_file

from dr_core.errors import InputError
from dr_core.models.checkpoint import load_model, read_info
from dr_core.models.imagenet_weights import EXTERNAL, read_weights
from dr_core.study.folder import Study, list_studies, open_study
from dr_core.study.tables import RESULT_COLUMNS
from dr_core.training.run_folder import RunFolder

ROOT = Path(__file__).parents[3]


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def study(tiny_study, tmp_path):
    """A copy that may be changed; checkpoints are links into it."""
    for file in [path for path in tiny_study.path.rglob("*") if path.is_file()]:
        target = tmp_path / "study" / file.relative_to(tiny_study.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return open_study(tmp_path / "study")


# --- pickles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pickle", "torch", "old torch"])
def test_a_malicious_pickle_is_refused_under_every_name_and_does_nothing(form, study, tmp_path):
    sign = tmp_path / "it ran"
    payload = tmp_path / "payload"
    if form == "pickle":
        payload.write_bytes(pickle.dumps(Malicious(sign)))
    else:
        torch.save({"network": Malicious(sign)}, payload, _use_new_zipfile_serialization=form == "torch")
    content = payload.read_bytes()
    study.checkpoint_path("ifi_cl").write_bytes(content)
    run = RunFolder(tmp_path / "run", {})
    run.path.mkdir(exist_ok=True)
    (run.path / "last.ckpt").write_bytes(content)
    (study.path / "results" / "predictions.parquet").write_bytes(content)
    (tmp_path / "resnet50.pth").write_bytes(content)
    for read in (
        lambda: study.load_model("ifi_cl"),
        lambda: study.read_checkpoint_info("ifi_cl"),
        run.load_state,
        lambda: study.read_results("predictions"),
        lambda: read_weights(EXTERNAL["supervised"], tmp_path / "resnet50.pth"),
        lambda: read_weights(EXTERNAL["moco"], tmp_path / "resnet50.pth"),
    ):
        with pytest.raises(InputError):
            read()
    assert not sign.exists()
    pickle.loads(pickle.dumps(Malicious(sign))).close()  # noqa: S301 - the pickle is malicious indeed
    assert sign.exists()


def test_nothing_in_the_code_unpickles():
    for path in [path for room in ("dr_core", "dr_cli", "dr_ui") for path in (ROOT / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name, options = ast.unparse(node.func), {o.arg: ast.unparse(o.value) for o in node.keywords}
            assert name not in ("pickle.load", "pickle.loads", "pd.read_pickle", "joblib.load", "eval", "exec"), path
            assert "allow_pickle" not in options, path
            if name == "torch.load":
                assert options.get("weights_only") == "True", path


# --- sizes --------------------------------------------------------------------------------------------------------


def rewrite(path, tensors=None, **changes):
    header = json.loads(json.loads(path.read_bytes()[8:].split(b'},"')[0] + b"}}")["__metadata__"]["dr_lens"])
    tensors = tensors or load_file(path)
    save_file(tensors, path, metadata={"dr_lens": json.dumps(header | changes)})


def claim(path, size):
    """A header that claims tensors of this size, without their bytes."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda p: claim(p, 2**40), "not a safetensors file"),
        (lambda p: p.write_bytes(struct.pack("<Q", 2**27) + b"{" * 2**20), "a header of 134217728 bytes"),
        (lambda p: rewrite(p, classes=["x"] * 2000), "header .* is damaged"),
        (lambda p: rewrite(p, classes=["x"] * 900), "does not hold the weights"),
        (lambda p: rewrite(p, arch=["resnet50"]), "header .* is damaged"),
        (lambda p: rewrite(p, validation_auc="<script>"), "header .* is damaged"),
        (lambda p: rewrite(p, preprocessing={"size": 10**6, "mean": [0] * 3, "std": [1] * 3}), "between 16 and 2048"),
        (lambda p: rewrite(p, preprocessing={"mean": [0] * 3, "std": [1, 1, 0]}), "`mean` and `std`"),
        (lambda p: rewrite(p, schema=float("inf")), "header .* is damaged"),
        (lambda p: save_file({"a": torch.zeros(1)}, p, metadata={"dr_lens": "[" * 100_000}), "header .* is damaged"),
        (
            lambda p: rewrite(p, {name: t.double().to(torch.complex64) for name, t in load_file(p).items()}),
            "numbers of the type",
        ),
    ],
)
def test_a_checkpoint_that_asks_for_too_much_is_refused(study, damage, sentence):
    path = study.checkpoint_path("ifi_cl")
    damage(path)
    for read in (load_model, read_info):
        with pytest.raises(InputError, match=sentence):
            read(path)


def test_shapes_are_compared_before_a_tensor_is_read(study, monkeypatch):
    path = study.checkpoint_path("ifi_cl")
    rewrite(path, arch="resnet50")
    monkeypatch.setattr(torch.Tensor, "float", lambda *_: pytest.fail("a tensor was read"))
    with pytest.raises(InputError, match="does not hold the weights of a resnet50"):
        load_model(path)


def test_a_state_larger_than_its_file_is_refused(tmp_path):
    run = RunFolder(tmp_path, {})
    run.save_state({"network": {"a": torch.zeros(1).expand(2**30)}, "history": []})
    with pytest.raises(InputError, match=r"last\.ckpt is damaged"):
        run.load_state()


def test_a_packed_state_is_refused(tmp_path):
    run = RunFolder(tmp_path, {})
    run.save_state({"network": {"a": torch.zeros(1_000_000)}, "history": []})
    path = tmp_path / "last.ckpt"
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"last\.ckpt is damaged"):
        run.load_state()


def write_table(study, **columns):
    frame = {name: pa.array([0.0]) for name in RESULT_COLUMNS["performance"]} | columns
    rows = max(len(column) for column in frame.values())
    table = {name: column if len(column) == rows else pa.array([0.0] * rows) for name, column in frame.items()}
    pa.parquet.write_table(pa.table(table), study.path / "results" / "performance.parquet", compression="zstd")


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x" * 20_000] * 3),
        pa.array([b"bytes"]),
        pa.array([[1, 2]]),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int32)), pa.array(["x" * 1_000_000])),
    ],
    ids=["long text", "bytes", "nested", "one long text a thousand times"],
)
def test_a_table_of_strange_values_is_refused(study, column):
    write_table(study, setup=column)
    with pytest.raises(InputError, match=r"performance\.parquet .* damaged"):
        study.read_results("performance")


def test_a_table_of_endless_rows_is_refused(study, monkeypatch):
    monkeypatch.setattr("dr_core.parquet._MAX_ROWS", 10)
    write_table(study, setup=pa.array(["x"] * 11))
    with pytest.raises(InputError, match=r"performance\.parquet .* damaged"):
        study.read_results("performance")


def test_a_plain_table_comes_back_as_it_was(study):
    frame = pd.DataFrame({name: [1.5, 2.5] for name in RESULT_COLUMNS["performance"]})
    frame = frame.assign(setup=["ifi_cl", "ifi_fs"], n=[3, 4], data=pd.Categorical(["a", "a"]))
    frame = frame.assign(checkpoint=["c", "d"], data_digest=["e", "f"])
    study.write_results("performance", frame)
    found = study.read_results("performance")
    pd.testing.assert_frame_equal(found.astype(frame.assign(data=["a", "a"]).dtypes), frame.assign(data=["a", "a"]))


@pytest.mark.parametrize(
    "change", [{"title": 1}, {"settings": []}, {"data": [{"key": "../.."}]}, {"schema": float("inf")}, {"setups": 3}]
)
def test_a_head_of_wrong_types_is_refused(study, change):
    head = study.path / "study.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | change))
    with pytest.raises(InputError, match="is damaged"):
        open_study(study.path)


def test_a_gigantic_or_bottomless_head_is_refused(study):
    head = study.path / "study.json"
    head.write_text("[" * 100_000)
    with pytest.raises(InputError, match="is damaged"):
        open_study(study.path)
    with head.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(InputError, match="at most 1 MB"):
        open_study(study.path)


# --- paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["checkpoints/ifi_cl.safetensors", "results/performance.parquet", "study.json"])
def test_a_link_out_of_the_study_is_refused(study, tmp_path, name):
    inside, outside = study.path / name, tmp_path / "secret"
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(InputError, match="leads out of the study's folder"):
        [open_study(study.path), study.load_model("ifi_cl"), study.read_results("performance")]


def test_a_linked_folder_out_of_the_study_is_refused(study, tmp_path):
    (study.path / "checkpoints").rename(tmp_path / "elsewhere")
    (study.path / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out"):
        study.has_checkpoint("ifi_cl")


def test_links_within_the_study_and_to_the_study_are_followed(study, tmp_path):
    path = study.checkpoint_path("ifi_cl")
    path.rename(study.path / "blob")
    path.symlink_to(study.path / "blob")
    (tmp_path / "link").symlink_to(study.path)
    assert open_study(tmp_path / "link").load_model("ifi_cl").info.setup == "ifi_cl"


def test_names_do_not_climb(study):
    for name in ("../../study", "/etc/passwd", "../checkpoints/../../x"):
        with pytest.raises(InputError, match="leads out"):
            study.load_model(name)
        with pytest.raises(InputError, match="leads out"):
            study.has_results(name)


def test_reading_a_study_writes_nothing(study):
    for folder, _, files in os.walk(study.path):
        for name in files:
            (Path(folder) / name).chmod(0o444)
        Path(folder).chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in study.path.rglob("*")}
    assert list_studies(study.path.parent) == [study.path]
    again = open_study(study.path)
    assert isinstance(again, Study)
    again.load_model("ifi_cl")
    again.read_results("performance")
    assert {path: path.stat().st_mtime_ns for path in study.path.rglob("*")} == before
    for folder in [study.path, *(path for path in study.path.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
