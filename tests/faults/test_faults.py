"""The short form of tests/faults/run.py: one moment of each kind, on a training of seconds."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch

from dr_cli.main import main
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import load_model, save_model
from tests.faults import commands
from tests.servers import start_server

CAPTURED = {"capture_output": True, "text": True, "check": True}

load = pytest.importorskip("benchmarks.load")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a study that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    commands.write_store(folder / "eyes")
    commands.write_store(folder / "validation", 20, 1)
    commands.write_store(folder / "test", 20, 2)
    for arguments in (commands.training(folder), commands.evaluation(folder), commands.report(folder)):
        assert main(arguments) == 0
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """The same eyes, no study yet."""
    for name in ("eyes", "validation", "test"):
        shutil.copytree(whole / name, tmp_path / name)
    return tmp_path


def begin_training(folder):
    """A training whose first epoch is done."""
    process = commands.Forked(commands.training(folder), folder)
    commands.wait_for(lambda: [*folder.glob("study/runs/*/last.ckpt")] or process.has_ended())
    return process


def weights(folder):
    return commands.outcome(folder / "study")["iwne_fs.safetensors"]


def test_a_training_is_killed_and_goes_on(whole, folder):
    begin_training(folder).kill()
    assert not list(folder.glob("study/checkpoints/*.safetensors"))
    assert main(commands.training(folder)) == 0
    assert weights(folder) == weights(whole)
    assert commands.leftovers(folder) == []


def test_a_training_that_is_asked_to_end_finishes_its_step_and_keeps_its_state(whole, folder):
    process = begin_training(folder)
    os.kill(process.pid, signal.SIGTERM)
    ended = process.finish()
    assert ended.code == 143, ended.output
    step, steps = map(int, re.search(r"The state after step (\d+) of (\d+) is kept in", ended.output).groups())
    assert 5 < step < steps == 15
    assert "To resume, run: " in ended.output
    assert "Traceback" not in ended.output
    assert commands.leftovers(folder) == []
    (state,) = folder.glob("study/runs/*/last.ckpt")
    done = torch.load(state, weights_only=True)
    assert 5 * len(done["history"]) + done["begun"]["steps"] == step
    assert main(commands.training(folder)) == 0
    assert weights(folder) == weights(whole)


@pytest.mark.parametrize(("writer", "writes"), [("evaluation", 2), ("report", 1)])
def test_a_command_is_killed_while_it_writes(writer, writes, whole, folder):
    """The temporary file that it leaves is gone when the same command has made what the killed one would have made."""
    shutil.copytree(whole / "study", folder / "study")
    for path in (folder / "study").glob("*.html" if writer == "report" else "results/**/*.*"):
        path.unlink()
    ended = commands.run(WRITERS[writer](folder), folder, partial(commands.dying_at_write, writes))
    assert ended.code == -signal.SIGKILL, ended.output
    assert commands.leftovers(folder)
    assert commands.outcome(folder / "study") != commands.outcome(whole / "study")
    assert main(WRITERS[writer](folder)) == 0
    assert commands.outcome(folder / "study") == commands.outcome(whole / "study")
    assert commands.leftovers(folder) == []


WRITERS = {"training": commands.training, "evaluation": commands.evaluation, "report": commands.report}


@pytest.mark.parametrize("writer", WRITERS)
def test_the_disk_is_full(writer, whole, folder, capsys):
    """Each writer says so, leaves nothing half written, and does its work once there is room."""
    try:
        with commands.small_disk(folder / "study", "64k" if writer == "training" else "64m") as resize:
            if writer != "training":
                shutil.copytree(whole / "study", folder / "study", dirs_exist_ok=True)
                for path in (folder / "study").glob("*.html" if writer == "report" else "results/*.parquet"):
                    path.unlink()
                used = os.statvfs(folder / "study")
                (folder / "study" / "filler").write_bytes(bytes(used.f_bavail * used.f_frsize))
            before = {path: path.read_bytes() for path in (folder / "study").rglob("*.parquet")}
            assert main(WRITERS[writer](folder)) == 2
            text = capsys.readouterr().err
            assert "No space left on device" in text
            assert "repeat the command" in text
            assert commands.leftovers(folder) == []
            assert {path: path.read_bytes() for path in (folder / "study").rglob("*.parquet")} == before
            resize("128m")
            assert main(WRITERS[writer](folder)) == 0
            mine, theirs = commands.outcome(folder / "study"), commands.outcome(whole / "study")
            assert mine
            assert mine.items() <= theirs.items()
    except PermissionError as refused:
        pytest.skip(f"no tmpfs can be mounted here: {refused}")


@pytest.mark.parametrize("writer", WRITERS)
def test_the_study_is_read_only(writer, whole, folder, capsys):
    shutil.copytree(whole / "study", folder / "study")
    before = commands.outcome(folder / "study")
    arguments = WRITERS[writer](folder)
    if writer == "training":
        arguments += ["--seed", "1"]  # a run of its own; the finished one would do nothing
    try:
        with commands.read_only(folder / "study"):
            assert main(arguments) == 2
            assert "Traceback" not in capsys.readouterr().err
    except PermissionError as refused:
        pytest.skip(f"nothing can be mounted here: {refused}")
    assert commands.outcome(folder / "study") == before
    assert commands.leftovers(folder) == []


def test_two_write_one_study(whole, folder):
    """Two evaluations at once give the tables of one."""
    shutil.copytree(whole / "study", folder / "study")
    for path in (folder / "study" / "results").glob("*.parquet"):
        path.unlink()
    both = [commands.Forked(commands.evaluation(folder), folder) for _ in range(2)]
    ended = [process.finish() for process in both]
    assert {one.code for one in ended} <= {0, 2}, ended
    assert 0 in {one.code for one in ended}
    assert commands.outcome(folder / "study") == commands.outcome(whole / "study")
    assert commands.leftovers(folder) == []


def test_files_are_slow_there_is_no_home_and_the_clock_was_set_back(whole, folder):
    """As on a network drive, for a user of a container, with files from tomorrow, and without asserts (python -O)."""
    begin_training(folder).kill()
    hindrance = commands.hindered(folder / "hinder.so", folder / "study", microseconds=500, clock=-86_400)
    look = "import pathlib, time; start = time.monotonic(); pathlib.Path({!r}).read_bytes(); print({})"
    file = str(next(folder.glob("study/runs/*/config.json")))
    looked = [
        subprocess.run([sys.executable, "-c", look.format(file, shown)], env=os.environ | hindrance, **CAPTURED).stdout
        for shown in ("time.time()", "time.monotonic() - start")
    ]
    assert float(looked[0]) < time.time() - 86_000
    assert float(looked[1]) > 0.001
    jobs = (commands.training(folder), commands.evaluation(folder), commands.report(folder))
    ended = commands.launch(*jobs, python=("-O",), HOME="/nonexistent", TMPDIR="/tmp", **hindrance)
    assert ended.code == 0, ended.output
    assert commands.outcome(folder / "study") == commands.outcome(whole / "study")
    assert commands.leftovers(folder) == []


def test_a_pdf_without_chromium_or_fonts_is_a_sentence_or_a_pdf(whole, folder, monkeypatch, capsys):
    shutil.copytree(whole / "study", folder / "study")
    pdf = folder / "study" / "report.pdf"
    (folder / "fonts.conf").write_text("<fontconfig></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(folder / "fonts.conf"))
    code = main([*commands.report(folder), "--pdf"])
    text = capsys.readouterr().err
    assert (code == 0 and pdf.read_bytes().startswith(b"%PDF")) or (code == 2 and "could not print" in text)
    pdf.unlink(missing_ok=True)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main([*commands.report(folder), "--pdf"]) == 2
    assert "A PDF needs Chromium or Chrome" in capsys.readouterr().err
    assert not pdf.exists()


def test_a_study_is_replaced_while_two_servers_show_it(tiny_study, tmp_path):
    """Both show the new models at the next click, and the same numbers."""
    shutil.copytree(tiny_study.path, tmp_path / "study")
    shutil.copytree(tiny_study.path, tmp_path / "next")
    for number, path in enumerate(sorted((tmp_path / "next" / "checkpoints").glob("*.safetensors"))):
        save_model(path, build_backbone("resnet50_slim", 5, 90 + number), load_model(path).info, half=True)

    async def look(addresses):
        async with load.Visitor(addresses[0]) as one, load.Visitor(addresses[1]) as other:
            seen = [[await visitor.open("Compare") for visitor in (one, other)]]
            (tmp_path / "study").rename(tmp_path / "old")
            (tmp_path / "next").rename(tmp_path / "study")
            seen.append([await visitor.open("Compare") for visitor in (one, other)])
            return seen

    study = {"DR_STUDY": str(tmp_path / "study")}
    with (
        start_server(**study) as (first, _),
        start_server(**study) as (second, _),
        ThreadPoolExecutor(1) as pool,
    ):
        seen = pool.submit(asyncio.run, look([first, second])).result()
    assert [page.errors() for pages in seen for page in pages] == [[]] * 4
    numbers = [[load.numbers(page) for page in pages] for pages in seen]
    assert all(one and one == other for one, other in numbers)
    assert numbers[0] != numbers[1]


def test_the_outcome_of_other_weights_is_another(whole, folder):
    """Otherwise the tests above could not fail."""
    shutil.copytree(whole / "study", folder / "study")
    path = folder / "study" / "checkpoints" / "iwne_fs.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    mine, theirs = commands.outcome(folder / "study"), commands.outcome(whole / "study")
    assert {name for name in mine if mine[name] != theirs[name]} == {"iwne_fs.safetensors"}
    (folder / "study" / ".x.host.1.tmp.json").touch()
    assert len(commands.leftovers(folder)) == 1
