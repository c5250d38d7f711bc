"""Worker processes of one thread each, which leave Ctrl-C to the process that started them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import parent_process

import cv2

from dr_core.errors import InputError

_preloaded: dict[str, None] = {}
"""Modules that callers have named so far: the server that forks workers is one for all of them."""


def worker_context(*modules: str) -> ForkServerContext | SpawnContext:
    """How workers are started: by a server that has imported modules once and forks; by spawning where there is none.

    Importing them anew takes seconds a worker. The server starts with the first worker and imports what all callers
    have named until then; later modules come too late for it, and are imported by each worker.

    Args:
        modules: What the workers need.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    _preloaded.update(dict.fromkeys(modules))
    context.set_forkserver_preload(list(_preloaded))
    return context


@contextmanager
def start_workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Start a pool of workers; when the block ends, however it ends, what waits is dropped and they end.

    Args:
        processes: Number of workers; OpenCV uses one thread in each.

    Yields:
        The pool.

    Raises:
        InputError: If the number is below 1.
    """
    if processes < 1:
        raise InputError(f"`processes` must be at least 1, not {processes}.")
    pool = ProcessPoolExecutor(processes, worker_context("dr_core.data.prepare"), _begin_worker)
    try:
        with ignoring_interrupts():
            for _ in range(processes):
                pool.submit(int)  # a task for which no worker is idle starts one
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server that forked it may have begun where nothing ignored it
    cv2.setNumThreads(1)
    end_with_parent()


def end_with_parent(*, group: bool = False) -> None:
    """Let this process end when the one that asked for it does, also where that is killed and can tell nobody.

    Args:
        group: Whether the processes of its group end with it.
    """
    threading.Thread(target=_watch_parent, args=(group,), daemon=True).start()


def _watch_parent(group: bool) -> None:
    parent = parent_process()  # not the server that forked it; its end is seen through a pipe
    if parent is None:
        return
    parent.join()
    if group:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def end_with_launcher() -> None:
    """Let this process end when the one that started it does: torchrun, where it is killed, can tell nobody."""
    threading.Thread(target=_watch_launcher, args=(os.getppid(),), daemon=True).start()


_LOOK_EVERY = 1.0
"""Seconds between two looks at the launcher."""


def _watch_launcher(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Let processes that are started in the block ignore Ctrl-C, so that only their parent answers it."""
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
