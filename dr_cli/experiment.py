"""The command of an experiment: its options derive from its needs and settings, its work is one call of dr_core."""

import argparse
from pathlib import Path

from dr_cli.output import give, say
from dr_cli.progress import show_progress
from dr_core.devices import resolve_device
from dr_core.experiments.experiment import Experiment, Inputs
from dr_core.experiments.settings import Setting, build_config
from dr_core.experiments.step import Report
from dr_core.study.folder import Study, open_study
from dr_core.study.shards import parse_shard

_INPUTS = {
    "graded eyes": (("--data", "prepared, graded eyes"), ("--key", "their short name in the tables")),
    "eyes": (("--data", "prepared eyes"), ("--key", "their short name in the tables")),
    "segmented eyes": (("--idrid", "IDRiD's folder, which holds `A. Segmentation`: photographs with lesion masks"),),
}
"""Kind of eyes -> the options that name them."""


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, experiment: Experiment
) -> None:
    """Add the command of an experiment to the parser.

    Args:
        commands: Where to.
        name: Name of the command.
        summary: What it does, beside its name.
        experiment: The experiment.
    """
    parser = commands.add_parser(name, help=summary, description=experiment.question)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder; tables go to its results/")
    for need in experiment.needs:
        for option, about in _INPUTS[need.kind]:
            if option == "--key":
                parser.add_argument(option, help=f"{about} (default: the folder's name)")
            else:
                parser.add_argument(option, type=Path, required=need.required, help=about)
    parser.add_argument(
        "--replace", action="store_true", help="let a key of other eyes mean these from now on (default: refused)"
    )
    parser.add_argument(
        "--allow-overlap",
        action="store_true",
        help="also measure eyes that were used for training or selection (default: refused)",
    )
    if experiment.on_processor:
        parser.set_defaults(device="cpu")
    else:
        parser.add_argument(
            "--device", default="auto", help="where the models run (default: auto, a GPU if there is one)"
        )
    parser.add_argument("--shard", help="one part of the work, such as 2/8 (default: torchrun's rank, or all)")
    for setting in experiment.settings:
        _add_setting(parser, setting)
    parser.set_defaults(run=lambda options: _run(options, name, experiment))


def _add_setting(parser: argparse.ArgumentParser, setting: Setting) -> None:
    option, target = f"--{setting.name.replace('_', '-')}", f"setting_{setting.name}"
    if setting.kind is bool:
        parser.add_argument(option, dest=target, action="store_true", default=None, help=setting.description)
        return
    about = setting.description.replace("%", "%%")
    if setting.multiple:
        shown = ", ".join(map(str, setting.default)) if len(setting.default) < 6 else "all"
        about += f"; may be given often (default: {shown})"
    else:
        about += f" (default: {setting.default:g})" if setting.kind is not str else f" (default: {setting.default})"
    parser.add_argument(
        option,
        dest=target,
        type=setting.kind,
        choices=setting.choices,
        metavar=None if setting.choices else setting.name.upper(),
        action="append" if setting.multiple else "store",
        help=about,
    )


def _run(options: argparse.Namespace, name: str, experiment: Experiment) -> int:
    """Give 1 where a training run gave no answer; the tables hold the others'."""
    given = vars(options)
    config = build_config(
        experiment.config, {setting.name: given[f"setting_{setting.name}"] for setting in experiment.settings}
    )
    inputs = Inputs(data=given.get("data"), key=given.get("key"), masks=given.get("idrid"))
    study, shard = open_study(options.study), parse_shard(options.shard)
    device = resolve_device(options.device)
    allowed = {"replace": options.replace, "allow_overlap": options.allow_overlap}
    reports = experiment.run(study, inputs, config, shard=shard, device=device, **allowed)
    last: dict[str, Report] = {}

    def remember(report: Report) -> Report:
        last[report.step] = report
        return report

    show_progress(name, map(remember, reports))
    notes = [note for report in last.values() for note in report.notes]
    written = all(report.written for report in last.values())
    unanswered = [sentence for report in last.values() for sentence in report.unanswered]
    for sentence in notes:
        say(sentence)
    if written:
        say(f"The tables are in {study.path / 'results'}.")
    else:
        say(f"Part {shard.number} of {shard.count} is done; the last one to end writes the tables.")
    for sentence in unanswered:
        say(sentence)
    give(written=written, notes=notes, unanswered=unanswered, tables=_list_tables(study, experiment))
    return int(bool(unanswered))


def _list_tables(study: Study, experiment: Experiment) -> list[dict[str, object]]:
    """The experiment's tables that the study has now."""
    found = [table for table in experiment.tables if study.has_results(table)]
    rows = {table: len(study.read_columns(table, list(experiment.tables[table])[:1])) for table in found}
    return [
        {"table": table, "path": study.path / "results" / f"{table}.parquet", "rows": rows[table]} for table in found
    ]
