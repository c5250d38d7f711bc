"""`verify`: the lineage of a study, and everything in it that is stale, missing, foreign or damaged."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import dr_core.experiments.registry  # noqa: F401 - tables of experiments are known once these are
from dr_cli.output import console, give, say
from dr_core.study.folder import open_study
from dr_core.study.verify import SOUND, Node, verify_study

_TITLES = {
    "data": "eyes",
    "run": "trainings",
    "checkpoint": "weights",
    "table": "tables",
    "roles": "roles",
    "file": "files",
}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser(
        "verify", help=summary, description=f"{__doc__} Exit code 0: no problem; 1: a problem was found."
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's folder")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    study = open_study(options.study)
    nodes = verify_study(study)
    wrong = [node for node in nodes if node.state not in SOUND]
    for line in (f"{study.info.title} ({study.path})", *_list_lines(nodes)):
        console().print(line, markup=False)
    unknown = sum(node.state == "unknown" for node in nodes)
    say(f"{len(nodes)} items checked: {len(wrong)} have a problem, {unknown} are not fully known.")
    give(study=study.name, sound=not wrong, nodes=nodes)
    return int(bool(wrong))


def _list_lines(nodes: Sequence[Node]) -> Iterator[str]:
    """The tree, a line for each thing, however long: what is cut off cannot be searched for."""
    for kind, heading in _TITLES.items():
        of_kind = [node for node in nodes if node.kind == kind]
        if of_kind:
            yield heading
            yield from (f"  {_describe(node)}" for node in of_kind)


def _describe(node: Node) -> str:
    state = "" if node.state == "good" else f" [{node.state.upper()}]"
    parents = f" from {', '.join(node.parents)}" if node.parents else ""
    reason = f": {node.reason}" if node.reason else ""
    return f"{node.name} {node.digest}".rstrip() + f"{state}{parents}{reason}"
