from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from dr_core.analysis.collapse import describe_collapse
from dr_core.data.augment import AugmentConfig, augment, sample_parameters
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.architectures import ARCHITECTURES, Architecture
from dr_core.training.execution import Execution, Share
from dr_core.training.loop import train
from dr_core.training.pretraining.method import build_pretraining
from dr_core.training.pretraining.registry import METHODS
from dr_core.training.pretraining.task import SelfSupervisedTask
from dr_core.training.run_folder import RunFolder

SIDE = 40
VIEWS = AugmentConfig(crop_area=(0.5, 1.0), brightness=0.2, contrast=0.2, saturation=0.2)
SHARED = {"batch_size": 32, "augment": VIEWS, "view_size": SIDE, "precision": "32-true"}
RECIPES = {
    "moco": {
        "epochs": 28,
        "learning_rate": 0.03,
        "weight_decay": 1e-4,
        "optimizer": "sgd",
        "schedule": "constant",
        "warmup_epochs": 2,
        "dim": 64,
        "queue": 128,
        "momentum": 0.99,
    },
    "simclr": {"epochs": 8, "learning_rate": 3e-3},
    "byol": {"epochs": 8, "learning_rate": 6e-4, "dim": 64, "hidden": 128, "momentum": 0.96},
    "dino": {"epochs": 8, "learning_rate": 3e-4, "dim": 128, "hidden": 64, "bottleneck": 32, "momentum": 0.97},
}


class ShallowResNet(ResNet):
    """Ten layers: fifty need more steps than a test has before MoCo learns at all."""

    def __init__(self, classes):
        super().__init__(BasicBlock, [1, 1, 1, 1], num_classes=classes)
        self.fc = nn.Linear(128, classes)

    def _make_layer(self, block, planes, *args, **options):
        return super()._make_layer(block, planes // 4, *args, **options)


SHALLOW = Architecture(name="shallow", label="ten layers", family="resnet", build=lambda n, _: ShallowResNet(n))


def draw(seeds):
    images = np.stack([draw_phantom(seed % 5, 64, seed).image for seed in seeds])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def photograph_again(images, times):
    """Other views of the same eyes; each eye is a class, and every view has a patient of its own to be a neighbor."""
    views = [augment(images, sample_parameters(VIEWS, len(images), seed), SIDE) for seed in range(times)]
    index = pd.DataFrame({"grade": np.tile(np.arange(len(images)), times)})
    index["patient"] = index.index.astype(str)
    return Store((torch.cat(views) * 255).byte().numpy(), index)


@pytest.fixture(scope="module")
def eyes():
    return Store(draw(range(160)).numpy(), pd.DataFrame({"grade": np.zeros(160)}))


@pytest.fixture(scope="module")
def unseen():
    return photograph_again(draw(range(1000, 1040)), times=4)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.needs_labels])
def test_each_method_recognizes_phantoms_that_it_never_saw_better_than_random_features(tmp_path, eyes, unseen, name):
    method = METHODS[name]
    config = replace(method.recipes["quick"], **SHARED, **RECIPES[name])
    with ARCHITECTURES.extended(SHALLOW):
        build = partial(build_pretraining, method, "shallow", config, SIDE)
        task = SelfSupervisedTask(
            method, build, eyes, preprocessing=Preprocessing(size=SIDE), config=config, labeled=unseen
        )
        task.network.eval()
        random = task.evaluate(Share())["knn_accuracy"]
        *_, last = train(task, config, RunFolder(tmp_path, {}), Execution(device="cpu"))
    assert last.metrics["knn_accuracy"] > 2 * random
    assert describe_collapse(last.metrics) == ""
    assert last.metrics["feature_spread_random"] > 0
