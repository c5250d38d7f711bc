"""The entry of the command line: which commands there are, and what a failure looks like."""

import argparse
import importlib
import importlib.util
import logging
import os
import sys
from pathlib import Path

from dr_cli import output
from dr_cli.commands import render_remedy, render_resuming
from dr_cli.stopping import Terminated, answering_sigterm
from dr_core.errors import InputError, Stopped

COMMANDS = {
    "app": "open a study, or the demo study, in the browser",
    "data": "check a data set, bring it to model size, split it",
    "demo": "a whole study on phantoms that are drawn for it",
    "pretrain": "an encoder on prepared images, by MoCo v2, SimCLR, BYOL, DINO or labels",
    "finetune": "train one set-up on graded eyes",
    "import": "a lab's own checkpoint becomes a set-up of a study",
    "evaluate": "measure the models of a study on prepared eyes",
    "calibrate": "probabilities and thresholds for your own eyes, from labeled ones",
    "spectrum": "eigenvalues of every layer's activations",
    "robustness": "Figure 4: predictions for damaged eyes",
    "localize": "Table 3: heatmaps against lesion masks",
    "score": "predictions and heatmaps for any photographs, as a table",
    "study": "the whole paper: every set-up, fraction and seed, every figure and table",
    "verify": "what every number of a study came from; everything stale, missing or foreign",
    "report": "one page with every figure, table and verdict of a study",
    "pack": "a study as one archive with a model card, to share",
    "open": "an archive of a study becomes a study again, checked file by file",
    "export": "a set-up as an ONNX file with its preprocessing written down",
    "tensorboard": "the trainings of a study as TensorBoard events",
    "completion": "a script that lets the shell complete commands and options",
}
"""Command -> what it does. Its module, which has the same name, is imported when it is asked for; one without a module
runs the experiment of that name, and so does the name of any other experiment."""

# Read by PyTorch once it is imported: large tensors in large pages. A training of slim networks spent a third of its
# time on page faults.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_MODULES = {"import": "importing"}
"""Command -> its module, where the command is a word that Python keeps for itself."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What stands behind the program's name; None takes it from the process.

    Returns:
        Exit code: 0 done, 2 the input must be mended, 130 stopped by Ctrl-C, 143 by SIGTERM; 1 where a check
        found something or a model gave no answer. A photograph that could not be read is counted, and no failure.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = build_parser(given).parse_args(given)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells the precision of every training
    with output.answering(options):
        code, error = _run(options, given)
        output.finish(code, error)
    return code


def _run(options: argparse.Namespace, given: list[str]) -> tuple[int, str]:
    """Run a command; gives its exit code, and why it failed."""
    try:
        with answering_sigterm():
            code: int | None = options.run(options)
    except InputError as error:
        command = f" The command: {render_remedy(error.remedy)}" if error.remedy else ""
        return 2, _complain(f"{error}{command}")
    except OSError as error:
        return 2, _complain(_explain(error))
    except RuntimeError as error:
        from dr_core.devices import is_device_failure

        if not is_device_failure(error):
            raise
        first = str(error).splitlines()[0]
        return 2, _complain(
            f"The GPU failed or has too little memory ({first}). Finished work is kept; repeat the command with "
            "--device cpu, or with fewer images at once."
        )
    except (KeyboardInterrupt, Stopped) as stop:
        kept = f"{stop} " if isinstance(stop, Stopped) else ""
        message = f"Stopped. {kept}{render_resuming(options, given)}"
        _say(message)
        return 143 if isinstance(stop, Terminated | Stopped) else 130, message
    from dr_core.devices import leave_job  # not before: it brings PyTorch along

    leave_job()
    return code or 0, ""


def _complain(message: str) -> str:
    from dr_core.devices import find_job

    job = find_job()
    who = f"process {job.rank} of {job.world}: " if job.world > 1 else ""
    _say(f"{who}error: {message}", style="bold red")
    return message


def _say(message: str, style: str | None = None) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(message, style=style, markup=False, highlight=False)


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}. Finished work is kept; correct this and repeat the command."


def build_parser(given: list[str]) -> argparse.ArgumentParser:
    """The commands; only the one that is asked for is imported, since most of them bring PyTorch along."""
    parser, commands = _begin_parser()
    for name, summary in (COMMANDS | _further_commands(given)).items():
        if given[:1] == [name]:
            _add_command(commands, name, summary)
        else:
            commands.add_parser(name, help=summary)
    return parser


def build_whole_parser() -> argparse.ArgumentParser:
    """Every command with all its options, those of experiments beside `COMMANDS` among them."""
    parser, commands = _begin_parser()
    for name, summary in (COMMANDS | _list_experiments()).items():
        _add_command(commands, name, summary)
    return parser


def _begin_parser() -> "tuple[argparse.ArgumentParser, argparse._SubParsersAction[argparse.ArgumentParser]]":
    program = "train_cli.py" if Path(sys.argv[0]).name == "train_cli.py" else "dr-lens"
    parser = argparse.ArgumentParser(prog=program, description="Train, measure and show DR Lens studies.")
    return parser, parser.add_subparsers(required=True, metavar="COMMAND")


def _add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str) -> None:
    """Add a command with all its options, and `--json` where it has results."""
    module = f"dr_cli.{_MODULES.get(name, name)}"
    if name not in COMMANDS or importlib.util.find_spec(module) is None:
        from dr_cli import experiment
        from dr_core.experiments.registry import find_experiment

        experiment.add_command(commands, name, summary, find_experiment(name))
    else:
        importlib.import_module(module).add_command(commands, summary)
    output.add_json_option(commands.choices[name], name)


def _further_commands(given: list[str]) -> dict[str, str]:
    """Experiments beside those of `COMMANDS`; looked for only where the command that is asked for is none of these."""
    if not given or given[0] in COMMANDS or given[0].startswith("-"):
        return {}
    return _list_experiments()


def _list_experiments() -> dict[str, str]:
    from dr_core.experiments.registry import EXPERIMENTS

    return {one.key: one.question for one in EXPERIMENTS.values() if one.key not in COMMANDS}
