"""A published number reached: RetinaMNIST 28, ResNet-50 from scratch, official split, against MedMNIST's table.

MedMNIST v2 (Yang et al. 2023, table 3) gives ResNet-50 (28) an AUC of .726 and an accuracy of .528 on the 400 test
eyes. Its AUC is the mean over the five classes of each against all others. Recipe and epoch are chosen on the 120
validation eyes alone; the test eyes are asked once for each seed.

    python benchmarks/retinamnist.py ROOT [--seeds 3] [--minutes 10]

ROOT holds retinamnist.npz; the environment variable DR_RETINAMNIST names it for `make bench`.
"""

import argparse
import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from dr_core.data.augment import AugmentConfig
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.published.retinamnist import index_retinamnist
from dr_core.data.store import Store
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, load_model
from dr_core.models.prediction import predict_views
from dr_core.study.run_history import read_metrics
from dr_core.training.classification import FinetuneConfig, FinetuneTask, mean_auc_one_vs_rest
from dr_core.training.loop import train
from dr_core.training.run_folder import RunFolder

PUBLISHED_AUC, PUBLISHED_ACCURACY = 0.726, 0.528
SIZE = 64
"""Side in pixels to which the 28 px are enlarged: torchvision's ResNet halves five times."""

RECIPE = FinetuneConfig(
    epochs=12,
    learning_rate=1e-3,
    weight_decay=0.05,
    batch_size=32,
    augment=AugmentConfig(
        crop_area=(0.8, 1.1), rotation_degrees=180, shift=0.03, brightness=0.15, contrast=0.15, channel_gain=0.05
    ),
)


class OneVersusRest(FinetuneTask):
    """Keeps the epoch with the best five-class AUC on the validation eyes."""

    monitor = "auc_one_vs_rest"


def read_split(root: Path, split: str) -> Store:
    """One of the official splits, enlarged."""
    index = index_retinamnist(root)
    with np.load(next(root.glob("retinamnist*.npz"))) as archive:
        images = archive[f"{split}_images"]
    large = np.stack([cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for image in images])
    rows = index[index["split"] == split].reset_index(drop=True)
    return Store(large.transpose(0, 3, 1, 2).copy(), rows.assign(patient=rows["eye"]))


def run(root: Path, folder: Path, seed: int, until: float) -> dict[str, float]:
    """Train with one seed and ask about the test eyes; stops at the time limit with the best epoch so far."""
    parts = {split: read_split(root, split) for split in ("train", "val", "test")}
    way = Preprocessing(size=SIZE, crop="squash")
    config = dataclasses.replace(RECIPE, seed=seed)
    template = CheckpointInfo(
        arch="resnet50",
        setup="iwne_fs",
        preprocessing=way,
        validation_auc=float("nan"),
        training_data="RetinaMNIST 28",
        data_fingerprint=parts["train"].fingerprint(),
    )
    task = OneVersusRest(
        build_backbone("resnet50", 5, seed=seed),
        parts["train"],
        parts["val"],
        preprocessing=way,
        config=config,
        describe=lambda auc: dataclasses.replace(template, validation_auc=auc),
    )
    runs = RunFolder(folder, {"seed": seed})
    for report in train(task, config, runs):
        if report.metrics and time.monotonic() > until:
            break
    history = pd.DataFrame(read_metrics(folder / "metrics.jsonl"))
    best = load_model(folder / "best.safetensors")
    answers = predict_views(best, parts["test"].images.transpose(0, 2, 3, 1))
    labels = parts["test"].index["grade"].to_numpy()
    return {
        "seed": seed,
        "epochs": len(history),
        "validation_auc": round(float(history["auc_one_vs_rest"].max()), 4),
        "test_auc": round(mean_auc_one_vs_rest(answers, labels), 4),
        "test_accuracy": round(float((answers.argmax(axis=1) == labels).mean()), 4),
    }


def main() -> None:
    """Train with some seeds within the time limit, and print each result and their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=os.environ.get("DR_RETINAMNIST"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0, help="time limit of each seed")
    options = parser.parse_args()
    if options.root is None:
        print("RetinaMNIST is left out: DR_RETINAMNIST does not name the folder of retinamnist.npz.")
        return
    results = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            results.append(run(Path(options.root), Path(folder), seed, time.monotonic() + 60 * options.minutes))
        print(json.dumps({"name": "retinamnist_28_resnet50"} | results[-1]), flush=True)
    aucs = [result["test_auc"] for result in results]
    line = {"name": "retinamnist_28_resnet50_mean", "test_auc": round(float(np.mean(aucs)), 4), "peer": PUBLISHED_AUC}
    print(json.dumps(line | {"peer_name": "MedMNIST v2, table 3", "seeds": len(aucs)}))


if __name__ == "__main__":
    main()
