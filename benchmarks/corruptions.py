"""Seconds for the nineteen corruptions at severity 3 and 224 px, beside imagecorruptions-imaug."""

import json
import time
from collections.abc import Callable

import imagecorruptions
import numpy as np
import torch

from dr_core.corruption import IMAGENET_C, corrupt
from dr_core.data.phantom import draw_phantom

BATCH, ROUNDS = 64, 2


def measure(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    """Ours and the peer in turn, the median of some rounds; the first, which compiles, does not count."""
    image = draw_phantom(3, 224, 0).image
    one = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    batch = one.repeat(BATCH, 1, 1, 1)
    runs: dict[str, Callable[[], object]] = {
        "one": lambda: [corrupt(one, name, 3, 0) for name in IMAGENET_C],
        "batch": lambda: [corrupt(batch, name, 3, 0) for name in IMAGENET_C],
        "peer": lambda: [imagecorruptions.corrupt(image, corruption_name=name, severity=3) for name in IMAGENET_C],
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, run in runs.items():
            seconds[name].append(measure(run))
    median = {name: float(np.median(values[1:])) for name, values in seconds.items()}
    for name, ours in (("corruptions_224_one", median["one"]), ("corruptions_224_batch", median["batch"] / BATCH)):
        line = {"name": name, "ours": ours, "peer": median["peer"], "peer_name": "imagecorruptions-imaug 1.1.5"}
        print(json.dumps(line | {"unit": "s an image", "ratio": median["peer"] / ours}))


if __name__ == "__main__":
    main()
