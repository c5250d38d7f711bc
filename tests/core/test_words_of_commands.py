"""The core names no command and no option: whoever speaks to the user finds the words, in one table."""

import ast
import re
from pathlib import Path

import pytest

from dr_cli.commands import known_remedies, program, render_remedy
from dr_cli.main import COMMANDS, build_parser
from dr_core.errors import Remedy
from dr_core.experiments.advice import advise_table
from dr_core.experiments.registry import EXPERIMENTS

ROOT = Path(__file__).parents[2]
OTHERS = {
    *("--short", "--porcelain", "--untracked-files"),
    *("--noheader", "--jobs", "--standalone", "--nproc-per-node", "--no-sandbox", "--disable-dev-shm-usage"),
}
"""Options of other programs: git, SLURM, torchrun, Chromium."""


def texts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_the_core_names_no_command_and_no_option():
    for path in (ROOT / "dr_core").rglob("*.py"):
        for text in texts(path):
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - OTHERS
            assert not named, f"{path} names {named}"
            assert "train_cli" not in text, f"{path} names the program: {text!r}"


def test_every_table_of_an_experiment_has_a_command_that_makes_it(tiny_study):
    for experiment in EXPERIMENTS.values():
        for table in experiment.tables:
            words = render_remedy(advise_table(tiny_study, table).remedy).removeprefix(program()).split()
            assert words[0] == experiment.key
            assert build_parser(words).parse_args(words)


def test_every_remedy_of_the_core_has_its_command():
    kinds = set()
    for path in (ROOT / "dr_core").rglob("*.py"):
        kinds |= set(re.findall(r'Remedy\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    assert kinds <= set(known_remedies())


@pytest.mark.parametrize("kind", known_remedies())
def test_each_command_that_is_named_can_be_given(kind):
    arguments = dict.fromkeys(("out", "study", "setup", "config", "protocol", "size"), "x")
    words = (
        render_remedy(Remedy(kind, arguments | {"size": "64", "protocol": "paper", "experiment": "evaluate"}))
        .removeprefix(program())
        .split()
    )
    words = [{"NAME": "eyepacs"}.get(word, word) for word in words]
    assert words[0] in COMMANDS.keys() | EXPERIMENTS.keys()
    assert build_parser(words).parse_args(words)


def test_a_folder_with_a_space_is_quoted():
    assert render_remedy(Remedy("report", {"study": "my study"})) == f"{program()} report --study 'my study'"
    assert render_remedy(Remedy("prepare data", {"out": "x"})) == f"{program()} data prepare NAME ROOT --out x"
