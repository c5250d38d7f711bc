"""DR Lens on the command line: parse, call dr_core, show progress, give an exit code. Computes nothing itself."""

import argparse
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dr_core.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What stands behind the program's name; None takes it from the process.

    Returns:
        Exit code: 0 done, 2 the input must be mended, 130 stopped by Ctrl-C.
    """
    options = _build_parser().parse_args(arguments)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells the precision of every training
    try:
        options.run(options)
    except InputError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="bold red", markup=False, highlight=False)
        return 2
    except OSError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {_explain(error)}", style="bold red", markup=False)
        return 2
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. The same command goes on where it was.")
        return 130
    return 0


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}. What was finished is kept; mend this and give the same command again."


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_cli.py", description="Train and measure DR Lens studies.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    return parser


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="draw phantoms, train the four set-ups on them, write a study",
        description="Draw phantom eyes, train the four set-ups on them and write a whole study. Resumes when stopped.",
    )
    demo.add_argument("--out", type=Path, required=True, help="the study's folder")
    demo.add_argument("--seed", type=int, default=0, help="seed of everything (default: 0)")
    demo.add_argument("--quick", action="store_true", help="a minute instead of hours; learns next to nothing")
    demo.add_argument("--workers", type=int, default=2, help="processes that draw (default: 2)")
    real = demo.add_argument_group("real eyes", "photographs to measure the models on; never trained on")
    real.add_argument("--real-with-dr", type=Path, metavar="DIR", help="folder of photographs of eyes with DR")
    real.add_argument("--real-without-dr", type=Path, metavar="DIR", help="folder of photographs of eyes without DR")
    real.add_argument("--real-title", default="real eyes", help="where they come from, shown in the app")
    demo.set_defaults(run=_run_demo)


def _run_demo(options: argparse.Namespace) -> None:
    from dr_core.study.demo import RealEyes, make_demo
    from dr_core.study.demo_config import DemoConfig, quick_config

    real_eyes = None
    if options.real_with_dr or options.real_without_dr:
        if not (options.real_with_dr and options.real_without_dr):
            raise InputError("Real eyes need both --real-with-dr and --real-without-dr.")
        real_eyes = RealEyes(title=options.real_title, with_dr=options.real_with_dr, without_dr=options.real_without_dr)
    config = quick_config(options.seed) if options.quick else DemoConfig(seed=options.seed)
    _show_stages(make_demo(options.out, config, real_eyes=real_eyes, workers=options.workers))
    Console().print(
        f"The study is in {options.out}. Open it: DR_STUDY={options.out} streamlit run app.py", soft_wrap=True
    )


def _show_stages(reports: Iterable) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console()) as progress:
        bars: dict[int, TaskID] = {}
        for report in reports:
            if report.number not in bars:
                title = f"{report.number}/{report.stages} {report.stage}"
                bars[report.number] = progress.add_task(title, total=report.total, rate="")
            rate = f"{report.rate:.0f} images/s" if report.rate else ""
            progress.update(bars[report.number], completed=report.done, rate=rate)
            if report.metrics:
                progress.console.print(_describe(report.metrics), highlight=False)


def _describe(metrics: dict[str, float]) -> str:
    shown = (f"{name} {value:.4g}" for name, value in metrics.items() if name != "epoch")
    return f"  epoch {metrics['epoch']:.0f}: " + ", ".join(shown)


if __name__ == "__main__":
    sys.exit(main())
