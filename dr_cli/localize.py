"""`localize`: do the heatmaps of a study lie on the lesions that IDRiD's masks mark, and do the lesions matter?"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from dr_cli.progress import show_progress
from dr_core.data.idrid import SegmentedEye, load_segmentation
from dr_core.data.protocol import PROTOCOLS
from dr_core.errors import InputError
from dr_core.experiments.localization import (
    LocalizeConfig,
    LocalizeReport,
    compare_setups,
    localize_eyes,
    summarize_knockouts,
    summarize_localization,
)
from dr_core.publish.table3 import write_table3
from dr_core.study.folder import Study, open_study
from dr_core.study.shards import Shard, join_parts, parse_shard, parts_folder, read_part, write_part

_TABLES = ("localization", "knockout")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", told: str) -> None:
    """Add the command to the parser; `told` stands beside its name."""
    default = LocalizeConfig()
    parser = commands.add_parser("localize", help=told, description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder; tables go to its results/")
    parser.add_argument("--idrid", type=Path, required=True, help="IDRiD's folder, which holds `A. Segmentation`")
    parser.add_argument("--protocol", choices=PROTOCOLS, action="append", help="only this one (default: both)")
    parser.add_argument(
        "--percentile", type=float, default=default.percentile, help="of the recall (default: 1, the paper's controls)"
    )
    parser.add_argument("--draws", type=int, default=default.draws, help="bootstrap draws over eyes (default: 1000)")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of controls and draws (default: 0)")
    parser.add_argument("--shard", help="one part of the eyes, such as 2/8 (default: torchrun's rank, or all)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    study, shard = open_study(options.study), parse_shard(options.shard)
    config = LocalizeConfig(
        protocols=tuple(options.protocol or PROTOCOLS),
        percentile=options.percentile,
        draws=options.draws,
        seed=options.seed,
    )
    everything = load_segmentation(options.idrid)
    eyes = shard.take(everything)
    parts = parts_folder(
        study.path, "localize", replace(config, draws=0), [(eye.name, str(eye.image_path)) for eye in everything]
    )
    missing = [eye for eye in eyes if eye.name not in _done(parts, shard)]
    models = study.load_models()
    if missing:
        show_progress("localize", _keep(localize_eyes(models, missing, config), missing, parts, shard))
    tables = join_parts(parts, _TABLES, shard)
    console = Console(soft_wrap=True)
    if tables is None:
        console.print(f"Part {shard.number} of {shard.count} is done; the last one to end writes the tables.")
        return
    _write(study, tables[0], tables[1], config)
    console.print(f"The tables are in {study.path / 'results'}, Table 3 as table3_*.csv and .tex.")


def _done(parts: Path, shard: Shard) -> set[str]:
    before = [read_part(parts, name, shard) for name in _TABLES]
    eyes = [set(frame["eye"]) for frame in before if frame is not None]
    return set.intersection(*eyes) if len(eyes) == len(_TABLES) else set()


def _keep(
    reports: Iterator[LocalizeReport], eyes: list[SegmentedEye], parts: Path, shard: Shard
) -> Iterator[LocalizeReport]:
    """Write the part after each eye, so that a stopped run goes on behind it."""
    todo = {eye.name for eye in eyes}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
    for name, frames in tables.items():
        before = read_part(parts, name, shard)
        if before is not None:
            frames.append(before[~before["eye"].isin(todo)])
    for report in reports:
        if report.scores.empty:
            raise InputError("An eye without any lesion was given; it has nothing to be localized.")
        tables["localization"].append(report.scores)
        tables["knockout"].append(report.knockouts)
        for name, frames in tables.items():
            write_part(parts, name, pd.concat(frames, ignore_index=True), shard)
        yield report


def _write(study: Study, scores: pd.DataFrame, knockouts: pd.DataFrame, config: LocalizeConfig) -> None:
    summary = summarize_localization(scores, config)
    study.write_results("localization", scores)
    study.write_results("knockout", knockouts)
    study.write_results("knockout_summary", summarize_knockouts(knockouts, config))
    study.write_results("localization_summary", summary)
    study.write_results("localization_tests", compare_setups(scores))
    write_table3(summary, study.path / "results")
