"""`study`: the whole paper in one command, from prepared stores to every figure, table and verdict."""

import argparse
import dataclasses
import math
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import torch
from rich.table import Table

from dr_cli.cells import CellCommand
from dr_cli.output import console, give, say
from dr_core.errors import InputError
from dr_core.pipeline.cells import Cell, build_cells
from dr_core.pipeline.config import StudyConfig
from dr_core.pipeline.estimate import Estimate, estimate_cells, side_of, time_network
from dr_core.pipeline.executors import ClusterExecutor, LocalExecutor
from dr_core.pipeline.head import begin_study, check_owner, check_roles, check_stores
from dr_core.pipeline.schedule import CellReport, Executor, find_done, run_grid
from dr_core.pipeline.study_toml import read_config


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    parser = commands.add_parser("study", help=summary, description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a TOML file (docs/reproduce.md)")
    add_run_options(parser)
    parser.add_argument("--resume", action="store_true", help="resume a study")
    parser.set_defaults(run=_run)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that makes a whole study has."""
    parser.add_argument("--out", type=Path, required=True, help="the study's folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value of the file, such as seed=3 or data.draw.patients=20; repeatable",
    )
    parser.add_argument("--plan", action="store_true", help="print the cells with estimated time and disk; do nothing")
    parser.add_argument("--only", action="append", metavar="NAME", help="only cells of this name, * for any letters")
    parser.add_argument(
        "--cluster", choices=("local", "slurm"), default="local", help="where cells run (default: local)"
    )
    parser.add_argument(
        "--at-once", type=int, help="cells side by side on this machine (default: a GPU each, or 2 without a GPU)"
    )


def _run(options: argparse.Namespace) -> int:
    return run_study(options)


def run_study(options: argparse.Namespace) -> int:
    """Make the study that `--config` describes, or go on with it; gives the exit code."""
    config = read_config(options.config, options.set)
    cells = build_cells(config, options.out)
    chosen = _choose(cells, options.only)
    check_stores(config)
    check_owner(config, options.out)
    if options.plan:
        _print_plan(config, cells, chosen, options.out)
        return 0
    if (options.out / "grid").is_dir() and not options.resume:
        raise InputError(f"A study was begun in {options.out}; continue it with --resume, or choose another folder.")
    executor = _choose_executor(config, options)
    check_roles(config, options.out)
    changes = "".join(f"# set on the command line: {change}\n" for change in options.set)
    begin_study(config, changes + options.config.read_text(encoding="utf-8"), options.out)
    reports = _watch(cells, options.out, chosen, executor)
    ends = {report.cell.name: report for report in reports}
    give(
        study=options.out,
        cells=[
            {"cell": name, "state": end.state, "seconds": end.seconds, "log": end.log} for name, end in ends.items()
        ],
    )
    failed = [report for report in reports if report.state in ("failed", "left out")]
    return _conclude(failed, options.out)


def _choose(cells: Sequence[Cell], patterns: list[str] | None) -> set[str]:
    names = [cell.name for cell in cells]
    if not patterns:
        return set(names)
    chosen = {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}
    if not chosen:
        raise InputError(f"No cell is named {' or '.join(patterns)}; --plan lists them.")
    return chosen


def _choose_executor(config: StudyConfig, options: argparse.Namespace) -> Executor:
    if options.cluster == "slurm":
        return ClusterExecutor(config, CellCommand(), options.out / "grid" / "jobs")
    gpus = torch.cuda.device_count() if config.device != "cpu" else 0
    at_once = options.at_once if options.at_once is not None else gpus or 2
    if at_once < 1:
        raise InputError(f"--at-once must be 1 or more, not {at_once}.")
    return LocalExecutor(config, CellCommand(), at_once)


def _watch(cells: Sequence[Cell], out: Path, chosen: set[str], executor: Executor) -> list[CellReport]:
    """Run the cells and print a line for each that starts or ends."""
    reports = []
    for report in run_grid(cells, out, executor, chosen):
        reports.append(report)
        time = f" in {_write_time(report.seconds)}" if report.state in ("done", "failed") else ""
        console().print(f"{report.done}/{report.total} {report.cell.name}: {report.state}{time}", markup=False)
    return reports


def _conclude(failed: Sequence[CellReport], out: Path) -> int:
    for report in failed:
        if report.state == "failed":
            say(f"{report.cell.name} failed; its log is {report.log}:\n{_last_line(report.log)}")
    if failed:
        left = sum(report.state == "left out" for report in failed)
        say(f"{len(failed) - left} cells failed, {left} were left out. --resume tries them again.")
        return 1
    say(f"The study is in {out}. Open it: DR_STUDY={out} streamlit run app.py")
    return 0


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "  " + (lines[-1] if lines else "it printed nothing")


def _print_plan(config: StudyConfig, cells: Sequence[Cell], chosen: set[str], out: Path) -> None:
    device: Literal["cpu", "cuda"] = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    rates = time_network(config.arch, side_of(config), device)
    estimates, finished = estimate_cells(cells, rates), find_done(cells, out)
    table = Table(title=f"{len(chosen)} cells; nothing was done")
    for column in ("cell", "after", "time", "disk", ""):
        table.add_column(column, justify="right" if column in ("time", "disk") else "left", overflow="fold")
    total = Estimate(seconds=0.0, disk=0.0)
    for cell in (one for one in cells if one.name in chosen):
        estimate = estimates[cell.name]
        done = cell.name in finished
        if not done:
            total = dataclasses.replace(
                total, seconds=total.seconds + estimate.seconds, disk=total.disk + estimate.disk
            )
        table.add_row(
            cell.name,
            _write_needs(cell),
            _write_time(estimate.seconds),
            _write_bytes(estimate.disk),
            "done" if done else "",
        )
    table.add_row("to be done", "", _write_time(total.seconds), _write_bytes(total.disk), "")
    console().print(table)
    say(
        f"Timed on this machine ({rates.device}), {config.arch}: {rates.train:.0f} images a second in training, "
        f"{rates.forward:.0f} in prediction. Cells run one after the other; loading and augmentation take additional "
        "time."
    )
    give(
        rates=rates,
        total=total,
        cells=[
            {"cell": cell.name, "needs": cell.needs, "done": cell.name in finished, **vars(estimates[cell.name])}
            for cell in cells
            if cell.name in chosen
        ],
    )


def _write_needs(cell: Cell) -> str:
    return cell.needs[0] + (f" and {len(cell.needs) - 1} more" if len(cell.needs) > 1 else "") if cell.needs else ""


def _write_time(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _write_bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
