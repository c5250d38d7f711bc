"""`score`: what the models of a study say about any photographs, as one table; with heatmaps if they are asked for."""

import argparse
from pathlib import Path

from dr_cli.output import give, say
from dr_cli.progress import show_progress
from dr_core.analysis.attribution import RULES
from dr_core.analysis.operating_points import CRITERIA
from dr_core.devices import resolve_device
from dr_core.score.plan import ScoreConfig, plan_scoring
from dr_core.score.run import finish_scoring, run_scoring
from dr_core.study.folder import open_study
from dr_core.study.shards import parse_shard


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    default = ScoreConfig()
    parser = commands.add_parser("score", help=summary, description=__doc__)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGES", help="photographs, and folders of them")
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument("--out", type=Path, required=True, help="the table, .csv; a .json beside it explains it")
    parser.add_argument("--setups", nargs="+", metavar="NAME", default=(), help="only these (default: all)")
    parser.add_argument("--heatmaps", action="store_true", help="heatmaps of severe DR as .png and .npz, too")
    parser.add_argument("--rule", choices=RULES, default=default.rule, help="their attribution method (%(default)s)")
    parser.add_argument("--batch-size", type=int, help="photographs per forward pass (default: 8; on a GPU 64)")
    parser.add_argument("--device", default="auto", help="where the models run (default: auto, a GPU if there is one)")
    parser.add_argument(
        "--processes", type=int, default=default.processes, help="processes that decode beside the models (default: 2)"
    )
    parser.add_argument(
        "--criterion",
        choices=CRITERIA,
        default=default.criterion,
        help=f"operating point (default: {default.criterion})",
    )
    parser.add_argument(
        "--chosen-on", default="", help="key of the eyes of the study on which its thresholds were chosen"
    )
    parser.add_argument("--ensemble", action="store_true", help="also the mean of the set-ups, as one more model")
    parser.add_argument(
        "--flips", action="store_true", help="answers are means over the view and its three flips (four times the work)"
    )
    parser.add_argument("--shard", help="one part of the photographs, such as 2/8 (default: the job's rank, or all)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    """Give 1 where a model gave no answer; a part alone, and photographs that could not be read, are no failure.

    A part alone gives 0: torchrun would end the other parts at the first one that gives another code.
    """
    config = ScoreConfig(
        setups=tuple(options.setups),
        heatmaps=options.heatmaps,
        rule=options.rule,
        batch_size=options.batch_size,
        device=resolve_device(options.device),
        processes=options.processes,
        criterion=options.criterion,
        chosen_on=options.chosen_on,
        ensemble=options.ensemble,
        flips=options.flips,
    )
    shard = parse_shard(options.shard)
    scoring = plan_scoring(open_study(options.study), options.images, options.out, config)
    show_progress("score", run_scoring(scoring, shard))
    summary = finish_scoring(scoring)
    give(table=options.out, part=shard, summary=summary, refused=scoring.refused)
    if summary is None:
        say(f"Part {shard.number} of {shard.count} is done; the last one to end writes {options.out}.")
        return 0
    say(f"{summary.photographs} photographs are in {options.out}.")
    for setup, reason in scoring.refused.items():
        say(f"No answer from {setup}, because: {reason}")
    if summary.unreadable:
        say(f"{summary.unreadable} could not be read; the column `error` says why.")
    if summary.unanswered:
        say(f"{summary.unanswered} answers are missing; the column `reason` says why.")
    return int(bool(summary.unanswered or scoring.refused))
