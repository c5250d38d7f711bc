"""Who computes the cells: this machine, or a cluster through Submitit."""

import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import submitit
import torch

from dr_core.pipeline.cells import Cell
from dr_core.pipeline.config import Resources, StudyConfig
from dr_core.pipeline.schedule import Running
from dr_core.processes import end_with_parent, ignoring_interrupts, worker_context

_ROOT = Path(__file__).parents[2]


class Command(Protocol):
    """What does a cell's request in a process of its own; picklable."""

    program: tuple[str, ...]
    """What stands behind Python's name to start the program anew, such as `("-m", "package")`."""

    def render(self, request: Any) -> list[str]:  # noqa: ANN401 - any request
        """The words that ask the program for a request."""

    def __call__(self, words: list[str], /) -> int:
        """Do what the words ask for, in this process; gives the exit code."""


_QUEUES: dict[str, tuple[str, ...]] = {"slurm": ("squeue", "--noheader", "--jobs"), "local": ()}
"""Cluster -> command that lists a job while it waits or runs."""

_LOOK_EVERY, _GIVE_UP_AFTER = 15.0, 60.0
"""Seconds between two looks into the queue, and until a job that is not in it counts as failed."""

_MODULES = (
    "dr_core.training.classification",
    "dr_core.training.pretraining.task",
    "dr_core.experiments.answers",
    "sklearn.metrics",
)
"""What nearly every cell imports, or every finetuning."""


class LocalExecutor:
    """Cells as processes of this machine.

    Args:
        config: The study.
        command: Does a cell's request.
        at_once: Cells side by side; each gets its share of the GPUs, or of the processor's cores.
    """

    def __init__(self, config: StudyConfig, command: Command, at_once: int) -> None:
        self.config, self.command, self.at_once = config, command, at_once
        self._gpus = torch.cuda.device_count() if config.device != "cpu" else 0
        self._busy: dict[int, _Forked] = {}

    def start(self, cell: Cell, log: Path) -> Running:
        """Start a cell in the first free slot."""
        self._busy = {slot: job for slot, job in self._busy.items() if job.poll() is None}
        slot = next(number for number in range(self.at_once) if number not in self._busy)
        resources = self.config.resources.get(cell.kind)
        processes = resources.processes if resources else 1
        environment = self._environment(slot, processes)
        command = self.command if processes == 1 else _Launched(self.command, processes)
        job = _Forked(command, self.command.render(cell.request), log, environment)
        self._busy[slot] = job
        return job

    def _environment(self, slot: int, processes: int) -> dict[str, str]:
        """What makes a cell keep to its share of the machine."""
        shared = max(1, (os.cpu_count() or 1) // self.at_once // processes)
        threads = self.config.threads or shared
        shares = {"OMP_NUM_THREADS": str(threads)}
        if self._gpus:
            first = slot * processes % self._gpus
            shares["CUDA_VISIBLE_DEVICES"] = ",".join(str((first + n) % self._gpus) for n in range(processes))
        return shares


class _Forked:
    """A cell in a process that is forked from one that has imported PyTorch."""

    def __init__(self, command: Command, arguments: list[str], log: Path, environment: dict[str, str]) -> None:
        context = worker_context(*_MODULES)
        self._process: BaseProcess = context.Process(target=_work, args=(command, arguments, log, environment))
        with ignoring_interrupts():
            self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def stop(self) -> None:
        _end_group(self._process.pid)
        self._process.join()


class _Launched:
    """What starts a cell of many processes by torchrun, and waits for it: torchrun itself outlives a study's end."""

    def __init__(self, command: Command, processes: int) -> None:
        self.program, self.render = command.program, command.render
        self._launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes))

    def __call__(self, words: list[str]) -> int:
        """Run the words; SIGTERM is left to torchrun, which ends its processes first."""
        signal.signal(signal.SIGTERM, lambda *_: None)
        return subprocess.run([sys.executable, *self._launcher, *self.program, *words], check=False).returncode


def _end_group(process: int | None) -> None:
    """End a process and those that it started."""
    if process is not None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process, signal.SIGTERM)


