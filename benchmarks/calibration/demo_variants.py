"""What the demo's networks should meet: AUC on phantoms and on photographs of other cameras by input and augmentation.

`python benchmarks/calibration/demo_variants.py OUT [FOLDER OF REAL EYES]` draws phantoms into OUT, once, trains a slim
ResNet-50 from scratch on them for each variant, and prints a JSON line a variant and set of eyes. The photographs are
those of `cameras/` with grades (`labels.csv`, as benchmarks/trust.py reads it); they choose among the variants and
train nothing. Trainings go on where they were stopped.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.trust import FEWEST_GRADED, patients_of
from dr_core.data.augment import FUNDUS, POSITION, AugmentConfig
from dr_core.data.fundus import read_fundus
from dr_core.data.preprocessing import Contrast
from dr_core.data.store import open_store
from dr_core.experiments.answers import predict_table, summarize_aucs
from dr_core.models.checkpoint import load_model
from dr_core.models.setups import SETUPS
from dr_core.pipeline.drawn_stores import draw_phantoms
from dr_core.study.folder import open_study
from dr_core.study.runs import ALL_LABELS
from dr_core.training.classification import FinetuneConfig
from dr_core.training.execution import Execution
from dr_core.training.jobs.finetune import FinetuneRequest, finetune
from dr_core.training.jobs.start import choose_start
from dr_core.training.recipes import choose_finetuning

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a network meets.

    Attributes:
        contrast: As in `Preprocessing`.
        augment: Augmentation of the training eyes.
    """

    contrast: Contrast = "local"
    augment: AugmentConfig = FUNDUS


SOFTER = replace(FUNDUS, blur_sigma=(0.2, 1.6), blur_chance=0.5, noise=0.03)
FREER = replace(SOFTER, crop_area=(0.6, 1.25), crop_aspect=(0.85, 1.18), rotation_degrees=180.0)

VARIANTS = {
    "colors as they are": Variant(contrast="none"),
    "local mean subtracted": Variant(contrast="graham"),
    "local contrast": Variant(),
    "local contrast, position alone augmented": Variant(augment=POSITION),
    "local contrast, more blur and noise": Variant(augment=SOFTER),
    "local contrast, more blur, noise and freer position": Variant(augment=FREER),
}


def train_variant(name: str, out: Path, epochs: int) -> Path:
    """Train a set-up from scratch; gives the checkpoint of its best validation epoch."""
    variant, setup = VARIANTS[name], SETUPS.find("iwne_fs")
    recipe: FinetuneConfig = choose_finetuning("quick", setup)
    config = replace(recipe, epochs=epochs, small_epochs=epochs - 2, augment=variant.augment, batch_size=32)
    request = FinetuneRequest(
        data=out / "train",
        validation=out / "validation",
        study=out / name.replace(" ", "_").replace(",", ""),
        setup=setup,
        start=choose_start(setup),
        config=config,
        arch="resnet50_slim",
        contrast=variant.contrast,
        execution=Execution(device="auto"),
    )
    for report in finetune(request):
        if report.metrics:
            print(json.dumps({"variant": name, "epoch": report.epoch} | report.metrics), file=sys.stderr, flush=True)
    return open_study(request.study).checkpoint_path(setup.name)


Photographs = tuple[list[np.ndarray], pd.DataFrame]
"""Pictures and their table."""


def measure(checkpoint: Path, out: Path, photographs: Photographs) -> Iterator[dict[str, object]]:
    """AUC of each reading on the validation phantoms and on each set of photographs."""
    models, held = {"iwne_fs": load_model(checkpoint)}, open_store(out / "validation")
    drawn = held.index[["eye", "patient", "grade"]].assign(has_dr=held.index["grade"] > 0)
    views = held.images[:].transpose(0, 2, 3, 1)
    images, eyes = photographs
    preprocessing = models["iwne_fs"].info.preprocessing
    taken = np.stack([preprocessing.to_model_view(image) for image in images])
    tables = [predict_table("phantoms", models, views, drawn)]
    tables += [predict_table("", models, taken, eyes).assign(data=list(eyes["set"]))]
    answers = pd.concat(tables, ignore_index=True).assign(seed=0, fraction=ALL_LABELS)
    for row in summarize_aucs(answers).itertuples(index=False):
        yield {"data": row.data, "reading": row.reading, "n": row.n, "auc": round(float(row.value), 3)}


def read_photographs(folder: Path) -> Photographs:
    """Photographs of the sets with enough grades, and their table."""
    labels = pd.read_csv(folder / "labels.csv").dropna(subset=["grade"])
    labels = labels[labels.groupby("set")["file"].transform("size") >= FEWEST_GRADED]
    eyes = pd.DataFrame({"eye": labels["file"], "patient": patients_of(labels), "set": labels["set"]})
    eyes = eyes.assign(grade=labels["grade"].astype(int)).assign(has_dr=lambda rows: rows["grade"] > 0)
    return [read_fundus(folder / file) for file in labels["file"]], eyes.reset_index(drop=True)


def main() -> None:
    """Draw, train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("real", type=Path, nargs="?", default=ROOT.parent / "shared" / "data")
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS))
    options = parser.parse_args()
    for name, count, first in (("train", options.patients, 0), ("validation", 200, options.patients)):
        for _ in draw_phantoms(options.out / name, count, first=first, size=options.size):
            pass
    photographs = read_photographs(options.real / "cameras")
    for name in options.only:
        checkpoint = train_variant(name, options.out, options.epochs)
        for found in measure(checkpoint, options.out, photographs):
            print(json.dumps({"variant": name} | found), flush=True)


if __name__ == "__main__":
    main()
