"""`demo`: the whole study that is described by the project's own `demo.toml`, on phantoms that are drawn for it."""

import argparse

from dr_cli.study import add_run_options, run_study


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", summary: str) -> None:
    """Add the command to the parser; `summary` stands beside its name."""
    demo = commands.add_parser(
        "demo",
        help=summary,
        description="Draw phantom eyes, train the four set-ups on them and measure everything: `study` with the "
        "project's own demo.toml. Resumes when stopped. With --set data.test.NAME=STORE photographs are measured as "
        "well; they are never trained on.",
    )
    add_run_options(demo)
    demo.add_argument("--seed", type=int, help="seed of everything (default: 0)")
    demo.add_argument("--quick", action="store_true", help="minutes instead of hours; learns next to nothing")
    demo.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from dr_core.pipeline.study_toml import DEMO, DEMO_QUICK

    options.config = DEMO_QUICK if options.quick else DEMO
    options.resume = True
    if options.seed is not None:
        options.set = [f"seed={options.seed}", f"seeds=[{options.seed}]", *options.set]
    return run_study(options)
