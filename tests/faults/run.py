"""Kill a training, an evaluation, a report and a whole study at random moments, and look at what the resumed ones make.

    python -m tests.faults.run [--moments 20] [--jobs training evaluation report study] [--seed 0]

Weights, tables and reports must be those of a run that nothing disturbed, and no temporary file may be left; every
second time the clock was set back by a day before the job goes on. The short
form of this, with full disks, read-only folders and other faults, is tests/faults/test_faults.py. Takes minutes for the
first three jobs, hours for the study with 20 moments; give it fewer.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import commands

NEEDS: dict[str, list[Callable[[Path], list[str]]]] = {
    "training": [],
    "evaluation": [commands.training],
    "report": [commands.training, commands.evaluation],
    "study": [],
}
"""What must be there before a job can begin."""

JOBS = {
    "training": commands.training,
    "evaluation": commands.evaluation,
    "report": commands.report,
    "study": commands.whole_study,
}


def kill_at_moments(name: str, moments: int, generator: random.Random) -> list[str]:
    """Kill a job at some moments, each time from the same beginning; gives what was wrong.

    Args:
        name: Of the job.
        moments: How many.
        generator: Draws them.
    """
    job, wrong = JOBS[name], []
    with tempfile.TemporaryDirectory() as root:
        start, whole = Path(root, "start"), Path(root, "whole")
        commands.write_store(start / "eyes")
        commands.write_store(start / "validation", 20, 1)
        commands.write_store(start / "test", 20, 2)
        for need in NEEDS[name]:
            _must(commands.run(need(start), start))
        shutil.copytree(start, whole)
        _must(commands.run(["report", "--help"], Path(root)))  # what is forked from imports once, before time is taken
        begun = time.monotonic()
        _must(commands.run(job(_at(whole, root)), Path(root)))
        length = time.monotonic() - begun
        expected = commands.outcome(Path(root, "now", "study"))
        for number in range(moments):
            moment = generator.uniform(0, length)
            shutil.copytree(start, whole, dirs_exist_ok=False)
            now = _at(whole, root)
            killed = commands.kill_after(job(now), Path(root), moment)
            set_back = commands.hindered(Path(root, "hinder.so"), now, microseconds=0, clock=-86_400 * (number % 2))
            ended = commands.launch(job(now), **set_back)
            found = commands.outcome(now / "study")
            faults = [f"exit code {ended.code}: {ended.output[-500:]}"] if ended.code else []
            faults += [f"{one} differs" for one in expected if found.get(one) != expected[one]]
            faults += [f"{path.name} is left" for path in commands.leftovers(now)]
            state = "killed" if killed else "had ended"
            sys.stdout.write(f"{name} {number + 1}/{moments}: {state} at {moment:.1f} s, {faults or 'same outcome'}\n")
            wrong += faults
    return wrong


def _at(folder: Path, root: str) -> Path:
    """Move a folder to where every run of a job finds it: reports and tables may hold its name."""
    now = Path(root, "now")
    shutil.rmtree(now, ignore_errors=True)
    return folder.rename(now)


def _must(ended: commands.Ended) -> None:
    if ended.code:
        sys.exit(f"a job that nothing disturbed failed:\n{ended.output[-2000:]}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--jobs", nargs="+", choices=tuple(JOBS), default=list(JOBS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    wrong = [fault for name in options.jobs for fault in kill_at_moments(name, options.moments, generator)]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
