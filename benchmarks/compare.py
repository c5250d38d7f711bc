"""Four answers about one uploaded photograph: ours against the same models one after another in plain torchvision code.

Ours reads the file, finds the field of view, brings the eye to model size once and asks four models. The peer does what
a script would: for every model PIL decodes the file, crops the field of view found beforehand (given to it for free),
and torchvision's transforms and model answer.
"""

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from dr_core.data.fundus import find_field_of_view, read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, load_model, save_model
from dr_core.models.prediction import predict_photographs
from dr_core.models.setups import SETUPS

HEIGHT, WIDTH = 2848, 4288
"""Size of an IDRiD photograph."""


def main() -> None:
    """Measure both architectures and print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photograph", type=Path, help="a JPEG of 4288x2848 (default: an enlarged phantom)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    photograph = options.photograph.read_bytes() if options.photograph else draw_photograph()
    for arch in ("resnet50_slim", "resnet50"):
        measure(arch, photograph, options.rounds)


def draw_photograph() -> bytes:
    """A phantom of grade 3 enlarged to the size of an IDRiD photograph, as JPEG."""
    return encode_photograph(draw_phantom(3, 1024, 0).image)


def encode_photograph(eye: np.ndarray) -> bytes:
    """An eye enlarged to the size of an IDRiD photograph, as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(enlarge(eye, cv2.INTER_CUBIC)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def enlarge(eye: np.ndarray, interpolation: int) -> np.ndarray:
    """A square picture in the middle of one of an IDRiD photograph's size."""
    image = np.zeros((HEIGHT, WIDTH, *eye.shape[2:]), np.uint8)
    middle = slice((WIDTH - HEIGHT) // 2, (WIDTH + HEIGHT) // 2)
    image[:, middle] = cv2.resize(eye, (HEIGHT, HEIGHT), interpolation=interpolation)
    return image


def measure(arch: str, photograph: bytes, rounds: int) -> None:
    """Time both in turn, compare their answers and print the medians."""
    models = {setup: make_model(arch, setup, seed) for seed, setup in enumerate(SETUPS)}

    def ours() -> np.ndarray:
        answers = predict_photographs(models, [read_fundus(photograph)])
        return np.concatenate(list(answers.values()))

    field = find_field_of_view(read_fundus(photograph))
    box = (
        round(field.center_x - field.radius),
        round(field.center_y - field.radius),
        round(field.center_x + field.radius),
        round(field.center_y + field.radius),
    )

    def peer() -> np.ndarray:
        return np.stack([answer_plainly(model, photograph, box) for model in models.values()])

    difference = float(np.abs(ours() - peer()).max())
    seconds = {"ours": [], "peer": []}
    for _ in range(rounds):
        seconds["ours"].append(time_once(ours))
        seconds["peer"].append(time_once(peer))
    mine, theirs = (statistics.median(seconds[side]) for side in ("ours", "peer"))
    line = {
        "name": f"compare_four_{arch}_cpu",
        "ours": round(mine, 3),
        "peer": round(theirs, 3),
        "peer_name": "PIL + torchvision, model by model",
        "unit": "s",
        "ratio": round(theirs / mine, 2),
        "largest_difference": round(difference, 4),
    }
    print(json.dumps(line))


def make_model(arch: str, setup: str, seed: int) -> LoadedModel:
    """A model with random weights, written and loaded as a study's models are."""
    info = CheckpointInfo(
        arch=arch,
        setup=setup,
        preprocessing=Preprocessing(size=224, crop="field_of_view"),
        validation_auc=float("nan"),
        training_data="none",
        data_fingerprint="",
    )
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model.safetensors", build_backbone(arch, 5, seed), info)
        return load_model(Path(folder) / "model.safetensors")


@torch.inference_mode()
def answer_plainly(model: LoadedModel, photograph: bytes, box: tuple[int, int, int, int]) -> np.ndarray:
    """Softmax of one model by PIL and torchvision."""
    preprocessing = model.info.preprocessing
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize((preprocessing.size, preprocessing.size), antialias=True),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing.mean, preprocessing.std),
        ]
    )
    image = Image.open(io.BytesIO(photograph)).convert("RGB").crop(box)
    return torch.softmax(model.model(transform(image)[None]), dim=1)[0].numpy()


def time_once(run: Callable[[], np.ndarray]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
