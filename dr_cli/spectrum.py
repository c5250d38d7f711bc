"""`spectrum`: eigenvalues of every layer's activations on prepared eyes, and the law that they follow."""

import argparse
from pathlib import Path

from rich.console import Console

from dr_cli.progress import show_progress
from dr_core.devices import resolve_device
from dr_core.experiments.spectrum import SpectrumConfig, measure_spectra
from dr_core.study.folder import open_study


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", told: str) -> None:
    """Add the command to the parser; `told` stands beside its name."""
    default = SpectrumConfig()
    parser = commands.add_parser("spectrum", help=told, description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="the study's folder")
    parser.add_argument("--data", type=Path, required=True, help="prepared eyes")
    parser.add_argument("--key", help="short name of the data set in the tables (default: the folder's name)")
    parser.add_argument("--device", default="auto", help="where the models run (default: auto, a GPU if there is one)")
    parser.add_argument("--batch-size", type=int, default=default.batch_size, help="images per pass (default: 32)")
    parser.add_argument("--limit", type=int, default=default.limit, help="largest number of images (default: all)")
    parser.add_argument(
        "--image-spectra",
        type=int,
        default=default.image_spectra,
        help="images whose first layer has a spectrum of its own (default: 100, spread evenly; 0: none)",
    )
    parser.add_argument("--uncentered", action="store_true", help="do not take off the mean of each channel")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of alpha's interval (default: 0)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    config = SpectrumConfig(
        batch_size=options.batch_size,
        centered=not options.uncentered,
        seed=options.seed,
        limit=options.limit,
        image_spectra=options.image_spectra,
    )
    study = open_study(options.study)
    device = resolve_device(options.device)
    show_progress("spectrum", measure_spectra(study, options.data, options.key, config, device=device))
    Console(soft_wrap=True).print(f"The tables are in {study.path / 'results'}.")
