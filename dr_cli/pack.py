"""`pack`: a study as one archive to give away, with its model card."""

import argparse
from pathlib import Path
from typing import get_args

from dr_cli.output import give, say
from dr_core.publish.sharing.hub import parse_address, push_archive
from dr_core.publish.sharing.pack import Weights, pack_study
from dr_core.study.folder import open_study


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("pack", help=summary, description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the archive, .zip")
    parser.add_argument(
        "--weights",
        choices=get_args(Weights),
        default="all",
        help="shown leaves out those of further seeds and fractions, whose digests are noted (default: all)",
    )
    parser.add_argument(
        "--no-folders", action="store_true", help="forget in which folders of this machine the prepared eyes lie"
    )
    parser.add_argument(
        "--push",
        type=parse_address,
        metavar="OWNER/NAME",
        help="upload it to a repository of a model hub, created as private if missing; needs the extra hub",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    report = pack_study(open_study(options.study), options.out, options.weights, folders=not options.no_folders)
    size = sum(one.size for one in report.files)
    say(f"{len(report.files)} files, {size / 1e6:.1f} MB, are in {report.archive}.")
    say("The tables contain names of eyes and patients; make sure that you may share them.")
    pushed = None
    if options.push is not None:
        pushed = push_archive(report.archive, options.push)
        say(f"It is at {pushed}. A new repository is private; access is set on the hub.")
    give(archive=report.archive, files=report.files, pushed=None if pushed is None else str(pushed))
