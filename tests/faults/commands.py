"""Commands that are stopped, starved and hindered, and what they leave behind; for run.py and the tests."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

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
    return ["evaluate", "--study", str(folder / "study"), "--data", str(folder / "validation"), "--device", "cpu"]


def report(folder: Path) -> list[str]:
    """Its report."""
    return ["report", "--study", str(folder / "study")]


def whole_study(folder: Path) -> list[str]:
    """All of it, data included; `study --resume` goes on."""
    (folder / "study.toml").write_text(SMALL_STUDY)
    command = ["study", "--config", str(folder / "study.toml"), "--out", str(folder / "study"), "--at-once", "1"]
    return [*command, *(["--resume"] if (folder / "study" / "grid").is_dir() else [])]


def begin(arguments: list[str], *, python: list[str] | None = None, **environment: str) -> subprocess.Popen:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, *(python or []), str(ROOT / "train_cli.py"), *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str


def finish(process: subprocess.Popen) -> Ended:
    """Wait for a command; one that hangs is killed and fails."""
    try:
        output, _ = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        kill(process)
        raise
    return Ended(process.returncode, output)


def run(arguments: list[str], *, python: list[str] | None = None, **environment: str) -> Ended:
    """Run a command to its end."""
    return finish(begin(arguments, python=python, **environment))


def kill(process: subprocess.Popen) -> None:
    """Kill a command and all that it started, at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def kill_after(arguments: list[str], seconds: float) -> bool:
    """Start a command and kill it after some seconds; whether it was still running."""
    process = begin(arguments)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    finally:
        kill(process)
    return False


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
    """Digests of all weights, tables and reports of a study: what must not depend on how often it was stopped."""
    found = {}
    for path in sorted((study / "checkpoints").glob("*.safetensors")):
        tensors = load_file(path)
        found[path.name] = _digest(*(tensors[name].tobytes() for name in sorted(tensors)))
    for path in sorted((study / "results").glob("*.parquet")):
        table = pd.read_parquet(path).to_csv(index=False)
        found[path.name] = _digest(re.sub(r'/[^,"\n]*/', "", table).encode())  # a table may name its store's folder
    for path in sorted(study.glob("*.html")):
        found[path.name] = _digest(re.sub(r"20\d\d-\d\d-\d\d(T[\d:+]*)?", "", path.read_text()).encode())
    return found


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


SLOW = """
import builtins, io, time
_open = builtins.open
def slow(file, *more, **named):
    if "/study" in str(file) or "/eyes" in str(file):
        time.sleep(0.05)
    return _open(file, *more, **named)
builtins.open = io.open = slow
"""
"""A `sitecustomize` under which every opening of a study's file takes as long as on a busy network drive."""
