"""Stages of long work, run in processes of their own, several side by side.

Each process computes with one thread: so small a network trains as fast that way as with two, two such processes train
twice as fast, and the result does not depend on how many there are.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

import torch

from dr_core.processes import ignoring_interrupts, worker_context

Step = tuple[int, int, float, dict[str, float] | None]
"""Units done, units in all, images a second (0 where not known), measures of an epoch that has just ended."""

Progress = Iterator[Step]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the work.

    Attributes:
        name: Name for people, unlike any other.
        work: Does it, or what is left of it, and tells how far it is; picklable.
        needs: Names of the stages that must be done before.
    """

    name: str
    work: Callable[[], Progress]
    needs: tuple[str, ...] = ()


def run_side_by_side(stages: Sequence[Stage], processes: int) -> Iterator[tuple[Stage, Step]]:
    """Run stages, each in its own process, in their order as far as what they need is done.

    Args:
        stages: The stages.
        processes: How many run at once, at least 1.

    Yields:
        A stage and how far it is.

    Raises:
        Exception: What a stage raised; the others are stopped.
        RuntimeError: If a process was killed.
    """
    waiting = list(stages)
    running: dict[Connection, tuple[Stage, BaseProcess]] = {}
    try:
        while waiting or running:
            undone = {stage.name for stage in waiting} | {stage.name for stage, _ in running.values()}
            ready = [stage for stage in waiting if undone.isdisjoint(stage.needs)]
            for stage in ready[: processes - len(running)]:
                waiting.remove(stage)
                connection, process = _start(stage)
                running[connection] = stage, process
            for connection in cast(list[Connection], wait(list(running))):
                stage, process = running[connection]
                message = _receive(connection)
                if message is None:
                    process.join()
                    del running[connection]
                    _check_end(stage, process)
                elif isinstance(message, Exception):
                    raise message
                else:
                    yield stage, message
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _start(stage: Stage) -> tuple[Connection, BaseProcess]:
    context = worker_context("dr_core.training.classification", "dr_core.training.contrastive")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(stage, sender))
    with ignoring_interrupts():
        process.start()
    sender.close()
    return receiver, process


def _work(stage: Stage, sender: Connection) -> None:
    """Do a stage in its own process; it ends with its parent, since it can no longer tell how far it is."""
    torch.set_num_threads(1)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells the precision of every training
    try:
        for step in stage.work():
            sender.send(step)
    except BrokenPipeError:
        pass
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        sender.send(error)


def _receive(connection: Connection) -> Any:  # noqa: ANN401 - a step or an exception
    try:
        return connection.recv()
    except EOFError:
        return None


def _check_end(stage: Stage, process: BaseProcess) -> None:
    if process.exitcode:
        raise RuntimeError(
            f"The process of “{stage.name}” ended with {process.exitcode}, probably for want of memory. "
            "What was finished is kept; the same command goes on."
        )
