"""Where something is computed: which device, and which of the processes that torchrun or SLURM started."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed
from torch import Tensor

from dr_core.errors import InputError

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """The processes of one training, as their launcher counts them.

    Attributes:
        rank: Number of this process among all, from 0.
        world: Number of all.
        per_node: Number on each machine.
        launcher: Who started them; None for a process of its own.
    """

    rank: int = 0
    world: int = 1
    per_node: int = 1
    launcher: Literal["torchrun", "slurm"] | None = None


def find_job(environment: Mapping[str, str] = os.environ) -> Job:
    """Read what torchrun or `srun` tells its processes.

    Raises:
        InputError: If machines have different numbers of processes.
    """
    if "TORCHELASTIC_RUN_ID" in environment or {"RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"} <= environment.keys():
        rank, world, per_node = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        return _check(Job(rank=rank, world=world, per_node=per_node, launcher="torchrun"))
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))  # set in the steps of `srun`, not in a batch script
    if tasks > 1:
        nodes = int(environment.get("SLURM_STEP_NUM_NODES", "1"))
        return _check(
            Job(rank=int(environment["SLURM_PROCID"]), world=tasks, per_node=tasks // nodes, launcher="slurm")
        )
    return Job()


def find_member() -> Job:
    """This process among those that have joined to train together; alone where none has."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Job()
    return Job(rank=torch.distributed.get_rank(), world=torch.distributed.get_world_size())


def gather_rows(rows: Tensor, world: int) -> Tensor:
    """Rows of all processes that train together, in their order, without gradient; each has as many."""
    if world == 1:
        return rows
    parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world)]
    torch.distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def leave_job() -> None:
    """End what a training joined, when a process has nothing more to train."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _check(job: Job) -> Job:
    if job.world % job.per_node:
        raise InputError(f"{job.world} processes must be spread evenly over the machines; start as many on each.")
    return job


def resolve_device(name: str) -> str:
    """Name of a device for PyTorch; `"auto"` takes a GPU where there is one, of several that of the process's rank.

    Raises:
        InputError: If there is no such device, or a GPU is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        asked = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"`device` must be auto, cpu, cuda or a name such as cuda:1, not {name!r}.") from error
    if asked.type == "cuda" and not torch.cuda.is_available():
        raise InputError("There is no CUDA device here; choose the device cpu, or auto.")
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise InputError(f"`device` must be one of cuda:0 to cuda:{last}, the CUDA devices here, not {name}.")
    if asked.type not in ("cpu", "cuda"):
        _check_computes(asked)
    if name == "cuda" and torch.cuda.device_count() > 1:
        local = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
        return f"cuda:{local % torch.cuda.device_count()}"
    return name


def _check_computes(device: torch.device) -> None:
    """Refuse a kind of device that PyTorch names and that computes nothing here, such as `mps` away from a Mac."""
    try:
        torch.ones(1, device=device).sum().item()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(
            f"The device {device} cannot compute here; choose the device cpu, cuda where there is a GPU, or auto."
        ) from error


def is_device_failure(error: RuntimeError) -> bool:
    """Whether a GPU has run out of memory, or is gone."""
    return isinstance(error, torch.OutOfMemoryError) or "CUDA error" in str(error)
