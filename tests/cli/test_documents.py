"""What the documents name exists: files, links and their anchors, commands and their options."""

import argparse
import re
from pathlib import Path

import pytest

from dr_cli.main import COMMANDS, build_parser
from dr_core.experiments.registry import EXPERIMENTS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`((?:dr_core|dr_cli|dr_ui|tests|benchmarks|docs|assets)/[\w./-]+)`")
COMMAND = re.compile(r"(?:train_cli\.py|\bdr-lens) (?!python)([a-z]+)\b([^`#|\n]*)")


def anchors(path):
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options_of(parser):
    """Options of a command and of all commands below it."""
    found = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= options_of(below)
    return found


def read(path):
    return path.read_text(encoding="utf-8").replace("\\\n", " ")


ALL_COMMANDS = set(COMMANDS) | {experiment.key for experiment in EXPERIMENTS.values()}
"""Those of the program and of experiments."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    for target, anchor in LINK.findall(read(document)):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(path), f"{document.name} links to {target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document):
    for name in FILE.findall(read(document)):
        if not name.startswith("dr_ui/views/name"):  # CONTRIBUTING's example of a page
            assert (ROOT / name).exists() or list(ROOT.glob(f"{name}.*")), f"{document.name} names {name}"


def test_every_command_and_option_that_is_named_exists():
    seen = 0
    for document in DOCUMENTS:
        for command, rest in COMMAND.findall(read(document)):
            assert command in ALL_COMMANDS, f"{document.name}: {command}"
            known = options_of(build_parser([command]))
            own = rest.split(" -- ")[0]
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", own):
                assert option in known, f"{document.name}: {command} {option}"
                seen += 1
    assert seen > 40


def test_every_command_is_documented():
    text = "".join(read(document) for document in DOCUMENTS)
    assert {command for command, _ in COMMAND.findall(text)} == ALL_COMMANDS
