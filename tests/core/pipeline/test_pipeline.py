import os
import shutil
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dr_cli.cells import render_request
from dr_cli.main import build_parser
from dr_core.data.augment import FUNDUS_VIEWS
from dr_core.errors import InputError
from dr_core.models.setups import SETUPS
from dr_core.pipeline.cells import Cell, build_cells
from dr_core.pipeline.config import QUICK, Data, Resources, StudyConfig
from dr_core.pipeline.estimate import Rates, estimate_cells
from dr_core.pipeline.executors import ClusterExecutor, LocalExecutor
from dr_core.pipeline.schedule import run_grid
from dr_core.pipeline.study_toml import DEMO, DEMO_QUICK, read_config
from dr_core.training.jobs.pretrain import PretrainRequest
from dr_core.training.loop import LoopConfig
from tests.core.pipeline.grid_commands import Words, copy, wait_to_be_cut_off

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
[setups.iwne_fs]
[setups.iwne_cl]
[setups.ifi_fs]
weights = "weights/resnet50.pth"
[setups.ifi_cl]
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
        ("preset = 'quick'\nsetups = ['fs']", "'fs' is not known to this version, which knows iwne_fs"),
        ("preset = 'quick'\nsetups = ['ifi_cl', 'ifi_cl']", "Two set-ups have the name 'ifi_cl'"),
        ("preset = 'quick'\n" + "".join(f"[setups.s{n}]\nlabel = 'S{n}'\n" for n in range(9)), "at most 8 .* not 9"),
        ("preset = 'quick'\n[setups.iwne_fs]\nrun = 'x'\nweights = 'y'", "must start from one thing"),
        ("preset = 'quick'\n[setups.swav]\nlabel = 'S'\ncolour = '#000000'", "no field 'colour'"),
        ("preset = 'quick'\n[iwne]\nlerning_rate = 1.0", r"`\[iwne\]` has the unknown key 'lerning_rate'"),
        ("preset = 'quick'\n[pretrain]\nqueu = 8", r"`\[pretrain\]` has the unknown key 'queu'"),
        ("preset = 'quick'\n[spectrum]\nlimt = 8", r"`\[spectrum\]`: There is no setting 'limt'"),
        ("preset = 'quick'\n[robustness]\neyes = -6", r"`\[robustness\]`: `eyes` must be at least 0, not -6"),
        ("preset = 'quick'\n[evaluate]\nspecificity = 'high'", r"`\[evaluate\]`: `specificity` must be a number"),
        ("preset = 'quick'\n[data.draw]\npatients = -6", "`data.draw.patients` must be at least 1, not -6"),
        ("preset = 'quick'\n[ifi]\nepochs = 'many'", "`ifi.epochs` must be a whole number, not 'many'"),
        ("preset = 'quick'\n[ifi]\nlearning_rate = -1.0", "`learning_rate` must be above 0, not -1.0"),
        ("preset = 'quick'\n[ifi]\nschedule = 'square'", "`ifi.schedule` must be one of"),
        ("preset = 'quick'\ndevice = 'banana'", "`device` must be one of"),
        ("preset = 'quick'\nseeds = [-1]", "must not be below 0"),
        ("preset = 'quick'\n[resources.fly]\ngpus = 1", "`resources` must be one of draw"),
        ("preset = 'quick'\n[iwne]\nepochs = [1]", "`iwne.epochs` must be a whole number"),
        ("preset = ", "is no TOML"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_config(write(tmp_path, text))


def test_an_experiment_that_the_paper_does_not_have_stands_in_a_study(tmp_path):
    text = "preset = 'quick'\n[faithfulness]\nseed = 3\n[resources.faithfulness]\nhours = 2.0"
    config = read_config(write(tmp_path, text))
    assert config.further == {"faithfulness": {"seed": 3}}
    cell = next(cell for cell in build_cells(config, tmp_path / "out") if cell.kind == "faithfulness")
    assert cell.request.data == tmp_path / "out" / "data" / "segmented"
    assert cell.request.options == {"seed": 3}
    words = render_request(cell.request)
    assert build_parser(words).parse_args(words).idrid == cell.request.data
    with pytest.raises(InputError, match=r"`\[faithfulness\]`: There is no setting 'sed'"):
        read_config(write(tmp_path, "preset = 'quick'\n[faithfulness]\nsed = 3"))


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
    request = by_name["finetune-ifi_fs-f10-s1"].request
    assert (request.start.source, request.start.path) == ("file", tmp_path / "weights/resnet50.pth")
    assert (request.config.batch_size, request.config.epochs, request.config.seed) == (32, 50, 1)
    assert by_name["finetune-ifi_cl-f10-s1"].request.start.source == "published"
    assert by_name["evaluate-messidor2"].needs[-1] == "evaluate-eyepacs_test"
    setups = ("iwne_fs", "iwne_cl", "ifi_fs", "ifi_cl")
    assert set(by_name["localize"].needs) == {f"finetune-{setup}-f100-s{seed}" for setup in setups for seed in (0, 1)}


def test_a_study_of_one_set_up_has_no_cells_of_the_others(tmp_path):
    cells = build_cells(replace(QUICK, setups=(SETUPS["iwne_fs"],), fractions=(100,)), tmp_path)
    assert [cell.name for cell in cells if cell.kind in ("pretrain", "finetune")] == ["finetune-iwne_fs-f100-s0"]


RATES = Rates(train=100.0, forward=1000.0, parameters=1_000_000, device="CPU")


def test_estimates_follow_the_work(tmp_path, monkeypatch):
    counts = {"train": 1000, "test": 5000}
    fake = {name: type("Fake", (), {"__len__": lambda _, n=n: n, "images": None}) for name, n in counts.items()}
    monkeypatch.setattr("dr_core.pipeline.estimate.open_store", lambda path: fake[path.name]())
    data = Data(train=tmp_path / "train", test={"t": tmp_path / "test"})
    setups = (SETUPS["iwne_fs"], SETUPS["ifi_fs"])
    config = StudyConfig(data=data, fractions=(50, 100), setups=setups)
    found = estimate_cells(build_cells(config, tmp_path), RATES)
    # 850 training eyes, 150 held out counting a third each, 500 epochs, 100 images a second
    assert found["finetune-iwne_fs-f100-s0"].seconds == pytest.approx(500 * (850 + 50) / 100 + 10)
    assert found["finetune-ifi_fs-f50-s0"].seconds == pytest.approx(50 * (425 + 50) / 100 + 10)
    assert found["evaluate-t"].seconds == pytest.approx(5000 * 4 / 1000 + 10)  # 2 set-ups x 2 fractions
    assert found["robustness-t"].seconds == pytest.approx(1.02 * 5000 * 2 * 96 / 1000)
    assert found["finetune-iwne_fs-f100-s0"].disk == pytest.approx(20e6)


FIFTH = """
preset = "quick"
[setups.iwne_fs]
[setups.swav]
label = "SwAV"
initialization = "other eyes"
pretraining = "swav"
"""


def test_a_set_up_whose_start_is_not_declared_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"SwAV starts from a pretraining .*never started from random weights"):
        build_cells(read_config(write(tmp_path, FIFTH)), tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "source", "needs"),
    [
        ("run = 'runs/swav'", "run", ()),
        ("weights = 'swav.pth'", "file", ()),
        ("pretrain = 'moco'", "run", ("pretrain-moco-train",)),
        ("pretrain = 'moco'\npretrain_data = 'more'", "run", ("pretrain-moco-more",)),
    ],
)
def test_a_fifth_set_up_starts_from_what_the_file_declares(tmp_path, line, source, needs):
    cells = {cell.name: cell for cell in build_cells(read_config(write(tmp_path, FIFTH + line)), tmp_path / "out")}
    cell = cells["finetune-swav-f25-s0"]
    assert cell.request.start.source == source
    assert cell.needs == ("draw-train", "draw-validation", *needs)
    assert set(needs) <= set(cells)


