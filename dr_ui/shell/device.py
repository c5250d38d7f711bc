"""Where the models run: the processor, or the GPU that `DR_DEVICE` asks for until it fails."""

import functools
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from dr_core.devices import is_device_failure, resolve_device
from dr_core.errors import InputError

_LOG = logging.getLogger("dr_lens")

Answer = TypeVar("Answer")


class ModelDevice:
    """A device, and the processor once the device has failed.

    Args:
        asked: Name of a device as in PyTorch, or `"auto"`, which takes a GPU where there is one.

    Raises:
        InputError: If it is no such name.

    Attributes:
        name: Where the models run now.
        note: Why they do not run where they were asked to; empty if they do.
    """

    def __init__(self, asked: str) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", asked):
            raise InputError(f"DR_DEVICE must be cpu, cuda or auto, not {asked!r}.")
        self._changing = threading.Lock()
        self.note = ""
        try:
            self.name = resolve_device(asked)
        except InputError:
            self._leave("There is no GPU here")
        if self.name != "cpu":
            torch.backends.cudnn.allow_tf32 = False  # it would round every product to ten bits

    def run(self, work: Callable[[str], Answer]) -> Answer:
        """Do some work on the device; on the processor, now and from now on, if the device fails.

        Args:
            work: Takes the name of the device; may be called twice.
        """
        device = self.name
        try:
            return work(device)
        except RuntimeError as error:
            if device == "cpu" or not is_device_failure(error):
                raise
            _LOG.warning("%s: %s", device, str(error).splitlines()[0])
            memory = isinstance(error, torch.OutOfMemoryError)
            with self._changing:
                self._leave("The GPU is out of memory" if memory else "The GPU has failed")
        return work("cpu")

    def _leave(self, reason: str) -> None:
        self.name = "cpu"
        self.note = f"{reason}: the CPU computes instead, more slowly."


def each(names: Iterable[str], work: Callable[[str], Answer], *, is_long: bool = False) -> dict[str, Answer]:
    """Do some work for each model: as many at a time as there are cores, a thread each, whoever asks.

    One model on all cores would wait for the slowest of them after every layer, and with many sessions all the time.

    Args:
        names: Names of the models.
        work: Takes a name.
        is_long: Whether it takes much longer than an answer, which then does not stand behind it.
    """
    asked = list(names)
    return dict(zip(asked, _workers(is_long).map(work, asked), strict=True))


@functools.cache
def _workers(is_long: bool) -> ThreadPoolExecutor:
    torch.set_num_threads(1)
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="model")


@functools.cache
def model_device() -> ModelDevice:
    """Where this server's models run, as `DR_DEVICE` has it."""
    return ModelDevice(os.environ.get("DR_DEVICE", "cpu"))
