"""Folders that somebody else made: nothing in them hangs a page, leads out of them, or takes gigabytes."""

import json
import os
import resource
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from dr_cli.main import main
from dr_core.errors import InputError
from dr_core.parquet import DEFECTS, read_parquet
from dr_core.study.folder import open_study, write_study_info
from dr_core.training.progress import find_running
from tests.app.page_driver import encoded, page_at
from tests.zoo.photographs import EYE

CONFIG = json.dumps({"epochs": 5})
LINE = json.dumps({"epoch": 1, "loss": 0.5, "seconds": 3}) + "\n"


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)


CONFIGS = {
    "empty": "",
    "cut": '{"epochs": ',
    "list": "[]",
    "number": "7",
    "null": "null",
    "no epochs": "{}",
    "epochs of text": '{"epochs": "many"}',
    "epochs of null": '{"epochs": null}',
    "endless epochs": '{"epochs": 1e999}',
    "nested": "[" * 100_000,
    "patience of text": '{"epochs": 5, "patience": "x"}',
    "long number": '{"epochs": ' + "9" * 10_000 + "}",
}
METRICS = {
    "text": "no json\n",
    "list": "[]\n",
    "nested value": '{"loss": {"a": 1}}\n',
    "nested": "[" * 100_000 + "\n",
    "null": "null\n",
    "bytes": None,
}


def make_runs(folder):
    """Run folders of every kind of damage; those that are no training, or none that can be understood."""
    for name, text in CONFIGS.items():
        run = folder / f"config {name}"
        run.mkdir(parents=True)
        (run / "config.json").write_text(text)
    for name, text in METRICS.items():
        run = folder / f"metrics {name}"
        run.mkdir()
        (run / "config.json").write_text(CONFIG)
        (run / "metrics.jsonl").write_bytes(b"\xff\xfe\x00\n" if text is None else text.encode())
    for name, make in {
        "pipe": os.mkfifo,
        "device": lambda path: path.symlink_to("/dev/zero"),
        "gigabyte": lambda path: sparse(path, 2**30),
        "link out": lambda path: path.symlink_to("/etc/hostname"),
        "loop": lambda path: path.symlink_to(path.name),
        "folder": lambda path: path.mkdir(),
    }.items():
        for file in ("config.json", "metrics.jsonl"):
            run = folder / f"{file} {name}"
            run.mkdir()
            (run / "config.json").write_text(CONFIG)
            (run / file).unlink(missing_ok=True)
            make(run / file)
    (folder / "out").symlink_to("/")
    return folder


def test_run_folders_of_strangers_are_left_out_in_no_time(tmp_path):
    runs = make_runs(tmp_path / "runs")
    good = runs / "ifi_cl-f100-s0"
    good.mkdir()
    (good / "config.json").write_text(CONFIG)
    (good / "metrics.jsonl").write_text(LINE)
    started = time.process_time()
    found = {run.name for run in find_running(runs)}
    assert "ifi_cl-f100-s0" in found
    assert not {name for name in found if name.startswith("config ") or name == "out"}
    assert time.process_time() - started < 5


def test_home_opens_beside_them(monkeypatch, tiny_study, tmp_path):
    study = write_study_info(tmp_path / "study", tiny_study.info)
    make_runs(study.path / "runs")
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at("home.py").run()
    assert not app.exception
    assert not app.error


def test_score_lists_pipes_and_devices_and_opens_none(tiny_study, tmp_path, capsys):
    eyes = tmp_path / "eyes"
    eyes.mkdir()
    (eyes / "eye.png").write_bytes(encoded(EYE))
    for name in ("pipe.jpg", "pipe", "pipe.txt"):
        os.mkfifo(eyes / name)
    (eyes / "zero.dcm").symlink_to("/dev/zero")
    out = tmp_path / "out.csv"
    options = ["--study", str(tiny_study.path), "--out", str(out), "--device", "cpu", "--processes", "1"]
    assert main(["score", str(eyes), *options, "--setups", "ifi_cl"]) == 0
    listed = {line.split(",")[0]: line for line in out.read_text().splitlines()[1:]}
    assert set(listed) == {"eye.png", "pipe.jpg", "pipe", "pipe.txt", "zero.dcm"}
    assert all("no regular file" in line for name, line in listed.items() if name != "eye.png")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "7"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"seed": 2**64},
        {"seed": None},
        {"checkpoints": {"ifi_cl": 3}},
        {"versions": {"torch": []}},
        {"setups": [{"name": "a", "label": 7}]},
        {"setups": [{"name": "../a", "label": "a"}]},
        {"setups": [{"name": "a", "label": "a", "unknown": 1}]},
        {"setups": ["ifi_cl", "ifi_cl"]},
        {"data": "all"},
    ],
    ids=str,
)
def test_a_head_of_wrong_types_or_ranges_is_a_sentence(tiny_study, tmp_path, change):
    path = write_study_info(tmp_path / "study", tiny_study.info).path / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError):
        open_study(path.parent)


@pytest.mark.parametrize("change", [{"images": -1}, {"images": True}, {"real": 3}, {"role": "spy"}, {"key": None}])
def test_a_data_set_of_wrong_types_or_ranges_is_a_sentence(tiny_study, tmp_path, change):
    path = write_study_info(tmp_path / "study", tiny_study.info).path / "study.json"
    head = json.loads(path.read_text())
    head["data"][0] |= change
    path.write_text(json.dumps(head))
    with pytest.raises(InputError, match="damaged"):
        open_study(path.parent)


def shared_text(rows, length):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * length]))


BOMBS = {
    "rows times text": ({"a": shared_text(1_000_000, 4500)}, {}),
    "long text": ({"a": pa.array(["x" * 50_000])}, {}),
    "rows times columns": ({f"c{n}": pa.array(np.zeros(2_000_000)) for n in range(70)}, {}),
    "another codec": ({"a": pa.array(["x" * 9000] * 1000)}, {"compression": "zstd", "use_dictionary": False}),
    "lists": ({"a": pa.array([[1, 2]])}, {}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_table_that_asks_for_gigabytes_is_refused_before_it_takes_them(tmp_path, name):
    columns, options = BOMBS[name]
    path = tmp_path / "bomb.parquet"
    pa.parquet.write_table(pa.table(columns), path, **options)
    assert path.stat().st_size < 2_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DEFECTS):
        read_parquet(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_a_pipe_and_a_gigabyte_are_no_table(tmp_path):
    os.mkfifo(tmp_path / "pipe.parquet")
    sparse(tmp_path / "sparse.parquet", 3 * 2**29)
    for name in ("pipe", "sparse"):
        with pytest.raises(DEFECTS):
            read_parquet(tmp_path / f"{name}.parquet")
