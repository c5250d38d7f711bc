"""Supervised training: finetuning on graded eyes, and pretraining on labeled images of any kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.data.augment import FUNDUS, AugmentConfig, augment, sample_parameters
from dr_core.data.grades import GRADES, referable_readings
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.errors import InputError
from dr_core.models.checkpoint import CheckpointInfo, save_model
from dr_core.study.run_history import MONITOR
from dr_core.training.execution import Share
from dr_core.training.loop import LoopConfig
from dr_core.training.task import Batch

ClassWeighting = Literal["none", "inverse", "inverse_root"]

Sampling = Literal["natural", "balanced"]


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(LoopConfig):
    """How a set-up is finetuned on graded eyes.

    Attributes:
        augment: Augmentation; the paper names none.
        small_epochs: First epochs that see smaller images, which costs less; 0, as in the paper, has none.
        small_size: Side of those images in pixels.
        class_weighting: Weight of each eye in the loss: `"none"`, as in the paper, which says nothing; `"inverse"` to
            the frequency of its grade; or to the root of it, `"inverse_root"`. The mean weight is 1.
        sampling: `"natural"`: each eye once an epoch; `"balanced"`: as many draws, every grade as likely.
    """

    augment: AugmentConfig = FUNDUS
    small_epochs: int = 0
    small_size: int = 160
    class_weighting: ClassWeighting = "none"
    sampling: Sampling = "natural"


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
        network: nn.Module,
        train: Store,
        validation: Store,
        *,
        label: str,
        preprocessing: Preprocessing,
        augment: AugmentConfig,
    ) -> None:
        self.network = network
        self.images, self.held_out = len(train), len(validation)
        self.train, self.validation = train, validation
        self.labels = torch.tensor(train.index[label].to_numpy(), dtype=torch.long)
        self.validation_labels = validation.index[label].to_numpy(np.int64)
        self.preprocessing = preprocessing
        self.augment = augment

    def draw_order(self, generator: np.random.Generator) -> np.ndarray:
        """Every image once."""
        return generator.permutation(self.images)

    def read(self, rows: np.ndarray) -> Tensor:
        """Images of some rows, uint8 (n, 3, H, W)."""
        return torch.from_numpy(self.train.read(rows))

    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy and accuracy of a part of an augmented batch."""
        labels = self.labels[batch.rows].to(images.device)
        logits = network(self._augmented(images, batch))
        accuracy = (logits.detach().argmax(dim=1) == labels).float().mean()
        return self._cross_entropy(logits.float(), labels), {"train_accuracy": accuracy}

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels)

    def _size(self, epoch: int) -> int | None:
        """Side of the images of an epoch, counted from 0; None leaves them as they are."""
        return None

    def _augmented(self, images: Tensor, batch: Batch) -> Tensor:
        drawn = sample_parameters(self.augment, batch.size, batch.seed).take(batch.part, batch.parts)
        pixels = augment(images, drawn, self._size(batch.epoch))
        return self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def answer(self, store: Store, share: Share | None = None, batch_size: int = 128) -> np.ndarray:
        """Softmax on the images of a store, float64 (N, classes), without augmentation.

        Args:
            store: The images.
            share: The processes among which the images are dealt; None asks for all of them here.
            batch_size: Images at once.
        """
        share = share or Share()
        device = next(self.network.parameters()).device
        rows, parts = share.rows(len(store)), []
        for start in range(0, len(rows), batch_size):
            pixels = torch.from_numpy(store.read(rows[start : start + batch_size])).to(device).float().div_(255)
            inputs = self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)
            parts.append(torch.softmax(self.network(inputs).double(), dim=1).cpu().numpy())
        return share.gather(np.concatenate(parts), len(store))

    def evaluate(self, share: Share) -> dict[str, float]:
        """Accuracy on the held-out images."""
        answers = self.answer(self.validation, share)
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

    monitor = MONITOR

    def __init__(
        self,
        network: nn.Module,
        train: Store,
        validation: Store,
        *,
        preprocessing: Preprocessing,
        config: FinetuneConfig,
        describe: Callable[[float], CheckpointInfo],
    ) -> None:
        super().__init__(network, train, validation, label="grade", preprocessing=preprocessing, augment=config.augment)
        _check_grades(self.validation_labels)
        self.config = config
        self.describe = describe
        counts = np.bincount(self.labels.numpy(), minlength=len(GRADES))
        self.weights = weigh_classes(counts, config.class_weighting)

    def _size(self, epoch: int) -> int | None:
        return self.config.small_size if epoch < self.config.small_epochs else None

    def draw_order(self, generator: np.random.Generator) -> np.ndarray:
        """Every eye once, or as many draws with every grade as likely."""
        if self.config.sampling == "natural":
            return super().draw_order(generator)
        chances = 1.0 / np.bincount(self.labels.numpy())[self.labels.numpy()]
        return generator.choice(self.images, self.images, p=chances / chances.sum())

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.weights is None:
            return super()._cross_entropy(logits, labels)
        weights = self.weights.to(labels.device)[labels]  # over all eyes their mean is 1, so parts of a batch add up
        return (F.cross_entropy(logits, labels, reduction="none") * weights).mean()

    def evaluate(self, share: Share) -> dict[str, float]:
        """AUC of both referable readings and of five classes, accuracy, quadratic kappa and loss, on validation."""
        from sklearn.metrics import cohen_kappa_score, roc_auc_score  # two seconds that the app's start has no use for

        answers, grades = self.answer(self.validation, share), self.validation_labels
        measures = {
            f"auc_referable_{reading.positive_from}": float(
                roc_auc_score(reading.positives(grades), reading.score(answers))
            )
            for reading in referable_readings()
        }
        chosen = answers.argmax(axis=1)
        return measures | {
            "auc_one_vs_rest": mean_auc_one_vs_rest(answers, grades),
            "accuracy": float((chosen == grades).mean()),
            "kappa": float(cohen_kappa_score(chosen, grades, weights="quadratic", labels=range(answers.shape[1]))),
            "validation_loss": float(-np.log(answers[np.arange(len(grades)), grades] + 1e-12).mean()),
        }

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """Write the network with its validation AUC."""
        save_model(path, self.network, self.describe(metrics[self.monitor]))


def weigh_classes(counts: np.ndarray, weighting: ClassWeighting) -> Tensor | None:
    """Weight of each class in the loss.

    Args:
        counts: Int (C,), images of each class.
        weighting: As in `FinetuneConfig`.

    Returns:
        Float (C,), whose mean over all images is 1, 0 for a class without any; None without weighting.
    """
    if weighting == "none":
        return None
    power = {"inverse": 1.0, "inverse_root": 0.5}[weighting]
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0.0)
    return torch.tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)


def mean_auc_one_vs_rest(answers: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes of the AUC of each against all others; a class without images is left out.

    Args:
        answers: Float (N, C), softmax.
        labels: Int (N,), at least two classes.

    Source: Yang et al. 2023, MedMNIST v2, Scientific Data 10:41 (its evaluator).
    """
    from sklearn.metrics import roc_auc_score  # as above

    present = np.unique(labels)
    return float(np.mean([roc_auc_score(labels == grade, answers[:, grade]) for grade in present]))


def _check_grades(grades: np.ndarray) -> None:
    for reading in referable_readings():
        referable, lowest = reading.positives(grades), reading.positive_from
        if referable.all() or not referable.any():
            raise InputError(
                f"The {len(grades)} validation eyes must have grades below {lowest} and from {lowest} on, since the "
                "best epoch is chosen by AUC; use more eyes."
            )
