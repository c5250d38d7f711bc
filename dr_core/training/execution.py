"""How a training is computed: on one device, or in many processes that torchrun or SLURM started."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from dr_core.devices import Device, find_job
from dr_core.errors import InputError
from dr_core.processes import end_with_launcher
from dr_core.training.precision import Precision, Settled, resolve_precision


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How the steps of a recipe are computed. A stopped training may go on with other values.

    Attributes:
        device: `"auto"` takes a GPU where there is one.
        accumulate: Parts into which each process splits its share of a batch, one after the other; gradients are
            added up. Saves memory; batch norm sees the smaller parts.
        channels_last: Whether channels lie next to each other in memory.
        compile: Whether `torch.compile` fuses the encoder; pays on a GPU after minutes, not on a CPU.
    """

    device: Device = "auto"
    accumulate: int = 1
    channels_last: bool = True
    compile: bool = False


def start_fabric(precision: Precision, device: Device) -> Fabric:
    """Join the processes of this job, or take one device.

    Args:
        precision: As `resolve_precision` takes it.
        device: Where it is computed.

    Raises:
        InputError: If a GPU is asked for and there is none, or the processes would compute in different precisions.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("There is no CUDA device here; choose the device cpu, or auto.")
    job, settled = find_job(), resolve_precision(precision, device)
    if job.world == 1:
        alone = LightningEnvironment()  # Fabric would look for a job of its own and warn where srun is installed
        return Fabric(accelerator=device, devices=1, precision=settled, plugins=[alone])
    if job.launcher == "torchrun":
        end_with_launcher()
    environment = TorchElasticEnvironment() if job.launcher == "torchrun" else SLURMEnvironment()
    fabric = Fabric(
        accelerator=device,
        devices=job.per_node,
        num_nodes=job.world // job.per_node,
        strategy=DDPStrategy(cluster_environment=environment),
        precision=settled,
    )
    fabric.launch()
    _check_alike(settled, Share(fabric.global_rank, fabric.world_size))
    return fabric


def _check_alike(settled: Settled, share: "Share") -> None:
    """Make sure that no process computes in bf16 while another does not, where each chose for its own machine."""
    if any_process(settled == "bf16-mixed", share) != (settled == "bf16-mixed"):
        raise InputError(
            "The processes of this training would compute in different precisions; name the precision: 32-true, or "
            "bf16-mixed if all machines support it."
        )


@dataclass(frozen=True)
class Share:
    """What part of the rows a process measures, and how the parts come together.

    Attributes:
        rank: Number of the process.
        world: Number of processes.
    """

    rank: int = 0
    world: int = 1

    def rows(self, n: int) -> np.ndarray:
        """Row numbers below n that this process measures, int (n / world,)."""
        return np.arange(self.rank, n, self.world)

    def gather(self, part: np.ndarray, n: int) -> np.ndarray:
        """Bring the processes' rows together in their order, each once.

        Args:
            part: (n / world, ...), what this process measured of its rows.
            n: Number of rows.

        Returns:
            (n, ...), the same in every process.
        """
        if self.world == 1:
            return part
        parts: list[np.ndarray] = [np.empty(0)] * self.world
        torch.distributed.all_gather_object(parts, part)
        whole = np.empty((n, *part.shape[1:]), part.dtype)
        for rank, rows in enumerate(parts):
            whole[rank :: self.world] = rows
        return whole


def share_buffers(network: torch.nn.Module, share: Share) -> None:
    """Give every process the first one's buffers, such as the statistics of batch norm, before they are used."""
    if share.world > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, src=0)


def check_parts(batch_size: int, world: int, accumulate: int) -> None:
    """Make sure that a batch can be dealt out evenly.

    Raises:
        InputError: If it cannot.
    """
    if accumulate < 1 or batch_size % (world * accumulate):
        raise InputError(
            f"A batch of {batch_size} cannot be split evenly among {world} processes with {accumulate} parts each; "
            "change `batch_size` or `accumulate`."
        )


def never() -> bool:
    """Whether to stop: no."""
    return False


def any_process(value: bool, share: Share) -> bool:
    """Whether something is so in any process of the job; the same answer in each."""
    if share.world == 1:
        return value
    values = [False] * share.world
    torch.distributed.all_gather_object(values, value)
    return any(values)


def check_same(value: int, share: Share) -> None:
    """Make sure that every process starts from the same state.

    Raises:
        InputError: If they differ.
    """
    if share.world == 1:
        return
    values = [0] * share.world
    torch.distributed.all_gather_object(values, value)
    if len(set(values)) > 1:
        raise InputError("The processes found different states; the run's folder must lie on a disk that all share.")


@contextmanager
def explaining_failures(share: Share, kept: str) -> Iterator[None]:
    """Turn NaN, want of memory and the death of another process into a sentence that says what to do.

    Args:
        share: This process.
        kept: What of the training is kept.

    Raises:
        InputError: In those two cases, and if a loss is not finite.
    """
    try:
        yield
    except FloatingPointError as error:
        raise InputError(f"{error} {kept} Start again in another folder with a lower learning rate.") from error
    except torch.OutOfMemoryError as error:
        raise InputError(
            "The GPU has too little memory. Lower `batch_size`; or keep it and raise `accumulate` (finetuning), choose "
            f"the precision bf16-mixed, or a smaller image size. {kept}"
        ) from error
    except RuntimeError as error:
        if share.world > 1 and _is_connection_lost(error):
            raise InputError(
                f"Another of the {share.world} processes of this training ended; its own message says why. {kept}"
            ) from error
        raise


def _is_connection_lost(error: RuntimeError) -> bool:
    signs = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe", "Timed out")
    return isinstance(error, torch.distributed.DistError) or any(sign in str(error) for sign in signs)
