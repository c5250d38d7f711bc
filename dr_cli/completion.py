"""`completion`: a script that lets bash, zsh or tcsh complete the commands, options and values of `dr-lens`."""

import argparse
import sys
from pathlib import Path

from dr_core.errors import InputError

SHELLS = ("bash", "zsh", "tcsh")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser(
        "completion",
        help=summary,
        description='Print a script that completes commands, options and files; bash takes it with: eval "$(dr-lens '
        'completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS, help="for which shell")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise InputError(
            "Shell completion needs the package shtab; install it with: pip install shtab (the extra `completion`)."
        ) from error
    from dr_cli.main import build_whole_parser  # which imports this module

    parser = build_whole_parser()
    parser.prog = "dr-lens"
    _prepare(parser)
    sys.stdout.write(shtab.complete(parser, shell=options.shell))


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Let every argument that is a path be completed by the names of files, and every registry by its names."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _prepare(below)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.choices is not None:
            action.choices = tuple(action.choices)
