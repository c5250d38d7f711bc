"""Seconds for ImageNet-C's nineteen corruptions at severity 3 and 224 px, beside imagecorruptions-imaug.

One image alone, then batches of 64 with a seed for each image: every one gets its own damage, as the peer's images do.
Where there is a GPU, the batches are measured on it, too. A table by corruption comes first, then the sums as JSON.

Then every corruption of the registry at severities 3 and 5 on a picture of 2000x1300 pixels, in processor seconds of
one thread: the aim is at most 2. `--large` measures these alone.
"""

import argparse
import json
import time
from collections.abc import Callable
from statistics import median

import cv2
import imagecorruptions
import torch

from dr_core.corruption import CORRUPTIONS, IMAGENET_C, corrupt
from dr_core.data.phantom import draw_phantom

BATCH, ROUNDS, PEER = 64, 5, "imagecorruptions-imaug 1.1.5"

LARGE, MOST_SECONDS = (2000, 1300), 2.0


def measure(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(name: str) -> dict[str, float]:
    """Seconds an image of each side, in turn: medians of some rounds after one that compiles and warms up."""
    image = draw_phantom(3, 224, 0).image
    one = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].contiguous()
    batch, seeds = one.repeat(BATCH, 1, 1, 1), range(BATCH)
    runs: dict[str, Callable[[], object]] = {
        "one": lambda: corrupt(one, name, 3, 0),
        "batch": lambda: corrupt(batch, name, 3, seeds),
        "peer": lambda: imagecorruptions.corrupt(image, corruption_name=name, severity=3),
    }
    if torch.cuda.is_available():
        there = batch.cuda()
        runs["gpu"] = lambda: corrupt(there, name, 3, seeds)
    seconds: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS + 1):
        for key, run in runs.items():
            seconds[key].append(measure(run) / (BATCH if key in {"batch", "gpu"} else 1))
    return {key: median(values[1:]) for key, values in seconds.items()}


def measure_large() -> None:
    """Print the five corruptions that take longest on a large picture, and whether the slowest keeps the aim."""
    eye = cv2.resize(draw_phantom(3, 1024, 0).image, LARGE, interpolation=cv2.INTER_CUBIC)
    picture = torch.from_numpy(eye).permute(2, 0, 1)[None].contiguous()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    seconds: dict[str, float] = {}
    for name in CORRUPTIONS:
        for severity in (3, 5):
            started = time.process_time()
            corrupt(picture, name, severity, 0)
            seconds[name] = max(seconds.get(name, 0.0), time.process_time() - started)
    slowest = sorted(seconds, key=seconds.__getitem__, reverse=True)[:5]
    print(f"{'s, processor':20s}" + ", ".join(f"{name} {seconds[name]:.2f}" for name in slowest))
    line: dict[str, object] = {"name": "corruptions_2000x1300", "corruptions": len(seconds), "slowest": slowest[0]}
    print(json.dumps(line | {"ours": round(seconds[slowest[0]], 2), "aim": MOST_SECONDS, "unit": "s"}))


def main() -> None:
    """Print the table and the sums, then what large pictures cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="large pictures alone")
    if not parser.parse_args().large:
        measure_small()
    measure_large()


def measure_small() -> None:
    """Print the table and the sums of 224 px."""
    rows = {name: compare(name) for name in IMAGENET_C}
    columns = list(next(iter(rows.values())))
    print(f"{'ms an image':20s}" + "".join(f"{column:>9s}" for column in columns))
    for name, row in rows.items():
        print(f"{name:20s}" + "".join(f"{1e3 * row[column]:9.2f}" for column in columns))
    total = {column: sum(row[column] for row in rows.values()) for column in columns}
    for column in columns:
        if column != "peer":
            line: dict[str, object] = {"name": f"corruptions_224_{column}", "ours": round(total[column], 5)}
            line |= {"peer": round(total["peer"], 5), "peer_name": PEER, "unit": "s an image, all 19"}
            print(json.dumps(line | {"ratio": round(total["peer"] / total[column], 2)}))


if __name__ == "__main__":
    main()
