"""What input size it takes to see the first lesions: AUC of phantoms of grade 1 against grade 0.

`python benchmarks/calibration/first_lesions.py OUT` draws phantoms of both grades, the same eyes for every size and
twice as large as the network's input, finetunes the demo's network on them at each size, and prints a JSON line a size
and epoch: the AUC on held-out phantoms with its 95 % interval. Grade 1 is microaneurysms alone.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

from dr_core.analysis.bootstrap import interval, sample_patients
from dr_core.analysis.discrimination import measure_auc
from dr_core.data.augment import POSITION
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import fill_store, open_store
from dr_core.models.checkpoint import load_model
from dr_core.models.prediction import predict_views
from dr_core.models.setups import SETUPS
from dr_core.seeds import derive_seed
from dr_core.study.folder import open_study
from dr_core.training.classification import FinetuneConfig
from dr_core.training.execution import Execution
from dr_core.training.jobs.finetune import FinetuneRequest, finetune
from dr_core.training.jobs.start import Start

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets" / "demo_study" / "checkpoints" / "ifi_fs.safetensors"


SEEN = 3
"""The label that stands for grade 1: the best epoch is chosen by the AUC of grades 3-4 against 0-2."""

PARTS = {"held_out": 600, "validation": 300}


def draw_eye(size: int, number: int) -> tuple[list[np.ndarray], list[dict[str, object]]]:
    """One eye, of grade 0 or 1 in turn, at the network's size: uint8 (3, S, S), and its row."""
    grade = number % 2
    drawn = draw_phantom(grade, 2 * size, derive_seed(0, "first lesions", number))
    image = Preprocessing(size=size).to_model_view(drawn.image).transpose(2, 0, 1)
    return [image], [{"eye": f"phantom-{number}", "patient": str(number), "side": drawn.side, "grade": SEEN * grade}]


def train(out: Path, size: int, epochs: int, weights: Path) -> Path:
    """Finetune a network at one size; gives its checkpoint."""
    setup = SETUPS.find("ifi_fs")
    request = FinetuneRequest(
        data=out / f"train_{size}",
        validation=out / f"validation_{size}",
        study=out / f"study_{size}",
        setup=setup,
        start=Start(source="file", path=weights),
        config=FinetuneConfig(epochs=epochs, learning_rate=3e-4, batch_size=32, augment=POSITION),
        arch="resnet50_slim",
        contrast="local",
        execution=Execution(device="auto"),
    )
    for report in finetune(request):
        if report.metrics:
            print(json.dumps({"size": size, "epoch": report.epoch, "loss": report.metrics["loss"]}), flush=True)
    return open_study(request.study).checkpoint_path(setup.name)


def measure(checkpoint: Path, held_out: Path) -> dict[str, float | int]:
    """AUC of grade 1 against 0 with its interval over eyes."""
    store = open_store(held_out)
    answers = predict_views(load_model(checkpoint), store.images[:].transpose(0, 2, 3, 1))
    draws = sample_patients(store.index["patient"].to_numpy(), draws=1000)
    value, low, high = interval(measure_auc(1 - answers[:, 0], store.index["grade"].to_numpy() == SEEN, draws))
    return {"n": len(store), "auc": round(value, 3), "low": round(low, 3), "high": round(high, 3)}


def main() -> None:
    """Draw, train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=(224, 320, 448))
    parser.add_argument("--eyes", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--weights", type=Path, default=DEMO, help="what the trainings start from")
    options = parser.parse_args()
    for size in options.sizes:
        first = 0
        for name, count in {**PARTS, "train": options.eyes}.items():
            jobs, first = range(first, first + count), first + count
            for _ in fill_store(options.out / f"{name}_{size}", partial(draw_eye, size), jobs, workers=2):
                pass
        checkpoint = train(options.out, size, options.epochs, options.weights)
        print(json.dumps({"size": size} | measure(checkpoint, options.out / f"held_out_{size}")), flush=True)


if __name__ == "__main__":
    main()
