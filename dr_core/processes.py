"""Worker processes of one thread each, which leave Ctrl-C to the process that started them."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import cv2


@contextmanager
def start_workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Start a pool of workers; when the block ends, however it ends, what waits is dropped and they end.

    Args:
        processes: Number of workers; OpenCV uses one thread in each.

    Yields:
        The pool.
    """
    pool = ProcessPoolExecutor(processes, get_context("spawn"), cv2.setNumThreads, (1,))
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
