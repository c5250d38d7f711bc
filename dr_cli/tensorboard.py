"""`tensorboard`: write the trainings of a study as events, for `tensorboard --logdir` of a lab."""

import argparse
import time
from pathlib import Path

from dr_cli.output import console, give, say
from dr_core.study.folder import open_study
from dr_core.training.tensorboard import EventReport, EventWriter

_PAUSE = 5.0
"""Seconds between two looks at the trainings."""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("tensorboard", help=summary, description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder; nothing is written into it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the events: tensorboard --logdir FOLDER")
    parser.add_argument("--follow", action="store_true", help="keep writing every epoch that ends, until Ctrl-C")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    writer = EventWriter(open_study(options.study).path / "runs", options.out)
    written: dict[str, int] = {}
    try:
        _update(writer, written)
        while options.follow:
            time.sleep(_PAUSE)
            _update(writer, written)
    finally:
        writer.close()
    say(f"{len(written)} trainings are in {options.out}. View them: tensorboard --logdir {options.out}")
    give(folder=options.out, epochs=written)


def _update(writer: EventWriter, written: dict[str, int]) -> None:
    for report in writer.update():
        written[report.run] = written.get(report.run, 0) + report.epochs
        console().print(_describe(report), markup=False)


def _describe(report: EventReport) -> str:
    return f"{report.run}: {report.epochs} epochs"