PRETRAININGS = """
preset = "quick"
[pretrain]
epochs = 3
queue = 32
hidden = 64
augmentation = "fundus"
keep_every = 2
[setups.iwne_fs]
[setups.ours]
label = "ours"
pretraining = "byol"
[setups.theirs]
label = "theirs"
pretraining = "moco"
"""


def test_a_study_pretrains_by_any_method_and_each_takes_the_options_that_it_has(tmp_path):
    cells = {cell.name: cell for cell in build_cells(read_config(write(tmp_path, PRETRAININGS)), tmp_path / "out")}
    byol, moco = cells["pretrain-byol-train"].request, cells["pretrain-moco-train"].request
    assert (byol.method, byol.config.epochs, byol.config.hidden, byol.keep_every) == ("byol", 3, 64, 2)
    assert (moco.config.queue, moco.config.augment, byol.config.augment) == (32, FUNDUS_VIEWS, FUNDUS_VIEWS)
    assert "pretrain-byol-train" in cells["finetune-ours-f100-s0"].needs
    words = render_request(byol)
    assert words[words.index("--augmentation") + 1] == "fundus"
    assert words[words.index("--keep-every") + 1] == "2"
    for wrong, sentence in (
        (PRETRAININGS.replace('"fundus"', '"fundas"'), "`pretrain.augmentation` must be one of moco, fundus"),
        (PRETRAININGS.replace("keep_every = 2", "keep_every = -1"), "must be a whole number from 0 on"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_config(write(tmp_path, wrong))


def test_changes_take_the_place_of_the_files_values(tmp_path):
    config = read_config(write(tmp_path, FIFTH.partition("[setups.swav]")[0]), ["seed=3", "data.draw.patients=7"])
    assert (config.seed, config.data.draw.patients) == (3, 7)
    with pytest.raises(InputError, match="unknown key 'sed'"):
        read_config(DEMO, ["sed=3"])
    with pytest.raises(InputError, match="must be like seed=3"):
        read_config(DEMO, ["seed"])


@pytest.mark.parametrize("path", [DEMO, DEMO_QUICK])
def test_the_demo_is_a_study_like_any_other(path, tmp_path):
    cells = build_cells(read_config(path), tmp_path)
    names = {cell.name for cell in cells}
    assert {"pretrain-moco-train", "pretrain-moco-textures", "pretrain-supervised-textures", "localize"} <= names


def test_each_request_is_a_command_that_asks_for_it(tmp_path):
    """What is rendered is parsed to the same numbers: the command line is written once and read by argparse."""
    from dr_cli.main import build_parser

    for cell in build_cells(read_config(DEMO), tmp_path):
        words = render_request(cell.request)
        options = build_parser(words).parse_args(words)
        if cell.kind in ("pretrain", "finetune"):
            from dr_cli.recipe_options import replace_augmentation
            from dr_core.data.augment import PRETRAINING_AUGMENTATIONS
            from dr_core.training.pretraining.registry import METHODS
            from dr_core.training.recipes import choose_finetuning

            config = cell.request.config
            if cell.kind == "finetune":
                base = choose_finetuning(options.preset, cell.request.setup)
            else:
                base = METHODS[options.method].recipes[options.preset]
                if getattr(options, "augmentation", None):
                    base = replace_augmentation(base, PRETRAINING_AUGMENTATIONS[options.augmentation])
            given = {name: getattr(options, name, None) for name in vars(config)}
            assert replace(base, **{name: value for name, value in given.items() if value is not None}) == config


@dataclass(frozen=True)
class Asked:
    """A request of these tests: words."""

    words: tuple = ()


class Instant:
    """Cells write what they are asked for; those named in `failing` fail."""

    def __init__(self, folder, at_once=2, failing=()):
        self.folder, self.at_once, self.failing = folder, at_once, failing
        self.started, self.running, self.most, self.stopped = [], 0, 0, []

    def start(self, cell, log):
        self.started.append(cell.name)
        self.running += 1
        self.most = max(self.most, self.running)
        log.write_text("")
        return _Instant(self, cell)


class _Instant:
    def __init__(self, executor, cell):
        self.executor, self.cell = executor, cell

    def poll(self):
        self.executor.running -= 1
        if self.cell.name in self.executor.failing:
            return 1
        folder = self.cell.request.out
        assert not folder.exists(), "what was made from other inputs is in the way"
        folder.mkdir(parents=True)
        (folder / "last.ckpt").write_text(f"{self.cell.request.config.epochs // 10}")
        return 0

    def stop(self):
        self.executor.stopped.append(self.cell.name)


def cell(tmp_path, name, *needs, epochs=10, data=None):
    request = PretrainRequest(
        method="supervised",
        data=data or tmp_path / "out" / "data",
        out=tmp_path / "out" / "runs" / name,
        config=LoopConfig(epochs=epochs, learning_rate=1.0),
    )
    return Cell(name=name, kind="pretrain", request=request, needs=needs)


def diamond(tmp_path, **changes):
    shape = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}
    return [cell(tmp_path, name, *needs, epochs=changes.get(name, 10)) for name, needs in shape.items()]


def run(tmp_path, cells, chosen=None, **options):
    executor = Instant(tmp_path, **options)
    return list(run_grid(cells, tmp_path / "out", executor, chosen)), executor


def states(reports):
    return {report.cell.name: report.state for report in reports}


def test_cells_run_once_behind_what_they_need(tmp_path):
    reports, executor = run(tmp_path, diamond(tmp_path))
    assert set(states(reports).values()) == {"done"}
    assert executor.started.index("d") > max(executor.started.index(name) for name in "bc")
    assert executor.most == 2
    assert (reports[-1].done, reports[-1].total) == (5, 5)
    reports, again = run(tmp_path, diamond(tmp_path))
    assert reports == []
    assert again.started == []


def test_a_failed_cell_stops_its_followers_alone_and_is_tried_again(tmp_path):
    reports, _ = run(tmp_path, diamond(tmp_path), failing=("b",))
    assert states(reports) == {"a": "done", "b": "failed", "c": "done", "d": "left out", "e": "done"}
    reports, executor = run(tmp_path, diamond(tmp_path))
    assert states(reports) == {"b": "done", "d": "done"}
    assert executor.started == ["b", "d"]


def test_what_was_made_from_other_content_is_made_again_and_kept_apart(tmp_path):
    run(tmp_path, diamond(tmp_path))
    _, executor = run(tmp_path, diamond(tmp_path, b=20))
    assert executor.started == ["b", "d"]
    assert (tmp_path / "out" / "replaced" / "b-1" / "last.ckpt").read_text() == "1"
    _, executor = run(tmp_path, diamond(tmp_path, b=25))  # asked for otherwise, and makes the same
    assert executor.started == ["b"]


def test_a_changed_removed_or_swapped_result_is_made_again(tmp_path):
    run(tmp_path, diamond(tmp_path))
    made = tmp_path / "out" / "runs" / "b" / "last.ckpt"
    made.write_text("another hand")
    _, executor = run(tmp_path, diamond(tmp_path))
    assert executor.started == ["b"]
    shutil.rmtree(made.parent)
    _, executor = run(tmp_path, diamond(tmp_path))
    assert executor.started == ["b"]
    os.utime(made, (0, 0))  # a clock set back changes nothing
    assert run(tmp_path, diamond(tmp_path))[1].started == []


def test_a_changed_input_under_the_same_path_counts(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_text("first")
    run(tmp_path, [cell(tmp_path, "a", data=file)])
    file.write_text("second")
    assert run(tmp_path, [cell(tmp_path, "a", data=file)])[1].started == ["a"]


def test_a_study_that_was_moved_is_still_done(tmp_path):
    run(tmp_path, diamond(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "out", tmp_path / "elsewhere" / "out")
    assert run(tmp_path / "elsewhere", diamond(tmp_path / "elsewhere"))[1].started == []


def test_chosen_cells_run_alone_if_what_they_need_is_done(tmp_path):
    assert states(run(tmp_path, diamond(tmp_path), {"b"})[0]) == {"b": "left out"}
    assert states(run(tmp_path, diamond(tmp_path), {"a"})[0]) == {"a": "done"}
    assert states(run(tmp_path, diamond(tmp_path), {"b"})[0]) == {"b": "done"}


def test_who_stops_looking_stops_what_runs(tmp_path):
    executor = Instant(tmp_path)
    reports = run_grid(diamond(tmp_path), tmp_path / "out", executor)
    next(reports)
    reports.close()
    assert executor.stopped == ["a"]


@pytest.mark.parametrize("make", ["here", "submitit"])
def test_executors_run_commands_and_keep_what_they_print(tmp_path, make):
    asked = {"good": ("hello", str(tmp_path / "file")), "bad": ("fail", "-"), "broken": ("raise", "-")}
    executor = (
        LocalExecutor(QUICK, Words(copy), 3)
        if make == "here"
        else ClusterExecutor(QUICK, Words(copy), tmp_path / "jobs", cluster="local")
    )
    jobs = {
        name: executor.start(Cell(name=name, kind="draw", request=Asked(words)), tmp_path / f"{name}.log")
        for name, words in asked.items()
    }
    deadline = time.monotonic() + 300
    while any(job.poll() is None for job in jobs.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {name: bool(job.poll()) for name, job in jobs.items()} == {"good": False, "bad": True, "broken": True}
    assert (tmp_path / "file").read_text() == "hello"
    assert (tmp_path / "good.log").read_text() == "printed hello\n"
    assert "printed fail" in (tmp_path / "bad.log").read_text()


def test_a_preempted_job_is_handed_in_again_and_goes_on(tmp_path):
    file = tmp_path / "file"
    executor = ClusterExecutor(QUICK, Words(wait_to_be_cut_off), tmp_path / "jobs", cluster="local")
    (tmp_path / "log").touch()
    job = executor.start(Cell(name="long", kind="draw", request=Asked((str(file),))), tmp_path / "log")
    deadline = time.monotonic() + 300
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
    executor = LocalExecutor(QUICK, Words(wait_to_be_cut_off), 1)
    job = executor.start(Cell(name="long", kind="draw", request=Asked((str(tmp_path / "file"),))), tmp_path / "log")
    deadline = time.monotonic() + 300
    while not (tmp_path / "file").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    job.stop()
    assert job.poll() is not None
