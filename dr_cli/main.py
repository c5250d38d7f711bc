"""The entry of the command line: which commands there are, and what a failure looks like."""

import argparse
import importlib
import importlib.util
import logging
import sys
from pathlib import Path

from rich.console import Console

from dr_cli.commands import render_remedy
from dr_cli.stopping import Terminated, answering_sigterm
from dr_core.errors import InputError, Stopped

COMMANDS = {
    "app": "open a study, or the demo study, in the browser",
    "data": "check a data set, bring it to model size, split it",
    "demo": "a whole study on phantoms that are drawn for it",
    "pretrain": "MoCo v2 on prepared images",
    "finetune": "train one set-up on graded eyes",
    "evaluate": "measure the models of a study on prepared eyes",
    "calibrate": "probabilities and thresholds for your own eyes, from labeled ones",
    "spectrum": "eigenvalues of every layer's activations",
    "robustness": "Figure 4: answers about damaged eyes",
    "localize": "Table 3: heatmaps against lesion masks",
    "score": "answers and heatmaps about any photographs, as a table",
    "study": "the whole paper: every set-up, fraction and seed, every figure and table",
    "verify": "what every number of a study came from; everything stale, missing or foreign",
    "report": "one page with every figure, table and verdict of a study",
}
"""Command -> what it does. Its module, which has the same name, is imported when it is asked for; one without a module
runs the experiment of that name, and so does the name of any other experiment."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What stands behind the program's name; None takes it from the process.

    Returns:
        Exit code: 0 done, 2 the input must be mended, 130 stopped by Ctrl-C, 143 by SIGTERM; a failed check gives 1.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = build_parser(given).parse_args(given)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells the precision of every training
    try:
        with answering_sigterm():
            code: int | None = options.run(options)
    except InputError as error:
        command = f" The command: {render_remedy(error.remedy)}" if error.remedy else ""
        _complain(f"{error}{command}")
        return 2
    except OSError as error:
        _complain(_explain(error))
        return 2
    except RuntimeError as error:
        from dr_core.devices import is_device_failure

        if not is_device_failure(error):
            raise
        first = str(error).splitlines()[0]
        _complain(
            f"The GPU failed or has too little memory ({first}). What was finished is kept; give the same command with "
            "--device cpu, or with fewer images at once."
        )
        return 2
    except (KeyboardInterrupt, Stopped) as stop:
        kept = f"{stop} " if isinstance(stop, Stopped) else ""
        resume = " with --resume" if getattr(options, "resume", True) is False else ""
        _say(f"Stopped. {kept}The same command{resume} goes on where it was.")
        return 143 if isinstance(stop, Terminated | Stopped) else 130
    from dr_core.devices import leave_job  # not before: it brings PyTorch along

    leave_job()
    return code or 0


def _complain(message: str) -> None:
    from dr_core.devices import find_job

    job = find_job()
    who = f"process {job.rank} of {job.world}: " if job.world > 1 else ""
    _say(f"{who}error: {message}", style="bold red")


def _say(message: str, style: str | None = None) -> None:
    Console(stderr=True, soft_wrap=True).print(message, style=style, markup=False, highlight=False)


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}. What was finished is kept; mend this and give the same command again."


def build_parser(given: list[str]) -> argparse.ArgumentParser:
    """The commands; only the one that is asked for is imported, since most of them bring PyTorch along."""
    program = "train_cli.py" if Path(sys.argv[0]).name == "train_cli.py" else "dr-lens"
    parser = argparse.ArgumentParser(prog=program, description="Train, measure and show DR Lens studies.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in (COMMANDS | _further_commands(given)).items():
        if given[:1] != [name]:
            commands.add_parser(name, help=summary)
        elif name not in COMMANDS or importlib.util.find_spec(f"dr_cli.{name}") is None:
            from dr_cli import experiment
            from dr_core.experiments.registry import find_experiment

            experiment.add_command(commands, name, summary, find_experiment(name))
        else:
            importlib.import_module(f"dr_cli.{name}").add_command(commands, summary)
    return parser


def _further_commands(given: list[str]) -> dict[str, str]:
    """Experiments beside those of `COMMANDS`; looked for only where the command that is asked for is none of these."""
    if not given or given[0] in COMMANDS or given[0].startswith("-"):
        return {}
    from dr_core.experiments.registry import EXPERIMENTS

    return {one.key: one.question for one in EXPERIMENTS.values() if one.key not in COMMANDS}
