"""The robustness grid of four networks against a plain loop, and which share of it the damaging takes.

Ours damages a batch of eyes and passes it through four networks; the loop damages an eye with imagecorruptions-imaug,
and asks one model after the other as torchvision's examples do. Processor time of one thread, in turn: other work on
the machine changes it little. `--every N` takes every Nth of the nineteen corruptions.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence

import cv2
import imagecorruptions
import numpy as np
import pandas as pd
import torch
from torchvision.transforms import v2

from dr_core.corruption import IMAGENET_C
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.experiments.robustness import RobustnessConfig, damage_eyes
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel
from dr_core.models.setups import SETUPS

EYES, PEER_EYES, SEVERITY, ROUNDS = 16, 1, 3, 2


def build_grid(arch: str, eyes: int) -> tuple[dict[str, LoadedModel], Store]:
    """Four networks of random weights, and phantoms at their size."""
    preprocessing = Preprocessing(size=224)
    views = [preprocessing.to_model_view(draw_phantom(number % 5, 448, number).image) for number in range(eyes)]
    index = pd.DataFrame(
        {"eye": map(str, range(eyes)), "patient": range(eyes), "grade": [number % 5 for number in range(eyes)]}
    )
    store = Store(np.stack(views).transpose(0, 3, 1, 2).copy(), index)
    models = {}
    for number, setup in enumerate(SETUPS):
        info = CheckpointInfo(
            arch=arch,
            setup=setup,
            preprocessing=preprocessing,
            validation_auc=float("nan"),
            training_data="none",
            data_fingerprint="none",
        )
        models[setup] = LoadedModel(build_backbone(arch, 5, seed=number).eval(), info)
    return models, store


@torch.inference_mode()
def ask_plainly(models: Mapping[str, LoadedModel], store: Store, corruptions: Sequence[str]) -> int:
    """Eye by eye, damage by damage, model by model; how many damaged eyes were asked about."""
    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    for row in range(PEER_EYES):
        eye = store.images[row].transpose(1, 2, 0)
        for name in corruptions:
            damaged = imagecorruptions.corrupt(eye, corruption_name=name, severity=SEVERITY)
            for model in models.values():
                torch.softmax(model.model(transform(damaged)[None]), dim=1).numpy()
    return PEER_EYES * len(corruptions)


def measure(arch: str, corruptions: tuple[str, ...]) -> None:
    """Print one architecture's line."""
    models, store = build_grid(arch, EYES)
    config = RobustnessConfig(corruptions=corruptions, severities=(SEVERITY,))
    for name in corruptions:  # some of the peer's compile at their first call
        imagecorruptions.corrupt(np.zeros((224, 224, 3), np.uint8), corruption_name=name, severity=SEVERITY)
    ours, peer, share = float("inf"), float("inf"), 0.0
    for _ in range(ROUNDS):
        before = time.process_time()
        share = list(damage_eyes("phantoms", models, store, config))[-1].share
        ours = min(ours, (time.process_time() - before) / (EYES * (1 + len(corruptions))))
        before = time.process_time()
        asked = ask_plainly(models, store, corruptions)
        peer = min(peer, (time.process_time() - before) / asked)
    line = {
        "name": f"robustness_four_{arch}_224",
        "ours": round(1 / ours, 2),
        "peer": round(1 / peer, 2),
        "peer_name": "imagecorruptions-imaug + torchvision, eye by eye, model by model",
        "unit": "damaged eyes a processor second",
        "ratio": round(peer / ours, 2),
        "share_of_damaging": round(share, 3),
        "processor_hours_for_1000_eyes": round(ours * 1000 * (1 + 19 * 5) / 3600, 2),
    }
    print(json.dumps(line))


def main() -> None:
    """Measure both architectures at severity 3; the other severities cost alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    corruptions = tuple(IMAGENET_C)[:: parser.parse_args().every]
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for arch in ("resnet50_slim", "resnet50"):
        measure(arch, corruptions)


if __name__ == "__main__":
    main()
