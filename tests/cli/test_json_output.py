"""`--json` on every command that prints results: one object on standard output, whatever the command."""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_cli.completion import SHELLS
from dr_cli.main import COMMANDS, build_whole_parser, main
from dr_cli.output import WITHOUT_RESULTS, json_value
from dr_core.data.fundus import encode_jpeg
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.models.architectures import build_backbone
from dr_core.pipeline.drawn_stores import draw_segmented
from dr_core.publish.sharing.pack import pack_study
from dr_core.study.folder import open_study
from tests.cli.test_training_commands import QUICK, write_store
from tests.conftest import make_study

CONFIG = """
preset = "quick"
[data.draw]
patients = 4
size = 64
"""


def leaves(parser, words=()):
    """Every command and action with its parser."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for name, one in action.choices.items():
            yield from leaves(one, (*words, name))
    if not below:
        yield " ".join(words), parser


COMMAND_PARSERS = dict(leaves(build_whole_parser()))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A study of untrained models with a training, stores, photographs and a configuration."""
    lab = tmp_path_factory.mktemp("lab")
    make_study(lab / "study")
    write_store(lab / "store", n=20, size=64)
    list(draw_segmented(lab / "segmented", 1, size=96, seed=0))
    (lab / "own").mkdir()
    for number in range(40):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        (lab / "own" / f"{number}.jpg").write_bytes(encode_jpeg(noise, 64))
    rows = [f"{number},{number % 5}" for number in range(40)]
    (lab / "own" / "labels.csv").write_text("\n".join(["image,grade", *rows]))
    torch.save(build_backbone("resnet18", 5).state_dict(), lab / "lab.pth")
    (lab / "study.toml").write_text(CONFIG)
    run = lab / "study" / "runs" / "iwne_fs-f10-s1"
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text('{"epoch": 1, "loss": 0.5, "seconds": 2.0}\n')
    pack_study(open_study(lab / "study"), lab / "study.zip")
    return lab


def commands(lab, out):
    """Each command with what it needs, and a result that it must give."""
    study, store = ["--study", str(lab / "study")], ["--data", str(lab / "store")]
    folder = ["folder", str(lab / "own")]
    masks = [*study, "--idrid", str(lab / "segmented")]
    training = [*QUICK, "--epochs", "1", "--batch-size", "8", *store]
    few = ["--draws", "2"]
    return {
        "data check": ([*folder, "--processes", "1"], "sound"),
        "data prepare": ([*folder, "--out", str(out / "p"), "--size", "32", "--processes", "1"], "fingerprint"),
        "data split": ([*folder, "--part", "all"], "parts"),
        "data draw": (["textures", "--out", str(out / "t"), "--count", "2", "--processes", "1"], "folder"),
        "demo": (["--quick", "--plan", "--out", str(out / "demo")], "cells"),
        "study": (["--plan", "--config", str(lab / "study.toml"), "--out", str(out / "grid")], "cells"),
        "pretrain": ([*training, "--out", str(out / "moco"), "--queue", "16", "--view-size", "32"], "epochs"),
        "finetune": (["--setup", "iwne_fs", *training, "--study", str(out / "mine")], "epochs"),
        "import": ([str(lab / "lab.pth"), "--study", str(out / "own"), "--name", "a", "--arch", "resnet18"], "plan"),
        "evaluate": ([*study, *store, *few], "tables"),
        "calibrate": ([*study, *store], "tables"),
        "spectrum": ([*study, *store], "tables"),
        "robustness": ([*study, *store, *few, "--corruption", "gaussian_noise"], "tables"),
        "localize": ([*masks, *few, "--protocol", "paper", "--controls", "1"], "tables"),
        "sanity": (masks, "tables"),
        "faithfulness": (masks, "tables"),
        "concepts": (study, "tables"),
        "similarity": ([*study, *store], "tables"),
        "probe": ([*study, *store], "tables"),
        "score": ([str(lab / "own"), *study, "--out", str(out / "score.csv"), "--processes", "1"], "summary"),
        "verify": ([str(lab / "study")], "nodes"),
        "report": ([*study, "--out", str(out / "report.html")], "files"),
        "pack": ([str(lab / "study"), "--out", str(out / "study.zip")], "files"),
        "open": ([str(lab / "study.zip"), "--out", str(out / "opened")], "setups"),
        "export": ([*study, "--setup", "iwne_fs", "--out", str(out / "a.onnx")], "file"),
        "tensorboard": ([*study, "--out", str(out / "events")], "epochs"),
    }


SLOW = {"calibrate", "spectrum", "robustness", "localize", "sanity", "faithfulness", "concepts", "similarity", "probe"}
"""Experiments whose answer is that of the others, by the same function; here they are given bad input alone."""


def test_every_command_that_prints_results_has_json_and_an_example(lab, tmp_path):
    expected = {name for name in COMMAND_PARSERS if name.split()[0] not in WITHOUT_RESULTS}
    assert expected == set(commands(lab, tmp_path))
    assert {name.split()[0] for name in expected} | set(WITHOUT_RESULTS) == set(COMMANDS) | {
        one.key for one in EXPERIMENTS.values()
    }
    for name, parser in COMMAND_PARSERS.items():
        assert ("--json" in parser.format_help()) == (name in expected), name


def answer(capsys, words):
    capsys.readouterr()
    code = main([*words, "--json"])
    text = capsys.readouterr()
    values = json.loads(text.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert values["exit_code"] == code
    assert values["command"] == " ".join(words[: len(values["command"].split())])
    return values, text.err


@pytest.mark.parametrize("command", [name for name in COMMAND_PARSERS if name.split()[0] not in WITHOUT_RESULTS])
def test_the_object_holds_the_results(lab, tmp_path, capsys, command):
    words, key = commands(lab, tmp_path)[command]
    if command in SLOW:
        words, key = ["--study", str(tmp_path / "nothing"), *words[2:]], None
    values, errors = answer(capsys, [*command.split(), *words])
    if key is None:
        assert values["exit_code"] == 2
        assert values["error"] in " ".join(errors.split())
    else:
        assert values["exit_code"] in (0, 1)
        assert values[key] not in (None, [], {})


def test_messages_are_in_the_object_and_on_standard_error(lab, tmp_path, capsys):
    values, errors = answer(capsys, ["report", "--study", str(lab / "study"), "--out", str(tmp_path / "a.html")])
    assert values["messages"] == [f"The report is in {tmp_path / 'a.html'}."]
    assert values["messages"][0] in errors


def test_dry_runs_give_the_plan(lab, tmp_path, capsys):
    words, _ = commands(lab, tmp_path)["finetune"]
    values, _ = answer(capsys, ["finetune", *words, "--dry-run"])
    assert values["plan"]["epochs"] == 1
    assert not (tmp_path / "mine").exists()


def test_values_become_json():
    @dataclass
    class Record:
        path: Path
        value: float

    values = {"record": Record(Path("a"), math.nan), 3: (np.float32(0.5), np.int64(2)), "none": np.float64(math.inf)}
    assert json_value(values) == {"record": {"path": "a", "value": None}, "3": [0.5, 2], "none": None}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_completes_every_command_and_option(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    names = {name.split()[-1] for name in COMMAND_PARSERS}
    assert not {name for name in names if name not in script}
    assert "--allow-overlap" in script or shell == "tcsh"
