"""Commands that are stopped, starved and hindered, and what they leave behind; for run.py and the tests."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from dr_cli.main import main
from dr_core.processes import worker_context

ROOT = Path(__file__).parents[2]
LONGEST = 600.0
"""Seconds after which a command counts as hanging."""

SMALL_STUDY = """
preset = "quick"
title = "Small"
setups = ["ifi_fs"]
fractions = [100]
[data.draw]
patients = 6
validation_patients = 6
test_patients = 6
textures = 16
segmented = 1
size = 64
[pretrain]
batch_size = 8
[iwne]
epochs = 1
batch_size = 4
[ifi]
epochs = 1
batch_size = 4
"""


def write_store(folder: Path, n: int = 40, seed: int = 0) -> Path:
    """Graded eyes whose grade can be read off their brightness, of a patient each."""
    folder.mkdir(parents=True)
    grades = np.arange(n) % 5
    noise = np.random.default_rng(seed).integers(0, 60, (n, 3, 32, 32))
    np.save(folder / "images.npy", (noise + 40 * grades[:, None, None, None]).astype(np.uint8))
    eyes = [f"{seed}-{number}" for number in range(n)]
    pd.DataFrame({"eye": eyes, "patient": eyes, "side": "left", "grade": grades}).to_parquet(folder / "index.parquet")
    return folder


def training(folder: Path, setup: str = "iwne_fs", epochs: int = 3) -> list[str]:
    """A training of seconds on the store `eyes` of a folder."""
    command = ["finetune", "--setup", setup, "--data", str(folder / "eyes"), "--study", str(folder / "study")]
    command += ["--validation", str(folder / "validation"), "--arch", "resnet50_slim", "--preset", "quick"]
    return [*command, "--precision", "32-true", "--device", "cpu", "--epochs", str(epochs), "--batch-size", "8"]


def evaluation(folder: Path) -> list[str]:
    """Its measurement."""
    return ["evaluate", "--study", str(folder / "study"), "--data", str(folder / "test"), "--device", "cpu"]


def report(folder: Path) -> list[str]:
    """Its report."""
    return ["report", "--study", str(folder / "study")]


def whole_study(folder: Path) -> list[str]:
    """All of it, data included; `study --resume` goes on."""
    (folder / "study.toml").write_text(SMALL_STUDY)
    command = ["study", "--config", str(folder / "study.toml"), "--out", str(folder / "study"), "--at-once", "1"]
    return [*command, *(["--resume"] if (folder / "study" / "grid").is_dir() else [])]


_MODULES = ("tests.faults.commands", "dr_cli.finetune", "dr_core.experiments.performance", "dr_core.publish.report")
"""What the commands import; the server that forks them does it once."""

Change = Callable[[], None]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str


class Forked:
    """A command in a process that is forked from one that has imported all it needs.

    Args:
        arguments: What stands behind the program's name.
        folder: Where its output is kept.
        change: Called in it before the command; a function of a module.
    """

    def __init__(self, arguments: list[str], folder: Path, change: Change | None = None) -> None:
        number, name = tempfile.mkstemp(prefix="output-", suffix=".txt", dir=folder)
        os.close(number)
        self._output = Path(name)
        self._process = worker_context(*_MODULES).Process(target=_work, args=(arguments, name, change))
        self._process.start()

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid or 0

    def has_ended(self) -> bool:
        """Whether it ended."""
        return self._process.exitcode is not None

    def finish(self) -> Ended:
        """Wait for its end; one that hangs is killed and fails."""
        self._process.join(LONGEST)
        if not self.has_ended():
            self.kill()
            raise TimeoutError(self._output.read_text())
        return Ended(self._process.exitcode or 0, self._output.read_text())

    def kill(self) -> None:
        """Kill it and all that it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join(30)


def _work(arguments: list[str], output: str, change: Change | None) -> None:
    os.setsid()
    with Path(output).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if change is not None:
        change()
    sys.exit(main(arguments))


