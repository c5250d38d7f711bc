"""Feed the readers of photographs and masks with damaged files: no crash, hang, or gigabyte.

    python tests/fuzz/decoders.py [--count 100000] [--workers 2] [--start 0]

Each worker is a process of its own. A worker that dies, or takes more than 5 s of processor time for one file, has its
file kept in build/fuzz/ and is replaced. Ends with one JSON line; exit code 1 where anything was found.
"""

import argparse
import collections
import json
import multiprocessing
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from dr_core.errors import InputError  # noqa: E402
from tests.fuzz import hostile_files  # noqa: E402 - needs the path above

SECONDS, MEMORY = 5, 2**30
KINDS = tuple(hostile_files.READERS)


def main() -> int:
    """Run the workers, collect what they found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    began, found = time.monotonic(), collections.Counter()
    out = ROOT / "build" / "fuzz"
    out.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    share = -(-options.count // options.workers)
    ranges = [(options.start + k * share, options.start + (k + 1) * share) for k in range(options.workers)]
    running = {k: _start(context, queue, k, *span) for k, span in enumerate(ranges)}
    while running:
        for k, (process, place, stop) in list(running.items()):
            process.join(0.5)
            if process.is_alive():
                continue
            del running[k]
            if process.exitcode:  # died in the file whose number it had announced
                number = place.value
                found["hang" if process.exitcode == -24 else "crash"] += 1
                _keep(out, number, f"exit {process.exitcode}")
                if number + 1 < stop:
                    running[k] = _start(context, queue, k, number + 1, stop)
        while not queue.empty():
            for key, count in queue.get().items():
                found[key] = max(found[key], count) if key.startswith("largest") else found[key] + count
    result = {"name": "fuzz_decoders", "inputs": options.count, **found, "seconds": round(time.monotonic() - began)}
    print(json.dumps(result))  # noqa: T201 - the script's result
    return int(any(found[key] for key in ("crash", "hang", "error", "memory")))


def _start(context, queue, k, first, stop):
    place = context.Value("q", first)
    process = context.Process(target=_work, args=(queue, place, first, stop), name=f"fuzz-{k}")
    process.start()
    return process, place, stop


def _work(queue, place, first: int, stop: int) -> None:
    warnings.simplefilter("ignore")
    files, found = hostile_files.seeds(), collections.Counter()
    for number in range(first, stop):
        place.value = number
        kind = KINDS[number % len(KINDS)]
        data = hostile_files.make_input(kind, number, files)
        used = time.process_time()
        # The soft limit sends SIGXCPU, which ends the worker wherever it is, inside a decoder, too.
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + SECONDS + 2, resource.RLIM_INFINITY))
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts anew
        found[_try(kind, data, number)] += 1
        found["largest_ms"] = max(found["largest_ms"], round(1000 * (time.process_time() - used)))
        peak = _peak_bytes()
        found["largest_mib"] = max(found["largest_mib"], peak >> 20)
        if peak > MEMORY:
            found["memory"] += 1
            _keep(ROOT / "build" / "fuzz", number, f"{peak >> 20} MiB")
        if number % 1000 == 999:  # told now and then, so that a later death loses little
            queue.put(dict(found))
            found.clear()
    queue.put(dict(found))


def _try(kind: str, data: bytes, number: int) -> str:
    try:
        hostile_files.READERS[kind](data)
    except InputError:
        return "refused"
    except Exception:  # noqa: BLE001 - this is what is looked for
        _keep(ROOT / "build" / "fuzz", number, traceback.format_exc())
        return "error"
    return "read"


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split(maxsplit=1)[0])


def _keep(folder: Path, number: int, what: str) -> None:
    kind = KINDS[number % len(KINDS)]
    (folder / f"{kind}-{number}.bin").write_bytes(hostile_files.make_input(kind, number, hostile_files.seeds()))
    (folder / f"{kind}-{number}.txt").write_text(what)


if __name__ == "__main__":
    sys.exit(main())
