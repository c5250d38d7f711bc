"""Preparing photographs and reading batches, against PIL one at a time and a plain PyTorch data set.

`python benchmarks/prepare.py [FOLDER]` measures on the photographs of a folder, such as IDRiD's full-size eyes; without
one on a drawn eye of 4288x2848 pixels. Beside the clock, one thread's processor time is measured: of ours, of decoding
the whole picture alone, and of decoding it as small as ours does. `--work` measures these alone.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from dr_core.data.fundus import encode_jpeg, read_fundus
from dr_core.data.intake.index import index_eyes
from dr_core.data.phantom import draw_phantom
from dr_core.data.prepare import PrepareConfig, prepare_store, prepare_view
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import IMAGES, INDEX, NpyAppender, open_store

CORES = min(2, os.cpu_count() or 1)
PREPARED, PEER_PHOTOGRAPHS = 256, 16
STORED, BATCH, BATCHES = 4096, 256, 60


def find_photographs(folder: Path | None, scratch: Path) -> list[Path]:
    """Full-size photographs: the folder's, or a drawn one."""
    if folder is not None:
        return sorted(folder.glob("*.jpg"))
    eye = cv2.resize(draw_phantom(3, 1024, 0).image, (2848, 2848), interpolation=cv2.INTER_CUBIC)
    path = scratch / "phantom.jpg"
    path.write_bytes(encode_jpeg(cv2.copyMakeBorder(eye, 0, 0, 720, 720, cv2.BORDER_CONSTANT), 4288, 92))
    return [path]


def prepare_ours(photographs: list[Path], scratch: Path, size: int) -> float:
    """Seconds a photograph, once the processes run."""
    root = photographs[0].parent
    rows = [{"eye": n, "path": photographs[n % len(photographs)].name, "grade": 0} for n in range(PREPARED)]
    index = index_eyes(pd.DataFrame(rows), "benchmark").index
    started = done = 0.0
    for report in prepare_store(
        "benchmark", root, index, scratch / str(size), PrepareConfig(size=size), processes=CORES
    ):
        if not started:
            started, done = time.perf_counter(), report.done
        last = time.perf_counter()
    return (last - started) / (PREPARED - done)


def prepare_plainly(photographs: list[Path], size: int, count: int = PEER_PHOTOGRAPHS) -> float:
    """Seconds a photograph: PIL opens, a threshold crops, PIL resizes, one at a time."""
    started = time.perf_counter()
    for number in range(count):
        with Image.open(photographs[number % len(photographs)]) as picture:
            image = picture.convert("RGB")
        box = image.convert("L").point(lambda level: 255 * (level > 10)).getbbox()
        np.asarray(image.crop(box).resize((size, size), Image.Resampling.BILINEAR))
    return (time.perf_counter() - started) / count


def measure_work(photographs: list[Path], size: int) -> None:
    """Processor seconds a photograph of preparing, and of decoding alone, in turn."""
    root, preprocessing = photographs[0].parent, Preprocessing(size=size)
    sides: dict[str, Callable[[Path], object]] = {
        "ours": lambda path: prepare_view(root, preprocessing, path.name),
        "decoding": read_fundus,
        "decoding small": lambda path: read_fundus(path, longest_side=2 * size),
        "peer": lambda path: prepare_plainly([path], size, 1),
    }
    cv2.setNumThreads(1)
    spent = dict.fromkeys(sides, float("inf"))
    for _ in range(3):
        for side, run in sides.items():
            before = time.process_time()
            for path in photographs[:8]:
                run(path)
            spent[side] = min(spent[side], (time.process_time() - before) / len(photographs[:8]))
    line = {"name": f"prepare_work_{size}", "unit": "processor s", "times_decoding": spent["ours"] / spent["decoding"]}
    line["ratio"] = spent["peer"] / spent["ours"]
    print(json.dumps({key: round(x, 4) if isinstance(x, float) else x for key, x in (line | spent).items()}))


class PlainSet(Dataset):
    """One image at a time, as PyTorch's tutorials do."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.images[row]))


def fill(scratch: Path) -> None:
    """A store of noise, read once so that the cache is warm."""
    generator = np.random.default_rng(0)
    with NpyAppender(scratch / IMAGES, (3, 224, 224), 0) as out:
        for _ in range(STORED):
            out.append(generator.integers(0, 256, (3, 224, 224), np.uint8))
    pd.DataFrame({"eye": range(STORED)}).to_parquet(scratch / INDEX)


def rate(read: Callable[[], int]) -> float:
    """Images a second."""
    started = time.perf_counter()
    return read() / (time.perf_counter() - started)


def read_ours(scratch: Path) -> int:
    """Random batches from the mapped array, by as many threads as there are cores."""
    images, generator = open_store(scratch).images, np.random.default_rng(1)
    rows = [np.sort(generator.choice(STORED, BATCH, replace=False)) for _ in range(BATCHES)]
    with ThreadPoolExecutor(CORES) as pool:
        return sum(len(batch) for batch in pool.map(lambda chosen: images[chosen], rows))


def read_plainly(scratch: Path) -> int:
    """Shuffled batches of PyTorch's loader in this process."""
    loader = DataLoader(PlainSet(open_store(scratch).images), BATCH, shuffle=True)
    return sum(len(batch) for batch, _ in zip(loader, range(BATCHES // 4), strict=False))


def report(name: str, ours: float, peer: float, peer_name: str, unit: str, ratio: float) -> None:
    """One JSON line."""
    line = {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit, "ratio": round(ratio, 2)}
    print(json.dumps(line))


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--work", action="store_true", help="processor time alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        photographs = find_photographs(options.folder, scratch)
        for size in (224, 512):
            measure_work(photographs, size)
        if options.work:
            return
        for size in (224, 512):
            peer = min(prepare_plainly(photographs, size) for _ in range(2))
            ours = prepare_ours(photographs, scratch, size)
            what = f"prepare_{size}_{len(photographs)}_photographs"
            report(what, round(ours, 4), round(peer, 4), "PIL open, crop, resize, one at a time", "s", peer / ours)
        fill(scratch)
        rate(lambda: read_ours(scratch))
        ours = max(rate(lambda: read_ours(scratch)) for _ in range(3))
        peer = max(rate(lambda: read_plainly(scratch)) for _ in range(3))
        report(
            "read_batches_224", round(ours), round(peer), "PyTorch DataLoader, image by image", "images/s", ours / peer
        )


if __name__ == "__main__":
    main()
