"""`demo`: draw phantoms, train the four set-ups on them, write a study."""

import argparse
from pathlib import Path

from rich.console import Console

from dr_cli.progress import show_stages
from dr_core.errors import InputError


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", told: str) -> None:
    """Add the command to the parser; `told` stands beside its name."""
    demo = commands.add_parser(
        "demo",
        help=told,
        description="Draw phantom eyes, train the four set-ups on them and write a whole study. Resumes when stopped.",
    )
    demo.add_argument("--out", type=Path, required=True, help="the study's folder")
    demo.add_argument("--seed", type=int, default=0, help="seed of everything (default: 0)")
    demo.add_argument("--quick", action="store_true", help="a minute instead of hours; learns next to nothing")
    demo.add_argument(
        "--processes",
        type=int,
        default=2,
        help="processes that draw and train side by side, one thread each; the result is the same (default: 2)",
    )
    real = demo.add_argument_group("real eyes", "photographs to measure the models on; never trained on")
    real.add_argument("--real-with-dr", type=Path, metavar="DIR", help="folder of photographs of eyes with DR")
    real.add_argument("--real-without-dr", type=Path, metavar="DIR", help="folder of photographs of eyes without DR")
    real.add_argument("--real-title", default="real eyes", help="where they come from, shown in the app")
    demo.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from dr_core.pipeline.demo import RealEyes, make_demo
    from dr_core.pipeline.demo_config import DemoConfig, quick_config

    real_eyes = None
    if options.real_with_dr or options.real_without_dr:
        if not (options.real_with_dr and options.real_without_dr):
            raise InputError("Real eyes need both --real-with-dr and --real-without-dr.")
        real_eyes = RealEyes(title=options.real_title, with_dr=options.real_with_dr, without_dr=options.real_without_dr)
    config = quick_config(options.seed) if options.quick else DemoConfig(seed=options.seed)
    show_stages(make_demo(options.out, config, real_eyes=real_eyes, processes=options.processes))
    Console().print(
        f"The study is in {options.out}. Open it: DR_STUDY={options.out} streamlit run app.py", soft_wrap=True
    )