def _work(command: Command, arguments: list[str], log: Path, environment: dict[str, str]) -> None:
    os.setpgrp()
    end_with_parent(group=True)
    os.environ.update(environment)
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    with _printing_to(log):
        code = command(arguments)
    sys.exit(code)


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Let all that this process prints in the block go to a file."""
    before = [os.dup(number) for number in (1, 2)]
    with log.open("ab") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, kept in enumerate(before, start=1):
            os.dup2(kept, number)
            os.close(kept)


class ClusterExecutor:
    """Cells as jobs of a cluster.

    Args:
        config: The study; `resources` says what each kind of cell is given.
        command: Does a cell's request.
        folder: Where Submitit keeps its jobs; on a disk that all machines share.
        cluster: `"slurm"`, or `"local"`: Submitit's own stand-in on this machine.
    """

    at_once = 1_000_000
    """The cluster has a queue of its own."""

    def __init__(self, config: StudyConfig, command: Command, folder: Path, cluster: str = "slurm") -> None:
        self.config, self.command, self.cluster = config, command, cluster
        self.folder = folder
        logging.getLogger("submitit").setLevel(logging.ERROR)  # without accounting it warns at every look
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

    def start(self, cell: Cell, log: Path) -> Running:
        """Hand a cell in."""
        executor = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster, **self._requeues())
        executor.update_parameters(**self._parameters(cell))
        return _ClusterJob(
            executor.submit(_Job(self.command, self.command.render(cell.request), log)), _QUEUES[self.cluster]
        )

    def _requeues(self) -> dict[str, int]:
        return {f"{self.cluster}_max_num_timeout": 100}  # a job that is cut off by its time goes on so often

    def _parameters(self, cell: Cell) -> dict[str, Any]:
        given = self.config.resources.get(cell.kind, Resources())
        parameters: dict[str, Any] = {
            "name": cell.name,
            "timeout_min": int(60 * given.hours),
            "tasks_per_node": given.processes,
            "nodes": 1,
            "cpus_per_task": given.cpus,
        }
        if self.cluster == "slurm":
            parameters["mem_gb"] = given.memory_gb
            if given.gpus:
                parameters["gpus_per_node"] = given.gpus
            if given.partition:
                parameters["slurm_partition"] = given.partition
        return parameters


class _Job:
    """What a cluster's job does; cut off, it is handed in again and goes on, since every command does."""

    def __init__(self, command: Command, arguments: list[str], log: Path) -> None:
        self.command, self.arguments, self.log = command, arguments, log

    def __call__(self) -> int:
        rank = submitit.JobEnvironment().global_rank
        with _printing_to(self.log if rank == 0 else self.log.with_suffix(f".{rank}.log")):
            return self.command(self.arguments)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        return submitit.helpers.DelayedSubmission(self)


class _ClusterJob:
    """A job of a cluster; one that left the queue without a word, as a machine that fails does, has failed."""

    def __init__(self, job: "submitit.Job[int]", queue: tuple[str, ...]) -> None:
        self._job, self._queue = job, queue
        self._looked, self._gone_since = time.monotonic(), math.inf

    def poll(self) -> int | None:
        if self._job.done():
            broken = any(task.exception() is not None for task in self._tasks())
            return 1 if broken else max(task.result() or 0 for task in self._tasks())
        return 1 if self._queue and self._is_lost() else None

    def _tasks(self) -> "list[submitit.Job[int]]":
        return [self._job.task(number) for number in range(self._job.num_tasks)]

    def _is_lost(self) -> bool:
        """Whether it has not been in the queue for a while; clusters without accounting tell no more than that."""
        now = time.monotonic()
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            listed = subprocess.run([*self._queue, self._job.job_id], capture_output=True, text=True, check=False)
            gone = not listed.stdout.strip() and (listed.returncode == 0 or "Invalid job id" in listed.stderr)
            self._gone_since = min(self._gone_since, now) if gone else math.inf
        return now - self._gone_since > _GIVE_UP_AFTER

    def stop(self) -> None:
        self._job.cancel()
