"""What a command prints: sentences and tables for people, or with `--json` one JSON object for scripts."""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

WITHOUT_RESULTS = ("app", "completion")
"""Commands that print no results: one is a server, the other prints a script for the shell."""


@dataclass
class _Answer:
    """What one command has to say.

    Attributes:
        command: The words that chose it, such as `"data check"`.
        as_json: Whether standard output holds one JSON object and nothing else.
        values: The results.
        messages: Every sentence that people are base.
    """

    command: str = ""
    as_json: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


_ANSWER: ContextVar[_Answer] = ContextVar("answer")


def add_json_option(parser: argparse.ArgumentParser, command: str) -> None:
    """Give `--json` to a command, and to each of its actions where it has any.

    Args:
        parser: The command's.
        command: Its name.
    """
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in actions:
        for name, below in action.choices.items():
            add_json_option(below, f"{command} {name}")
    if not actions and command not in WITHOUT_RESULTS:
        about = "print the results as one JSON object; messages and progress go to standard error"
        parser.add_argument("--json", action="store_true", help=about)
        parser.set_defaults(command=command)


@contextmanager
def answering(options: argparse.Namespace) -> Iterator[None]:
    """Collect what a command gives while the block runs; `finish` prints it."""
    given = vars(options)
    token = _ANSWER.set(_Answer(command=given.get("command", ""), as_json=given.get("json", False)))
    try:
        yield
    finally:
        _ANSWER.reset(token)


def console() -> "Console":
    """Where people read: standard output, or standard error where that holds JSON."""
    from rich.console import Console  # takes longer than everything else that `--help` needs

    return Console(stderr=_answer().as_json, soft_wrap=True, highlight=False)


def say(sentence: str) -> None:
    """Print a sentence for people; scripts find it among the `messages`."""
    _answer().messages.append(sentence)
    console().print(sentence, markup=False)


def give(**results: Any) -> None:  # noqa: ANN401 - what `json_value` takes
    """Add results to the JSON object; people are base them otherwise."""
    _answer().values.update(results)


def finish(code: int, error: str = "") -> None:
    """Print the JSON object where it is wanted.

    It holds `command`, `exit_code`, `messages`, the results that the command gave, and `error` where it failed. Of many
    processes each prints its own, on one line.

    Args:
        code: Exit code of the command.
        error: Why it failed.
    """
    answer = _answer()
    if not answer.as_json:
        return
    from dr_core.devices import find_job  # not before: it brings PyTorch along

    base = {"command": answer.command, "exit_code": code, "messages": answer.messages}
    values = base | answer.values | ({"error": error} if error else {})
    indent = 2 if find_job().world == 1 else None
    sys.stdout.write(json.dumps(json_value(values), indent=indent, allow_nan=False) + "\n")
    sys.stdout.flush()


def _answer() -> _Answer:
    return _ANSWER.get(_Answer())


def json_value(value: Any) -> Any:  # noqa: ANN401
    """A value as JSON has it: records become objects, paths texts, and numbers that are not finite null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: json_value(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a number of NumPy's
        return json_value(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
