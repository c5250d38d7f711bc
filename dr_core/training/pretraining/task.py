"""What a pretraining trains by: the views of a method and its loss, or the classes of labeled images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dr_core.data.augment import augment, sample_parameters
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store
from dr_core.models.projection import record_input
from dr_core.seeds import derive_seed, numpy_generator
from dr_core.training.classification import ClassificationTask
from dr_core.training.execution import Share
from dr_core.training.neighbors import measure_neighbors
from dr_core.training.pretraining.features import CollapseWatch, Encode, read_features
from dr_core.training.pretraining.method import Loss, Method, View
from dr_core.training.pretraining.supervised import LABEL, LABELED_IMAGES, SupervisedConfig
from dr_core.training.task import Batch


class SelfSupervisedTask:
    """Train by the views of images, without labels.

    Args:
        method: The method.
        build: Gives what is trained as it begins, by `build_pretraining`; called again for the control, which is
            measured with random weights.
        train: Images; labels are not read.
        preprocessing: Gives mean and standard deviation of the input.
        config: The recipe of the method; its augmentation is drawn for each view.
        labeled: Graded eyes on which the features are tried by nearest neighbors after each epoch; none are trained on
            their grades.
    """

    monitor: str | None = None

    def __init__(
        self,
        method: Method,
        build: Callable[[], nn.Module],
        train: Store,
        *,
        preprocessing: Preprocessing,
        config: Any,  # noqa: ANN401 - the recipe of its method
        labeled: Store | None = None,
    ) -> None:
        self.method, self.config = method, config
        self.network = build()
        self.images, self.held_out = len(train), len(labeled) if labeled else 0
        self.train, self.labeled = train, labeled
        self.preprocessing = preprocessing
        self.watch = CollapseWatch(train, preprocessing, lambda: _encoding(build()))

    def draw_order(self, generator: np.random.Generator) -> np.ndarray:
        """Every image once."""
        return generator.permutation(self.images)

    def read(self, rows: np.ndarray) -> Tensor:
        """Images of some rows, uint8 (n, 3, H, W)."""
        return torch.from_numpy(self.train.read(rows))

    def loss(self, network: nn.Module, images: Tensor, batch: Batch) -> Loss:
        """The method's loss on its views of a part of a batch."""
        assert self.method.loss is not None  # for the type checker: it has one, since it needs no labels
        if batch.first:
            self.method.begin_step(self.network, batch, self.config)
        views = [self._draw(images, batch, view) for view in self.method.views(self.config)]
        return self.method.loss(network, self.network, views, self.config)

    def _draw(self, images: Tensor, batch: Batch, view: View) -> Tensor:
        config = self.config.augment
        config = replace(config, crop_area=view.crop_area) if view.crop_area else config
        size = round(view.scale * (self.config.view_size or images.shape[-1]))
        drawn = sample_parameters(config, batch.size, derive_seed(batch.seed, view.name))
        pixels = augment(images, drawn.take(batch.part, batch.parts), size)
        return self.preprocessing.standardize(pixels).contiguous(memory_format=torch.channels_last)

    def evaluate(self, share: Share) -> dict[str, float]:
        """Spread and rank of the representation, with the control's, and how well neighbors agree."""
        network, encode = _encoding(self.network)
        measures = self.watch.measure(network, encode)
        if self.labeled is None:
            return measures
        rows = share.rows(len(self.labeled))
        features, _ = read_features(network, encode, self.labeled, rows, self.preprocessing)
        whole, index = share.gather(features, len(self.labeled)), self.labeled.index
        return measures | measure_neighbors(whole, index["grade"].to_numpy(np.int64), index["patient"].to_numpy(str))

    def save(self, path: Path, metrics: dict[str, float]) -> None:
        """A pretrained network has no checkpoint of its own; the run folder's last state holds it."""


def _encoding(network: nn.Module) -> tuple[nn.Module, Encode]:
    """A network of `dr_core.models` that is pretrained, with what gives its features and their projection."""
    encode: Encode = network.encode  # type: ignore[assignment]  # each of them has it
    return network, encode


class SupervisedTask(ClassificationTask):
    """Tell a store's classes apart; a tenth of the images, drawn from the seed, is held out.

    Args:
        build: Gives the network with random weights, as it begins.
        head: Path of its last layer.
        store: Images with a column `label`.
        preprocessing: Gives mean and standard deviation of the input.
        config: The recipe.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        head: str,
        store: Store,
        *,
        preprocessing: Preprocessing,
        config: SupervisedConfig,
    ) -> None:
        held_out = numpy_generator(config.seed, "texture split").permutation(len(store)) < len(store) // 10
        super().__init__(
            build(),
            store.take(np.flatnonzero(~held_out)),
            store.take(np.flatnonzero(held_out)),
            label=LABEL,
            preprocessing=preprocessing,
            augment=config.augment or LABELED_IMAGES,
        )
        self.head = head
        self.watch = CollapseWatch(store, preprocessing, lambda: self._encoding(build()))

    def _encoding(self, network: nn.Module) -> tuple[nn.Module, Encode]:
        return network, lambda images: record_input(network, self.head, images)

    def evaluate(self, share: Share) -> dict[str, float]:
        """Accuracy on the held-out images, and spread and rank of the representation with the control's."""
        measures = self.watch.measure(*self._encoding(self.network))
        kept = {name: value for name, value in measures.items() if name.startswith("feature_")}
        return super().evaluate(share) | kept
