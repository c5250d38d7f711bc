"""`evaluate`: ask every checkpoint of a study about prepared eyes, and measure the answers."""

import argparse
from pathlib import Path

from rich.console import Console

from dr_cli.progress import show_progress
from dr_core.devices import resolve_device
from dr_core.experiments.answers import MeasureConfig
from dr_core.experiments.performance import evaluate_study
from dr_core.study.folder import open_study


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", told: str) -> None:
    """Add the command to the parser; `told` stands beside its name."""
    default = MeasureConfig()
    parser = commands.add_parser("evaluate", help=told, description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument("--data", type=Path, help="prepared eyes; without them only what is there is measured again")
    parser.add_argument("--key", help="short name of the data set in the tables (default: the folder's name)")
    parser.add_argument("--device", default="auto", help="where the models run (default: auto, a GPU if there is one)")
    parser.add_argument("--specificity", type=float, default=default.at_specificity, help="for the sensitivity (0.9)")
    parser.add_argument("--sensitivity", type=float, default=default.at_sensitivity, help="for the specificity (0.9)")
    parser.add_argument("--draws", type=int, default=default.draws, help="bootstrap draws (default: 1000)")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of the draws (default: 0)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    config = MeasureConfig(
        at_specificity=options.specificity,
        at_sensitivity=options.sensitivity,
        draws=options.draws,
        seed=options.seed,
    )
    study = open_study(options.study)
    device = resolve_device(options.device)
    show_progress("evaluate", evaluate_study(study, options.data, options.key, config, device=device))
    Console(soft_wrap=True).print(f"The tables are in {study.path / 'results'}.")