def dying_at_write(number: int) -> None:
    """Let this process be killed with all of its group before it puts a file in place, not the first but a later one.

    Args:
        number: Which one, from 1.
    """
    replace, left = os.replace, iter(range(number - 1))

    def replace_or_die(*arguments: Any, **named: Any) -> None:
        if next(left, None) is None:
            os.killpg(0, signal.SIGKILL)
        replace(*arguments, **named)

    os.replace = replace_or_die


def run(arguments: list[str], folder: Path, change: Change | None = None) -> Ended:
    """Run a command to its end."""
    return Forked(arguments, folder, change).finish()


def kill_after(arguments: list[str], folder: Path, seconds: float) -> bool:
    """Start a command and kill it after some seconds; whether it was still running."""
    process = Forked(arguments, folder)
    with suppress(TimeoutError):
        wait_for(process.has_ended, seconds)
    was_running = not process.has_ended()
    process.kill()
    return was_running


_SEVERAL = """
import json, sys
from dr_cli.main import main
sys.exit(next((code for code in map(main, json.loads(sys.argv[1])) if code), 0))
"""


def launch(*commands: list[str], python: tuple[str, ...] = (), **environment: str) -> Ended:
    """Run some commands one after the other in a new interpreter, until one fails.

    Args:
        commands: What stands behind the program's name in each.
        python: Options of the interpreter.
        environment: Variables on top of this process's.
    """
    done = subprocess.run(
        [sys.executable, *python, "-c", _SEVERAL, json.dumps(commands)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return Ended(done.returncode, done.stdout)


def hindered(library: Path, folder: Path, *, microseconds: int, clock: int) -> dict[str, str]:
    """The environment of a process whose files are slow and whose clock is wrong; see hinder.c.

    Args:
        library: Where hinder.c is compiled to.
        folder: Its files are slow.
        microseconds: How much slower each open, read, write and sync is.
        clock: Seconds by which the time of day is set forward.

    Raises:
        FileNotFoundError: If there is no C compiler.
    """
    source = Path(__file__).with_name("hinder.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    delay = {"HINDER_FOLDER": str(folder), "HINDER_MICROSECONDS": str(microseconds)}
    return {"LD_PRELOAD": str(library), "HINDER_CLOCK": str(clock)} | delay


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something is so; fails if it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened within {seconds} s")
        time.sleep(0.02)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of killed writers."""
    return [path for path in folder.rglob("*") if re.search(r"\.tmp(\.|$)", path.name)]


def outcome(study: Path) -> dict[str, str]:
    """Digests of a study's data, weights, tables and reports: what must not depend on how often it was stopped."""
    found = {}
    for path in sorted((study / "checkpoints").glob("*.safetensors")):
        tensors = load_file(path)
        found[path.name] = _digest(*(tensors[name].tobytes() for name in sorted(tensors)))
    for path in sorted((study / "results").glob("*.parquet")):
        table = pd.read_parquet(path).to_csv(index=False)
        found[path.name] = _digest(re.sub(r'/[^,"\n]*/', "", table).encode())  # a table may name its store's folder
    for path in sorted(study.rglob("images.npy")):
        found[str(path.relative_to(study))] = _digest(path.read_bytes())
    for path in sorted(study.glob("*.html")):
        found[path.name] = _digest(re.sub(_OF_THIS_RUN, "", path.read_text()).encode())
    return found


_OF_THIS_RUN = r"(?s:<h3>Computed by</h3>.*?</pre>)|20\d\d-\d\d-\d\d(T[\d:+]*)?|SHA-256 [0-9a-f]{64}"
"""In a report: what computed it, when, and digests of tables, which may name their store's folder and are compared
above. What computes it is another commit where somebody works on the code while this runs."""


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A tmpfs of some size at a folder; gives a function that changes its size.

    Raises:
        PermissionError: If this process may not mount.
    """
    folder.mkdir(parents=True)
    mounted = _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    if mounted:
        raise PermissionError(mounted)
    try:
        yield lambda size: _mount("-o", f"remount,size={size}", str(folder)) and None
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody can write to, root neither.

    Raises:
        PermissionError: If this process may not mount.
    """
    refused = _mount("--bind", str(folder), str(folder)) or _mount("-o", "remount,ro,bind", str(folder))
    if refused:
        raise PermissionError(refused)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> str:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or "mount failed"
