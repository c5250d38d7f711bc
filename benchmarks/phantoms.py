"""Phantoms drawn in a second by one core at 512 px.

There is no peer: nobody else's phantom eyes come with lesion masks and a grade. `target` is what the project asks of
itself, and `ratio` is measured against it.
"""

import argparse
import json
import statistics
import time

import cv2

from dr_core.data.grades import GRADES
from dr_core.data.phantom import draw_phantom

TARGET = 10.0
"""Phantoms a second."""


def main() -> None:
    """Draw phantoms of all grades on one core and print the rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="side in pixels")
    parser.add_argument("--rounds", type=int, default=12, help="each draws one phantom of every grade")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    draw_phantom(3, options.size, 0)  # the first call pays for imports and memory
    seconds = [time_round(options.size, seed) / len(GRADES) for seed in range(options.rounds)]
    rate = 1 / statistics.median(seconds)
    line = {
        "name": f"phantoms_{options.size}_one_core",
        "ours": round(rate, 2),
        "peer": None,
        "peer_name": "none: no other phantom eyes with masks and grades; ratio is to the target",
        "unit": "phantoms/s",
        "ratio": round(rate / TARGET, 2),
        "target": TARGET,
    }
    print(json.dumps(line))


def time_round(size: int, seed: int) -> float:
    """Seconds of processor time for one phantom of every grade."""
    started = time.process_time()
    for grade in range(len(GRADES)):
        draw_phantom(grade, size, seed)
    return time.process_time() - started


if __name__ == "__main__":
    main()
