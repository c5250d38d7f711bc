"""Worker processes of one thread each, which leave Ctrl-C to the process that started them."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import ForkServerContext, SpawnContext

import cv2


def worker_context(*modules: str) -> ForkServerContext | SpawnContext:
    """How workers are started: by a server that has imported `modules` once and forks; by spawning where there is none.

    Importing them anew takes seconds a worker. The server starts with the first worker; later modules come too late for
    it, and are imported by each worker.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context


@contextmanager
def start_workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Start a pool of workers; when the block ends, however it ends, what waits is dropped and they end.

    Args:
        processes: Number of workers; OpenCV uses one thread in each.

    Yields:
        The pool.
    """
    pool = ProcessPoolExecutor(processes, worker_context("dr_core.data.prepare"), cv2.setNumThreads, (1,))
    try:
        with ignoring_interrupts():
            for _ in range(processes):
                pool.submit(int)  # a task for which no worker is idle starts one
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


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
