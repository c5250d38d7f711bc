"""The words of commands: the one table from which advice and the command lines of cells are rendered."""

import argparse
import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dr_core.errors import Remedy


def program() -> str:
    """How a user calls the program: by its script in a checkout, by its command where the package is installed."""
    checkout = Path(__file__).parents[1] / "train_cli.py"
    return f"python {checkout.name}" if checkout.is_file() else "dr-lens"


_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "make study": ("demo", "--out", "{out}"),
    "resume study": ("study", "--config", "{config}", "--out", "{study}", "--resume"),
    "prepare data": ("data", "prepare", "NAME", "ROOT", "[--protocol {protocol}]", "[--size {size}]", "--out", "{out}"),
    "pretrain": ("pretrain", "--data", "STORE", "--out", "{out}"),
    "finetune": ("finetune", "--setup", "{setup}", "--data", "STORE", "--study", "{study}"),
    "evaluate": ("evaluate", "--study", "{study}", "--data", "STORE"),
    "measure": ("{experiment}", "--study", "{study}", "EYES"),
    "measure again": ("{experiment}", "--study", "{study}"),
    "report": ("report", "--study", "{study}"),
}
"""Kind of a `Remedy` -> its command; a word in square brackets stands only where its argument is given."""


def render_remedy(remedy: Remedy) -> str:
    """The command that does what a remedy asks for, as a user would type it.

    Args:
        remedy: The remedy; its kind is a key of the table.
    """
    words: list[str] = []
    for word in _COMMANDS[remedy.kind]:
        if word == "EYES":
            words += _eyes_words(remedy.arguments["experiment"])
            continue
        optional = word.startswith("[")
        try:
            filled = word.strip("[]").format_map(_quoted(remedy.arguments))
        except KeyError as missing:
            if optional:
                continue
            filled = missing.args[0].upper()
        words.append(filled)
    return " ".join([program(), *words])


def render_resuming(options: argparse.Namespace, given: Sequence[str]) -> str:
    """The command that goes on with one that was stopped, in a sentence.

    Args:
        options: Options of the stopped one.
        given: Its words, behind the program's name.
    """
    resume = ["--resume"] if getattr(options, "resume", True) is False else []
    words = shlex.join([*program().split(), *given, *resume])
    return f"To resume, run: {words}"


def _eyes_words(key: str) -> tuple[str, ...]:
    """The option that names the eyes of an experiment; none where it draws its own."""
    from dr_core.experiments.registry import find_experiment  # brings PyTorch along, and few commands fail

    experiment = find_experiment(key)
    if not experiment.needs:
        return ()
    return ("--idrid", "ROOT") if experiment.takes_masks else ("--data", "STORE")


def known_remedies() -> tuple[str, ...]:
    """Kinds of remedies that have a command."""
    return tuple(_COMMANDS)


def _quoted(arguments: Mapping[str, str]) -> dict[str, str]:
    return {name: shlex.quote(value) for name, value in arguments.items()}


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Options as the command line takes them: true alone stands for a switch, a list for an option given often."""
    words: list[str] = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not False and one is not None:
                words += [option] if one is True else [option, str(one)]
    return words


def changed_fields(record: Any, default: Any) -> dict[str, Any]:  # noqa: ANN401 - two dataclasses of one type
    """Fields of a record that differ from a default's."""
    names = [one.name for one in dataclasses.fields(record)]
    return {name: getattr(record, name) for name in names if getattr(record, name) != getattr(default, name)}


def path_words(**paths: Path | None) -> list[str]:
    """Options that name files or folders; those that are None are left out."""
    return option_words({name: path for name, path in paths.items() if path is not None})
