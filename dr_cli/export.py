"""`export`: a set-up of a study as an ONNX file, for programs that know nothing of PyTorch."""

import argparse
from pathlib import Path

from dr_cli.output import give, say
from dr_core.publish.sharing.export import export_setup
from dr_core.study.folder import open_study


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("export", help=summary, description=f"{__doc__} Needs the extra onnx.")
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument("--setup", required=True, metavar="NAME", help="the set-up")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a new file, .onnx; a .json is written beside it"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    report = export_setup(open_study(options.study), options.setup, options.out)
    say(f"{options.setup} is in {report.file}, its preprocessing in {report.description} and in the file's metadata.")
    say(f"ONNX Runtime and PyTorch agree within {report.difference:.1e}.")
    give(file=report.file, description=report.description, difference=report.difference)
