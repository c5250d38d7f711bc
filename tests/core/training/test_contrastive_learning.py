import numpy as np
import pandas as pd
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from dr_core.data.augment import AugmentConfig, augment, sample_parameters
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.moco import MoCo
from dr_core.training.contrastive import ContrastiveConfig, ContrastiveTask
from dr_core.training.execution import Execution, Share
from dr_core.training.loop import train
from dr_core.training.run_folder import RunFolder

SIDE = 40
VIEWS = AugmentConfig(crop_area=(0.5, 1.0), brightness=0.2, contrast=0.2, saturation=0.2)
CONFIG = ContrastiveConfig(
    epochs=28,
    learning_rate=0.03,
    weight_decay=1e-4,
    batch_size=32,
    optimizer="sgd",
    schedule="constant",
    warmup_epochs=2,
    dim=64,
    queue=128,
    momentum=0.99,
    norm_groups=2,
    augment=VIEWS,
    view_size=SIDE,
    precision="32-true",
)


class ShallowResNet(ResNet):
    """Ten layers: fifty need more steps than a test has before MoCo learns at all."""

    def __init__(self):
        super().__init__(BasicBlock, [1, 1, 1, 1], num_classes=1)
        self.fc = nn.Linear(128, 1)

    def _make_layer(self, block, planes, *args, **options):
        return super()._make_layer(block, planes // 4, *args, **options)


def draw(seeds):
    images = np.stack([draw_phantom(seed % 5, 64, seed).image for seed in seeds])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def photograph_again(images, times):
    """Other views of the same eyes; each eye is a class, and every view has a patient of its own to be a neighbor."""
    views = [augment(images, sample_parameters(VIEWS, len(images), seed), SIDE) for seed in range(times)]
    index = pd.DataFrame({"grade": np.tile(np.arange(len(images)), times)})
    index["patient"] = index.index.astype(str)
    return Store((torch.cat(views) * 255).byte().numpy(), index)


def test_moco_recognizes_phantoms_that_it_never_saw_better_than_random_features(tmp_path):
    torch.manual_seed(0)
    moco = MoCo(ShallowResNet(), CONFIG.dim, CONFIG.queue, CONFIG.momentum, CONFIG.temperature, norm_groups=2)
    eyes = Store(draw(range(160)).numpy(), pd.DataFrame({"grade": np.zeros(160)}))
    preprocessing = Preprocessing(size=SIDE)
    unseen = photograph_again(draw(range(1000, 1040)), times=4)
    judge = ContrastiveTask(moco.eval(), eyes, preprocessing=preprocessing, config=CONFIG, labeled=unseen)
    random = judge.evaluate(Share())["knn_accuracy"]
    task = ContrastiveTask(moco, eyes, preprocessing=preprocessing, config=CONFIG)
    *_, last = train(task, CONFIG, RunFolder(tmp_path, {}), Execution(device="cpu"))
    measures = judge.evaluate(Share())
    assert measures["knn_accuracy"] > 2 * random
    assert measures["feature_std"] > 0.5 / CONFIG.dim**0.5  # the keys have not collapsed
    assert last.metrics["loss"] < np.log(1 + CONFIG.queue)
