"""Decoders in processes of their own, to which the kernel gives so much memory and time and no more.

TIFF, JPEG 2000, HEIC, AVIF and WebP are decoded by large libraries whose code streams, and not their headers alone, say
what memory and time they take. JPEG and PNG ask for what their headers say, which is checked before, and stay here.

A process is started by the first file that needs one and used again; it ends when this one does, however that ends.
What passes between the two is JSON and the bytes of arrays: nothing of it can run.
"""

import atexit
import contextlib
import dataclasses
import fcntl
import importlib
import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from dr_core.errors import InputError

MOST_PROCESSES = 4

_DTYPES = ("bool", "uint8", "uint16", "uint32", "int16", "int32", "float32", "float64")
_MOST_BYTES = 2**30
"""Kinds and bytes of the samples that are taken from a decoder."""


@dataclass(frozen=True, kw_only=True)
class DecoderLimits:
    """What a decoder is given.

    Attributes:
        memory: Bytes beside its own code; the largest pictures that are read take 1 GiB.
        seconds: Processor time of one picture.
        longest: Seconds by the clock, on a machine that does other things, too.
    """

    memory: int = 3 * 2**29
    seconds: float = 60.0
    longest: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What a decoder gives.

    Attributes:
        arrays: Samples.
        notes: Sentences on what was understood.
    """

    arrays: tuple[np.ndarray, ...]
    notes: tuple[str, ...] = ()


Decode = Callable[..., Decoded]
"""A function of a module: takes what to call the file in messages, its bytes, and options that JSON can hold."""


def decode_apart(decode: Decode, name: str, data: bytes, **options: Any) -> Decoded:  # noqa: ANN401 - JSON
    """Run a decoder in a process of its own.

    Args:
        decode: The decoder.
        name: What to call the file in messages.
        data: The file.
        options: Passed on to the decoder.

    Returns:
        What it gives; the arrays may be written to.

    Raises:
        InputError: If it refuses the file, takes more memory or time than it is given, or ends by itself.
    """
    return _PROCESSES[-1].decode(decode, name, data, options)


class _Ended(Exception):  # noqa: N818 - no error by itself; the exit code says what it was
    """A decoder's process ended before it answered."""


