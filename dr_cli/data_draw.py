"""`data draw`: phantoms and procedural images in the places of published data, for trials and tests."""

import argparse
from pathlib import Path

from dr_cli.output import give, say
from dr_cli.progress import show_progress
from dr_core.errors import InputError
from dr_core.pipeline.drawn_stores import draw_phantoms, draw_segmented, draw_textures

_SIZES = {"phantoms": 224, "segmented": 768, "textures": 128}


def add_action(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action to the parser of `data`."""
    draw = actions.add_parser("draw", help="draw synthetic data instead of published data", description=__doc__)
    draw.add_argument(
        "kind",
        choices=_SIZES,
        help="phantoms: a store of graded eyes, two per patient; segmented: eyes with masks in IDRiD's layout; "
        "textures: a store in place of ImageNet",
    )
    draw.add_argument("--out", type=Path, required=True, help="folder to write")
    draw.add_argument("--count", type=int, required=True, help="patients (phantoms), eyes (segmented) or images")
    draw.add_argument("--first", type=int, default=0, help="number of the first patient (default: 0)")
    draw.add_argument("--size", type=int, help="side in pixels (default: 224, 768, 128)")
    draw.add_argument("--seed", type=int, default=0, help="seed of everything (default: 0)")
    draw.add_argument("--processes", type=int, default=2, help="processes that draw (default: 2)")
    draw.set_defaults(run=_draw)


def _draw(options: argparse.Namespace) -> None:
    if options.count < 1:
        raise InputError(f"--count must be 1 or more, not {options.count}.")
    kind, size, seed = options.kind, options.size or _SIZES[options.kind], options.seed
    if kind == "phantoms":
        reports = draw_phantoms(
            options.out, options.count, first=options.first, size=size, seed=seed, processes=options.processes
        )
    elif kind == "textures":
        reports = draw_textures(options.out, options.count, size=size, seed=seed, processes=options.processes)
    else:
        reports = draw_segmented(options.out, options.count, size=size, seed=seed)
    show_progress(f"draw {kind}", reports)
    say(f"{kind.capitalize()} are in {options.out}.")
    give(kind=kind, folder=options.out, count=options.count, first=options.first, size=size, seed=seed)
