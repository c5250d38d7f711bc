"""`robustness`: how far damaged photographs change the answers and heatmaps of a study's models."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from dr_cli.progress import show_progress
from dr_core.data.idrid import load_segmentation
from dr_core.devices import resolve_device
from dr_core.errors import InputError
from dr_core.experiments.performance import open_graded
from dr_core.experiments.robustness import (
    RobustnessConfig,
    RobustnessReport,
    compare_training,
    damage_eyes,
    move_heatmaps,
    summarize_robustness,
)
from dr_core.models.checkpoint import LoadedModel
from dr_core.study.folder import Study, open_study
from dr_core.study.shards import Shard, join_parts, parse_shard, parts_folder, read_part, write_part


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", told: str) -> None:
    """Add the command to the parser; `told` stands beside its name."""
    default = RobustnessConfig()
    parser = commands.add_parser("robustness", help=told, description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder; tables go to its results/")
    parser.add_argument("--data", type=Path, help="prepared, graded eyes: for answers and Figure 4")
    parser.add_argument("--key", help="short name of the data set in the tables (default: the folder's name)")
    parser.add_argument("--eyes", type=int, help="only so many eyes, evenly from all (default: all)")
    parser.add_argument("--idrid", type=Path, help="IDRiD's folder with `A. Segmentation`: for heatmaps under damage")
    parser.add_argument("--corruption", action="append", help="only this one; may be given often (default: all 19)")
    parser.add_argument("--severity", type=float, action="append", help="above 0, up to 5; may be given often (1..5)")
    parser.add_argument("--device", default="auto", help="where eyes are damaged and models run (default: auto)")
    parser.add_argument("--draws", type=int, default=default.draws, help="bootstrap draws over patients (1000)")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of damage and draws (default: 0)")
    parser.add_argument("--shard", help="one part of the eyes, such as 2/8 (default: torchrun's rank, or all)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.data is None and options.idrid is None:
        raise InputError("Name prepared eyes with --data, eyes with masks with --idrid, or both.")
    study, shard = open_study(options.study), parse_shard(options.shard)
    options.device = resolve_device(options.device)
    default = RobustnessConfig()
    config = RobustnessConfig(
        corruptions=tuple(options.corruption or default.corruptions),
        severities=tuple(options.severity or default.severities),
        draws=options.draws,
        seed=options.seed,
    )
    models = study.load_models()
    for model in models.values():
        model.model.to(options.device)
    console = Console(soft_wrap=True)
    done = [
        work(study, models, options, config, shard)
        for work, data in ((_damage, options.data), (_move, options.idrid))
        if data is not None
    ]
    console = Console(soft_wrap=True)
    if all(done):
        console.print(f"The tables are in {study.path / 'results'}.")
    else:
        console.print(f"Part {shard.number} of {shard.count} is done; the last one to end writes the tables.")


def _damage(
    study: Study, models: dict[str, LoadedModel], options: argparse.Namespace, config: RobustnessConfig, shard: Shard
) -> bool:
    store = open_graded(options.data, models)
    if options.eyes is not None and not 0 < options.eyes <= len(store):
        raise InputError(f"--eyes must be 1 to {len(store)}, the eyes in {options.data}, not {options.eyes}.")
    kept = np.linspace(0, len(store) - 1, options.eyes or len(store)).round().astype(int)
    key, index = options.key or options.data.name, store.index.iloc[kept]
    parts = parts_folder(study.path, "robustness", replace(config, draws=0), key, index.to_csv())
    mine = np.array(shard.take(kept.tolist()), int)
    done = _names(parts, "robustness", shard)
    missing = mine[~store.index["eye"].iloc[mine].isin(done).to_numpy()]
    if len(missing):
        reports = damage_eyes(key, models, store, config, rows=missing, device=options.device)
        _write(reports, parts, "robustness", shard, "damage")
    tables = join_parts(parts, ["robustness"], shard)
    if tables is None:
        return False
    rows = _keep_others(study, "robustness", tables[0], key)
    study.write_results("robustness", rows)
    study.write_results("robustness_summary", summarize_robustness(rows, config))
    differences = compare_training(rows, config)
    if not differences.empty:
        study.write_results("robustness_differences", differences)
    return True


def _move(
    study: Study, models: dict[str, LoadedModel], options: argparse.Namespace, config: RobustnessConfig, shard: Shard
) -> bool:
    eyes, key = load_segmentation(options.idrid), "idrid"
    names = [(eye.name, str(eye.image_path)) for eye in eyes]
    parts = parts_folder(study.path, "robustness-heatmaps", replace(config, draws=0), names)
    done = _names(parts, "robustness_heatmaps", shard)
    missing = [eye for eye in shard.take(eyes) if eye.name not in done]
    if missing:
        _write(move_heatmaps(key, models, missing, config), parts, "robustness_heatmaps", shard, "heatmaps")
    tables = join_parts(parts, ["robustness_heatmaps"], shard)
    if tables is None:
        return False
    study.write_results("robustness_heatmaps", _keep_others(study, "robustness_heatmaps", tables[0], key))
    return True


def _names(parts: Path, table: str, shard: Shard) -> set[str]:
    before = read_part(parts, table, shard)
    return set() if before is None else set(before["eye"])


def _write(reports: Iterator[RobustnessReport], parts: Path, table: str, shard: Shard, title: str) -> None:
    """Draw the progress and write the part after each report, so that a stopped run goes on behind it."""

    def keep() -> Iterator[RobustnessReport]:
        before = read_part(parts, table, shard)
        frames = [] if before is None else [before]
        for report in reports:
            frames.append(report.rows)
            write_part(parts, table, pd.concat(frames, ignore_index=True), shard)
            yield report

    show_progress(title, keep())


def _keep_others(study: Study, table: str, rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """The rows with those of other data sets that the study has already."""
    if not study.has_results(table):
        return rows
    old = study.read_results(table)
    return pd.concat([old[old["data"] != key], rows], ignore_index=True)
