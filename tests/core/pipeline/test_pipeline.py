import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dr_core.errors import InputError
from dr_core.pipeline.cells import Cell, build_cells
from dr_core.pipeline.config import QUICK, Data, Resources, StudyConfig, read_config
from dr_core.pipeline.estimate import Rates, estimate_cells
from dr_core.pipeline.executors import ClusterExecutor, LocalExecutor
from dr_core.pipeline.schedule import run_grid
from tests.core.pipeline.grid_commands import copy, wait_to_be_cut_off

PAPER = """
preset = "paper"
title = "EyePACS"
seeds = [0, 1]
fractions = [10, 100]
[data]
train = "stores/train"
idrid = "/data/idrid"
[data.test]
eyepacs_test = "stores/test"
messidor2 = "stores/messidor2"
[imagenet]
ifi_fs = "weights/resnet50.pth"
[ifi]
batch_size = 32
[robustness]
eyes = 1000
[resources.finetune]
processes = 4
gpus = 4
"""


def write(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def test_a_configuration_is_read_with_paths_from_its_folder(tmp_path):
    config = read_config(write(tmp_path, PAPER))
    assert config.data.train == tmp_path / "stores/train"
    assert str(config.data.idrid) == "/data/idrid"
    assert config.data.test["messidor2"] == tmp_path / "stores/messidor2"
    assert config.resources["finetune"] == Resources(processes=4, gpus=4)
    assert (config.seeds, config.fractions, config.ifi) == ((0, 1), (10, 100), {"batch_size": 32})


def test_quick_keeps_what_the_file_does_not_say(tmp_path):
    config = read_config(write(tmp_path, 'preset = "quick"\n[iwne]\nepochs = 5\n[data.draw]\npatients = 7\n'))
    assert config.iwne == QUICK.iwne | {"epochs": 5}
    assert config.data.draw == replace(QUICK.data.draw, patients=7)
    assert config.arch == "resnet50_slim"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset = 'papier'", "`preset` must be one of paper, fine, quick, not 'papier'"),
        ("sedes = [1]", "unknown key 'sedes'; known are preset"),
        ("[data]\nteest = 'x'", r"`\[data\]` has the unknown key 'teest'"),
        ("preset = 'paper'", r"`\[data\]` must name the prepared store"),
        ("preset = 'quick'\nfractions = [0]", "percentages from 1 to 100, not 0"),
        ("preset = 'quick'\nfractions = 10", "`fractions` must be a list, not 10"),
        ("preset = 'quick'\nseed = 'a'", "`seed` must be int, not 'a'"),
        ("preset = 'quick'\nseed = true", "`seed` must be int, not True"),
        ("preset = 'quick'\nsetups = []", "at least one set-up"),
        ("preset = 'quick'\nsetups = ['fs']", "`setups` must be one of iwne_fs"),
        ("preset = 'quick'\n[imagenet]\niwne_fs = 'x'", "`imagenet` must be one of ifi_fs, ifi_cl"),
        ("preset = 'quick'\n[resources.fly]\ngpus = 1", "`resources` must be one of draw"),
        ("preset = 'quick'\n[iwne]\nepochs = [1]", "`iwne.epochs` must be a text or a number"),
        ("preset = ", "is no TOML"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_config(write(tmp_path, text))


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_config(tmp_path / "none.toml")


def test_cells_of_the_paper(tmp_path):
    cells = build_cells(read_config(write(tmp_path, PAPER)), tmp_path / "out")
    names = [cell.name for cell in cells]
    assert len(set(names)) == len(names)
    for place, cell in enumerate(cells):
        assert set(cell.needs) <= set(names[:place]), cell.name
    kinds = [cell.kind for cell in cells]
    assert (kinds.count("pretrain"), kinds.count("finetune"), kinds.count("evaluate")) == (1, 4 * 2 * 2, 2)
    by_name = {cell.name: cell for cell in cells}
    assert by_name["finetune-iwne_cl-f10-s1"].needs == ("pretrain-moco-train",)
    words = by_name["finetune-ifi_fs-f10-s1"].arguments
    assert words[words.index("--weights") + 1] == str(tmp_path / "weights/resnet50.pth")
    assert words[words.index("--batch-size") + 1] == "32"
    assert "--weights" not in by_name["finetune-ifi_cl-f10-s1"].arguments  # fetched
    assert by_name["evaluate-messidor2"].needs == ("evaluate-eyepacs_test",)
    setups = ("iwne_fs", "iwne_cl", "ifi_fs", "ifi_cl")
    assert set(by_name["localize"].needs) == {f"finetune-{setup}-f100-s0" for setup in setups}


def test_a_study_of_one_set_up_has_no_cells_of_the_others(tmp_path):
    cells = build_cells(replace(QUICK, setups=("iwne_fs",), fractions=(100,)), tmp_path)
    assert [cell.name for cell in cells if cell.kind in ("pretrain", "finetune")] == ["finetune-iwne_fs-f100-s0"]


RATES = Rates(train=100.0, forward=1000.0, parameters=1_000_000, device="CPU")


def test_estimates_follow_the_work(tmp_path, monkeypatch):
    counts = {"train": 1000, "test": 5000}
    fake = {name: type("Fake", (), {"__len__": lambda _, n=n: n, "images": None}) for name, n in counts.items()}
    monkeypatch.setattr("dr_core.pipeline.estimate.open_store", lambda path: fake[path.name]())
    monkeypatch.setattr("dr_core.pipeline.estimate.side_of", lambda config: 224)
    data = Data(train=tmp_path / "train", test={"t": tmp_path / "test"})
    config = StudyConfig(data=data, fractions=(50, 100), setups=("iwne_fs", "ifi_fs"))
    found = estimate_cells(config, tmp_path, RATES)
    # 850 training eyes, 150 held out counting a third each, 500 epochs, 100 images a second
    assert found["finetune-iwne_fs-f100-s0"].seconds == pytest.approx(500 * (850 + 50) / 100 + 10)
    assert found["finetune-ifi_fs-f50-s0"].seconds == pytest.approx(50 * (425 + 50) / 100 + 10)
    assert found["evaluate-t"].seconds == pytest.approx(5000 * 4 / 1000 + 10)  # 2 set-ups x 2 fractions
    assert found["robustness-t"].seconds == pytest.approx(1.02 * 5000 * 2 * 96 / 1000)
    assert found["finetune-iwne_fs-f100-s0"].disk == pytest.approx(20e6)


class Instant:
    """Runs nothing; cells named in `failing` fail."""

    def __init__(self, at_once=2, failing=()):
        self.at_once, self.failing, self.started, self.running, self.most = at_once, failing, [], 0, 0
        self.stopped = []

    def start(self, cell, log):
        self.started.append(cell.name)
        self.running += 1
        self.most = max(self.most, self.running)
        log.write_text("")
        return _Instant(self, cell.name)


class _Instant:
    def __init__(self, executor, name):
        self.executor, self.name = executor, name

    def poll(self):
        self.executor.running -= 1
        return 1 if self.name in self.executor.failing else 0

    def stop(self):
        self.executor.stopped.append(self.name)


def cell(name, *needs, arguments=()):
    return Cell(name=name, kind="draw", arguments=(name, *arguments), needs=needs)


DIAMOND = [cell("a"), cell("b", "a"), cell("c", "a"), cell("d", "b", "c"), cell("e")]


def states(reports):
    return {report.cell.name: report.state for report in reports}


def test_cells_run_once_behind_what_they_need(tmp_path):
    executor = Instant()
    reports = list(run_grid(DIAMOND, tmp_path, executor))
    assert set(states(reports).values()) == {"done"}
    assert executor.started.index("d") > max(executor.started.index(name) for name in "bc")
    assert executor.most == 2
    assert (reports[-1].done, reports[-1].total) == (5, 5)
    again = Instant()
    assert list(run_grid(DIAMOND, tmp_path, again)) == []
    assert again.started == []


def test_a_failed_cell_stops_its_followers_alone_and_is_tried_again(tmp_path):
    found = states(run_grid(DIAMOND, tmp_path, Instant(failing=("b",))))
    assert found == {"a": "done", "b": "failed", "c": "done", "d": "left out", "e": "done"}
    executor = Instant()
    assert states(run_grid(DIAMOND, tmp_path, executor)) == {"b": "done", "d": "done"}
    assert executor.started == ["b", "d"]


def test_what_rests_on_a_changed_cell_is_done_again(tmp_path):
    list(run_grid(DIAMOND, tmp_path, Instant()))
    changed = [cell("a"), cell("b", "a", arguments=("--other",)), *DIAMOND[2:]]
    executor = Instant()
    list(run_grid(changed, tmp_path, executor))
    assert executor.started == ["b", "d"]


def test_chosen_cells_run_alone_if_what_they_need_is_done(tmp_path):
    assert states(run_grid(DIAMOND, tmp_path, Instant(), {"b"})) == {"b": "left out"}
    assert states(run_grid(DIAMOND, tmp_path, Instant(), {"a"})) == {"a": "done"}
    assert states(run_grid(DIAMOND, tmp_path, Instant(), {"b"})) == {"b": "done"}


def test_who_stops_looking_stops_what_runs(tmp_path):
    executor = Instant()
    reports = run_grid(DIAMOND, tmp_path, executor)
    next(reports)
    reports.close()
    assert executor.stopped == ["a"]


@pytest.mark.parametrize("make", ["here", "submitit"])
def test_executors_run_commands_and_keep_what_they_print(tmp_path, make):
    cells = [
        Cell(name="good", kind="draw", arguments=("hello", str(tmp_path / "file"))),
        Cell(name="bad", kind="draw", arguments=("fail", "-")),
        Cell(name="broken", kind="draw", arguments=("raise", "-")),
    ]
    executor = (
        LocalExecutor(QUICK, copy, 2)
        if make == "here"
        else ClusterExecutor(QUICK, copy, tmp_path / "jobs", cluster="local")
    )
    assert states(run_grid(cells, tmp_path, executor)) == {"good": "done", "bad": "failed", "broken": "failed"}
    assert (tmp_path / "file").read_text() == "hello"
    assert (tmp_path / "grid" / "good.log").read_text() == "printed hello\n"
    assert "printed fail" in (tmp_path / "grid" / "bad.log").read_text()


def test_a_preempted_job_is_handed_in_again_and_goes_on(tmp_path):
    file = tmp_path / "file"
    executor = ClusterExecutor(QUICK, wait_to_be_cut_off, tmp_path / "jobs", cluster="local")
    (tmp_path / "log").touch()
    job = executor.start(Cell(name="long", kind="draw", arguments=(str(file),)), tmp_path / "log")
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert file.read_text() == "began"
    controller = job._job._process.pid
    (task,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
    os.kill(int(task), signal.SIGUSR2)  # as SLURM does before it takes the machine away
    while job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job.poll() == 0
    assert file.read_text() == "went on"


def test_a_stopped_local_cell_ends(tmp_path):
    executor = LocalExecutor(QUICK, wait_to_be_cut_off, 1)
    job = executor.start(Cell(name="long", kind="draw", arguments=(str(tmp_path / "file"),)), tmp_path / "log")
    deadline = time.monotonic() + 60
    while not (tmp_path / "file").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    job.stop()
    assert job.poll() is not None
