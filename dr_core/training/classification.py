"""Supervised training: finetuning on graded eyes, and pretraining on labeled images of any kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from torch import Tensor
from torchvision.models.resnet import ResNet

from dr_core.data.augment import FUNDUS, AugmentConfig, augment, draw_parameters
from dr_core.data.grades import REFERABLE_READINGS, is_referable, referable_probability
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.checkpoint import CheckpointInfo, save_model
from dr_core.training.loop import LoopConfig


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(LoopConfig):
    """How a set-up is finetuned on graded eyes.

    Attributes:
        augment: Augmentation; the paper names none.
        small_epochs: First epochs that see smaller images, which costs less; 0, as in the paper, has none.
        small_size: Side of those images in pixels.
    """

    augment: AugmentConfig = FUNDUS
    small_epochs: int = 0
    small_size: int = 160


PAPER_RECIPES: dict[str, FinetuneConfig] = {
    "none": FinetuneConfig(epochs=500, learning_rate=1e-4),
    "imagenet": FinetuneConfig(epochs=50, learning_rate=1e-3),
}
"""Initialization -> recipe. Source: paper, section 3.2 (epochs, learning rates, AdamW)."""


class ClassificationTask:
    """Cross entropy on the labels of a store.

    Args:
        network: The network, float (N, 3, S, S) -> logits (N, classes).
        train: Images to train on.
        validation: Images held out.
        label: Column of the stores' tables with the class numbers.
        preprocessing: Gives mean and standard deviation of the input.
        augment: Augmentation of the training images.
    """

    monitor: str | None = "accuracy"

    def __init__(
        self,
        network: ResNet,
        train: Store,
        validation: Store,
        *,
        label: str,
        preprocessing: Preprocessing,
        augment: AugmentConfig,
    ) -> None:
        self.network = network
        self.images = len(train)
        self.train, self.validation = train, validation
        self.labels = torch.tensor(train.index[label].to_numpy(), dtype=torch.long)
        self.validation_labels = validation.index[label].to_numpy(np.int64)
        self.preprocessing = preprocessing
        self.augment = augment

    def loss(self, rows: np.ndarray, seed: int, epoch: int) -> tuple[Tensor, dict[str, float]]:
        """Cross entropy and accuracy of one augmented batch."""
        device = next(self.network.parameters()).device
        images = torch.from_numpy(self.train.images[rows]).to(device)
        labels = self.labels[rows].to(device)
        logits = self.network(self._augmented(images, seed, self._size(epoch)))
        accuracy = float((logits.argmax(dim=1) == labels).float().mean())
        return F.cross_entropy(logits.float(), labels), {"train_accuracy": accuracy}

    def _size(self, epoch: int) -> int | None:
        """Side of the images of an epoch, counted from 0; None leaves them as they are."""
        return None

    def _augmented(self, images: Tensor, seed: int, size: int | None) -> Tensor:
        pixels = augment(images, draw_parameters(self.augment, len(images), seed), size)
        return self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def answer(self, store: Store, batch_size: int = 128) -> np.ndarray:
        """Softmax on the images of a store, float64 (N, classes), without augmentation."""
        device = next(self.network.parameters()).device
        parts = []
        for start in range(0, len(store), batch_size):
            pixels = torch.from_numpy(store.images[start : start + batch_size]).to(device).float().div_(255)
            inputs = self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)
            parts.append(torch.softmax(self.network(inputs).double(), dim=1).cpu().numpy())
        return np.concatenate(parts)

    def evaluate(self) -> dict[str, float]:
        """Accuracy on the held-out images."""
        answers = self.answer(self.validation)
        return {"accuracy": float((answers.argmax(axis=1) == self.validation_labels).mean())}

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """A pretrained network has no checkpoint of its own; the run folder's last state holds it."""


class FinetuneTask(ClassificationTask):
    """Train a network to grade eyes; the epoch with the best validation AUC is kept.

    Args:
        network: The network with five outputs.
        train: Eyes to train on.
        validation: Eyes held out, of other patients.
        preprocessing: How an eye becomes the input.
        config: The recipe.
        describe: Gives the checkpoint's header for a validation AUC.
    """

    monitor = f"auc_referable_{REFERABLE_READINGS[0]}"

    def __init__(
        self,
        network: ResNet,
        train: Store,
        validation: Store,
        *,
        preprocessing: Preprocessing,
        config: FinetuneConfig,
        describe: Callable[[float], CheckpointInfo],
    ) -> None:
        super().__init__(network, train, validation, label="grade", preprocessing=preprocessing, augment=config.augment)
        self.config = config
        self.describe = describe

    def _size(self, epoch: int) -> int | None:
        return self.config.small_size if epoch < self.config.small_epochs else None

    def evaluate(self) -> dict[str, float]:
        """AUC of both referable readings, accuracy, quadratic kappa and loss on the validation eyes."""
        answers, grades = self.answer(self.validation), self.validation_labels
        measures = {
            f"auc_referable_{reading}": float(
                roc_auc_score(is_referable(grades, reading), referable_probability(answers, reading))
            )
            for reading in REFERABLE_READINGS
        }
        chosen = answers.argmax(axis=1)
        return measures | {
            "accuracy": float((chosen == grades).mean()),
            "kappa": float(cohen_kappa_score(chosen, grades, weights="quadratic", labels=range(answers.shape[1]))),
            "validation_loss": float(-np.log(answers[np.arange(len(grades)), grades] + 1e-12).mean()),
        }

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """Write the network with its validation AUC."""
        save_model(path, self.network, self.describe(metrics[self.monitor]))
