"""What pretraining on drawn eyes teaches about lesions: linear probe and nearest neighbors by method and augmentation.

`python benchmarks/pretraining/lesion_probe.py OUT --method simclr --augmentation fundus --epochs 15` draws 4,000
phantoms of 112 px without labels and 1,600 with lesion masks into OUT, once (ten minutes on a core), trains a ResNet of
ten layers a quarter as wide on the first, and probes it on the second. One JSON line for each probed epoch; epoch 0 is
random weights.
`--method supervised` trains the same network on grade 2 or worse: what can be known at this size at all.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from dr_core.analysis.feature_probes import PENALTIES, score_by_neighbors, score_linearly
from dr_core.data.augment import PRETRAINING_AUGMENTATIONS
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.architectures import ARCHITECTURES, Architecture, build_network
from dr_core.models.projection import record_input
from dr_core.training.execution import Execution
from dr_core.training.loop import train
from dr_core.training.pretraining.features import Encode, read_features, settled_norm
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.registry import METHODS
from dr_core.training.pretraining.task import SelfSupervisedTask, SupervisedTask
from dr_core.training.run_folder import RunFolder

SIDE, VIEW = 112, 80
EYES = {"unlabeled": (4000, 0), "labeled": (1600, 900_000)}
"""Store -> number of phantoms, and the seed of the first."""

SHARES = (0.4, 0.15, 0.2, 0.15, 0.1)
"""Of the grades."""


class ShallowResNet(ResNet):
    """Ten layers, 16 channels in the first: fifty layers need more steps than two cores have."""

    def __init__(self, classes: int) -> None:
        super().__init__(BasicBlock, [1, 1, 1, 1], num_classes=classes)
        self.fc = nn.Linear(128, classes)
        self.conv1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1[0] = BasicBlock(16, 16)

    def _make_layer(self, block: type, planes: int, *args: object, **options: object) -> nn.Sequential:
        return super()._make_layer(block, planes // 4, *args, **options)


def draw_eyes(folder: Path, name: str) -> Store:
    """Phantoms of all grades with the number of pixels of each lesion; drawn where they are not there yet."""
    images, table = folder / f"{name}.npy", folder / f"{name}.csv"
    if not table.is_file():
        count, first = EYES[name]
        generator, drawn, rows = np.random.default_rng(first), [], []
        for seed in range(first, first + count):
            phantom = draw_phantom(int(generator.choice(5, p=SHARES)), SIDE, seed)
            drawn.append(phantom.image.transpose(2, 0, 1))
            counts = {lesion: int(mask.sum()) for lesion, mask in phantom.masks.items()}
            rows.append({"grade": phantom.grade} | counts)
        np.save(images, np.stack(drawn))
        pd.DataFrame(rows).to_csv(table, index=False)
    return Store(np.load(images), pd.read_csv(table))


def probe(network: nn.Module, encode: Encode, eyes: Store, preprocessing: Preprocessing) -> dict[str, float]:
    """AUC of both probes for each question, fitted on the first half of the eyes and measured on the second."""
    grades, half = eyes.index["grade"].to_numpy(), len(eyes) // 2
    features, _ = read_features(network, encode, eyes, np.arange(len(eyes)), preprocessing)
    questions = {
        "grade 2 or worse": (grades >= 2, grades >= 0),
        "grade 3 or worse": (grades >= 3, grades >= 0),
        "hard exudates": (eyes.index["hard_exudates"].to_numpy() > 0, grades >= 0),
        "grade 1 against 0": (grades == 1, grades < 2),
    }
    found = {}
    for question, (labels, asked) in questions.items():
        fit, test = np.flatnonzero(asked[:half]), half + np.flatnonzero(asked[half:])
        cut = len(fit) * 3 // 4
        quality = {
            penalty: roc_auc_score(
                labels[fit[cut:]],
                score_linearly(features[fit[:cut]], labels[fit[:cut]], features[fit[cut:]], penalty),
            )
            for penalty in PENALTIES
        }
        best = max(quality, key=quality.__getitem__)
        linear = score_linearly(features[fit], labels[fit], features[test], best)
        found[f"{question}, linear"] = roc_auc_score(labels[test], linear)
        neighbors = score_by_neighbors(features[fit], labels[fit], features[test])
        found[f"{question}, neighbors"] = roc_auc_score(labels[test], neighbors)
    return {name: round(float(value), 3) for name, value in found.items()}


def measure(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Probes of the random weights, then of each chosen epoch."""
    unlabeled, labeled = (draw_eyes(options.out, name) for name in EYES)
    method, augment = METHODS[options.method], PRETRAINING_AUGMENTATIONS[options.augmentation]
    given = {"learning_rate": options.learning_rate} if options.learning_rate else {}
    given |= {"epochs": options.epochs, "batch_size": 128, "precision": "32-true", "augment": augment}
    preprocessing = Preprocessing(size=SIDE)
    if method.needs_labels:
        unlabeled.index["label"] = (unlabeled.index["grade"] >= 2).astype(int)
        build = partial(build_network, "shallow", 2, 0, SIDE)
        config = replace(method.recipes["quick"], **given)
        task: SupervisedTask | SelfSupervisedTask = SupervisedTask(
            build, "fc", unlabeled, preprocessing=preprocessing, config=config
        )
    else:
        own = {"queue": 1024, "momentum": 0.99} if options.method == "moco" else {}
        config = replace(method.recipes["quick"], view_size=VIEW, **given, **own)
        build = partial(build_pretraining, method, "shallow", config, SIDE)
        task = SelfSupervisedTask(method, build, unlabeled, preprocessing=preprocessing, config=config)

    def encoding(network: nn.Module) -> Encode:
        return partial(record_input, network, "fc") if method.needs_labels else cast(Encode, network.encode)

    about = {"method": options.method, "augmentation": options.augmentation}
    network, rows = build(), np.arange(0, len(unlabeled), 8)
    with settled_norm(network, encoding(network), unlabeled, rows, preprocessing):
        yield about | {"epoch": 0} | probe(network, encoding(network), labeled, preprocessing)
    folder = RunFolder(options.out / f"{options.method}-{options.augmentation}-{options.epochs}", {})
    for report in train(task, config, folder, Execution(device=options.device)):
        if report.metrics and (report.epoch % options.every == 0 or report.epoch == report.epochs):
            task.network.eval()
            found = probe(task.network, encoding(task.network), labeled, preprocessing)
            yield about | {"epoch": report.epoch} | report.metrics | found


def main() -> None:
    """Parse the options and print a line for each probed epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", choices=METHODS, default="simclr")
    parser.add_argument("--augmentation", choices=PRETRAINING_AUGMENTATIONS, default="fundus")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--every", type=int, default=5, help="epochs between two probes")
    parser.add_argument("--learning-rate", type=float, help="in place of the quick recipe's; MoCo's is 2e-4")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    shallow = Architecture(name="shallow", label="ten layers", family="resnet", build=lambda n, _: ShallowResNet(n))
    with ARCHITECTURES.extended(shallow):
        for line in measure(options):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
