"""Seconds for ImageNet-C's nineteen corruptions at severity 3 and 224 px, beside imagecorruptions-imaug.

One image alone, then batches of 64 with a seed for each image: every one gets its own damage, as the peer's images do.
Where there is a GPU, the batches are measured on it, too. A table by corruption comes first, then the sums as JSON.
"""

import json
import time
from collections.abc import Callable
from statistics import median

import imagecorruptions
import torch

from dr_core.corruption import IMAGENET_C, corrupt
from dr_core.data.phantom import draw_phantom

BATCH, ROUNDS, PEER = 64, 5, "imagecorruptions-imaug 1.1.5"


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


def main() -> None:
    """Print the table and the sums."""
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
