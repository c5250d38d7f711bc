"""Progress bars with rate and time left."""

import time
from collections.abc import Iterable
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dr_cli.output import console
from dr_core.devices import find_job
from dr_core.training.loop import TrainingReport


class Counted(Protocol):
    """A report of one stage of work: `done` of `total`."""

    @property
    def done(self) -> int:
        """Units done."""

    @property
    def total(self) -> int:
        """Units in all."""


def show_progress(title: str, reports: Iterable[Counted]) -> None:
    """Draw a bar while `reports` are yielded; one of each step where they name steps."""
    with _bars() as progress:
        bars: dict[str, tuple[TaskID, float, int]] = {}
        for report in reports:
            step = getattr(report, "step", "") or title
            if step not in bars:  # what an earlier run has done does not count for the rate
                bars[step] = progress.add_task(step, total=None, rate=""), time.perf_counter(), report.done - 1
            bar, started, before = bars[step]
            rate = (report.done - before) / max(time.perf_counter() - started, 1e-9)
            progress.update(bar, completed=report.done, total=report.total, rate=f"{rate:.1f}/s")


def show_training(title: str, reports: Iterable[TrainingReport]) -> None:
    """Draw one bar for a training, and a line for each epoch that ended; of many processes the first one does."""
    if find_job().rank > 0:
        for _ in reports:
            pass
        return
    with _bars() as progress:
        bar = progress.add_task(title, total=None, rate="")
        for report in reports:
            rate = f"{report.images_per_second:.0f} images/s"
            progress.update(bar, completed=report.step, total=report.steps, rate=rate)
            if report.metrics:
                progress.console.print(_describe(report.metrics), highlight=False)


def _bars() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console())


def _describe(metrics: dict[str, float]) -> str:
    shown = (f"{name} {value:.4g}" for name, value in metrics.items() if name != "epoch")
    return f"epoch {metrics['epoch']:.0f}: " + ", ".join(shown)