class _Process:
    """One process, which decodes one file after the other."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-W", "ignore", "-c", f"from {__name__} import serve; serve()"]
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = os.environ | one_thread | {"PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        pipes = self._process.stdin, self._process.stdout
        self._requests, self._answers = (pipe for pipe in pipes if pipe is not None)
        with contextlib.suppress(OSError):  # fewer turns between the two; refused where many pipes are open
            for pipe in (self._requests, self._answers):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 2**20)

    def decode(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
        """Send a file; the answer and its arrays. Raises `_Ended`."""
        try:
            self._requests.write(json.dumps(request | {"size": len(data)}).encode() + b"\n")
            self._requests.write(data)
            self._requests.flush()
            line = self._answers.readline()
            answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
            return answer, tuple(_read_array(self._answers, **one) for one in answer["arrays"])
        except (BrokenPipeError, EOFError, KeyError, TypeError, ValueError) as error:
            raise _Ended from error

    def end(self) -> int:
        """End it; its exit code, below 0 the signal that ended it."""
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._answers.close()
        return code


class DecoderProcesses:
    """The processes: those that wait for a file, and how many there may be.

    Args:
        limits: What each is given.
    """

    def __init__(self, limits: DecoderLimits | None = None) -> None:
        self.limits = limits or DecoderLimits()
        self._idle: list[_Process] = []
        self._room = threading.BoundedSemaphore(max(1, min(MOST_PROCESSES, os.cpu_count() or 1)))

    def decode(self, decode: Decode, name: str, data: bytes, options: dict[str, Any]) -> Decoded:
        """See `decode_apart`."""
        request = {"decode": [decode.__module__, decode.__qualname__], "name": name, "options": options}
        request |= {"limits": dataclasses.asdict(self.limits)}
        with self._room:
            process = self._take(name)
            try:
                answer, arrays = process.decode(request, data)
            except _Ended:
                raise InputError(self._say_why(name, process.end())) from None
            except BaseException:  # Ctrl-C, or a page that nobody waits for: an answer is still on its way
                process.end()
                raise
            self._idle.append(process)
        if refused := answer["refused"]:
            raise InputError(refused)
        return Decoded(arrays=arrays, notes=tuple(answer["notes"]))

    def _take(self, name: str) -> _Process:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return _Process()
        except OSError as error:
            raise InputError(f"The decoder of {name} cannot be started ({error.strerror}); try again later.") from error

    def _say_why(self, name: str, code: int) -> str:
        if code in (-signal.SIGPROF, -signal.SIGALRM):
            return f"{name} takes more than {self.limits.seconds:g} s to decode; save it as JPEG or PNG."
        return too_much_memory(name)

    def end_all(self) -> None:
        """End those that wait."""
        while self._idle:
            self._idle.pop().end()


def too_much_memory(name: str) -> str:
    """What is said of a file whose decoder was refused memory, or ended by itself, which mostly has this reason."""
    return (
        f"{name} cannot be decoded: it asks for more memory than a picture may take, or its decoder crashed; save it "
        "as JPEG or PNG."
    )


def _read_array(source: IO[bytes], shape: list[int], dtype: str) -> np.ndarray:
    """Read samples; EOFError where they are cut off, ValueError where they are none that a decoder gives."""
    if dtype not in _DTYPES or math.prod(shape) * np.dtype(dtype).itemsize > _MOST_BYTES:
        raise ValueError("no samples")
    array = np.empty(shape, dtype)
    left = array.reshape(-1).view(np.uint8).data
    while left:
        count = source.readinto(left)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        left = left[count:]
    return array


_PROCESSES = [DecoderProcesses()]
"""The last is this process's; before it, those of the processes that forked it, which are not touched here."""

atexit.register(lambda: _PROCESSES[-1].end_all())
os.register_at_fork(after_in_child=lambda: _PROCESSES.append(DecoderProcesses()))


# --- in the decoder's process ---------------------------------------------------------------------------------------


def serve() -> None:
    """Decode what comes in, until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints does not disturb the answers
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    is_bounded = False
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["size"])
        module, function = request["decode"]
        decode = getattr(importlib.import_module(module), function)
        is_bounded = is_bounded or _bound_memory(request["limits"]["memory"])
        _answer(answers, decode, request, data)


def _answer(answers: IO[bytes], decode: Decode, request: dict[str, Any], data: bytes) -> None:
    name, decoded, refused = request["name"], Decoded(arrays=()), ""
    limits = request["limits"]  # the kernel ends this process, also in the middle of a library
    signal.setitimer(signal.ITIMER_PROF, limits["seconds"])
    signal.setitimer(signal.ITIMER_REAL, limits["longest"])
    try:
        decoded = decode(name, data, **request["options"])
    except InputError as error:
        refused = str(error)
    except MemoryError:
        refused = too_much_memory(name)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    shapes = [{"shape": array.shape, "dtype": str(array.dtype)} for array in decoded.arrays]
    answers.write(json.dumps({"arrays": shapes, "notes": decoded.notes, "refused": refused}).encode() + b"\n")
    for array in decoded.arrays:
        answers.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    answers.flush()


def _bound_memory(memory: int) -> bool:
    """Let the kernel refuse more bytes than these on top of what the code takes; always true."""
    pages = Path("/proc/self/statm")
    if pages.exists():  # other systems know no such limit
        limit = int(pages.read_text().split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return True


def _watch_parent(parent: int) -> None:
    """End at once with the parent, also in the middle of a picture."""
    hung_up = select.poll()
    hung_up.register(0, 0)
    while os.getppid() == parent:
        if hung_up.poll(1000):
            break
    time.sleep(0.1)  # where nothing is decoded, the end of the requests ends it by itself
    os._exit(1)
