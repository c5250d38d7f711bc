"""`open`: an archive that `pack` wrote becomes a study again, once all of it was checked."""

import argparse
from pathlib import Path

from dr_cli.output import give, say
from dr_core.publish.sharing.hub import SCHEME, parse_address, pull_study
from dr_core.publish.sharing.unpack import unpack_study


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("open", help=summary, description=__doc__)
    parser.add_argument(
        "archive", metavar="FILE", help="the archive, or hub:OWNER/NAME@REVISION on a model hub (extra hub)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="STUDY", help="the study's folder, a new one")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.archive.startswith(SCHEME):
        study = pull_study(parse_address(options.archive), options.out)
    else:
        study = unpack_study(Path(options.archive), options.out)
    say(f"“{study.info.title}” is in {study.path}; its model card is model_card.md there.")
    give(study=study.path, title=study.info.title, setups=list(study.setups))
