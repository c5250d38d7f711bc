"""The entry of the command line: which commands there are, and what a failure looks like."""

import argparse
import logging

from rich.console import Console

from dr_cli import data, demo, evaluate, finetune, localize, pretrain, robustness, spectrum
from dr_core.errors import InputError
from dr_core.training.execution import find_job, leave_job

COMMANDS = (data, demo, pretrain, finetune, evaluate, spectrum, robustness, localize)
"""Modules with `add_command(commands)`, in the order of the help text."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What stands behind the program's name; None takes it from the process.

    Returns:
        Exit code: 0 done, 2 the input must be mended, 130 stopped by Ctrl-C; a check that fails gives 1.
    """
    options = _build_parser().parse_args(arguments)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells the precision of every training
    try:
        code: int | None = options.run(options)
    except InputError as error:
        _complain(str(error))
        return 2
    except OSError as error:
        _complain(_explain(error))
        return 2
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. The same command goes on where it was.")
        return 130
    leave_job()
    return code or 0


def _complain(message: str) -> None:
    job = find_job()
    who = f"process {job.rank} of {job.world}: " if job.world > 1 else ""
    Console(stderr=True, soft_wrap=True).print(
        f"{who}error: {message}", style="bold red", markup=False, highlight=False
    )


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}. What was finished is kept; mend this and give the same command again."


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_cli.py", description="Train and measure DR Lens studies.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_command(commands)
    return parser
