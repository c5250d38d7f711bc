"""Where a set-up's finetuning starts from: declared, never guessed, and built in one function."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn
from torchvision.models.resnet import ResNet

from dr_core.devices import find_job
from dr_core.errors import InputError
from dr_core.files import digest_file
from dr_core.models.architectures import build_network, find_architecture, replace_head
from dr_core.models.imagenet_weights import (
    EXTERNAL,
    DownloadReport,
    cache_folder,
    fetch_weights,
    read_weights,
    start_from,
)
from dr_core.models.setups import PRETRAINING_LABELS, Setup
from dr_core.models.weight_mapping import fill_encoder
from dr_core.models.weights_file import read_weights_file
from dr_core.seeds import derive_seed
from dr_core.study.run_history import METRICS, read_metrics
from dr_core.training.jobs.stores import CLASSES
from dr_core.training.pretraining.registry import recognize_method
from dr_core.training.run_folder import RunFolder, load_encoder

Source = Literal["random", "published", "run", "file"]


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a finetuning starts from.

    Attributes:
        source: `"random"` weights, `"published"` weights that are fetched once, the `"run"` folder of a pretraining, or
            a `"file"` of weights.
        path: The run folder or the file; None for the others.
    """

    source: Source
    path: Path | None = None

    def describe(self, setup: Setup) -> str:
        """The start in a few words with the digest of its weights, as a run folder remembers it."""
        if self.source == "random":
            return "random weights"
        if self.source == "run" and self.path is not None:
            return f"{self.path.name}, weights {digest_file(self.path / 'last.ckpt')[:16]}"
        path = self.path or cache_folder() / EXTERNAL[setup.pretraining].file_name
        return f"{path.name}, weights {digest_file(path)[:16]}"


def choose_start(setup: Setup, run: Path | None = None, file: Path | None = None) -> Start:
    """The start that a set-up declares, with the folder or file that is named for it.

    Random weights are for set-ups without a pretraining, published ones for those from ImageNet whose weights the
    project knows; every other set-up needs a run folder or a file.

    Args:
        setup: The set-up.
        run: Run folder of its pretraining.
        file: File of its pretrained weights.

    Raises:
        InputError: If the set-up has no pretraining and one is named, has one and none is named, or both are named.
    """
    if run is not None and file is not None:
        raise InputError(f"{setup.label} must start from one thing; name its run folder or its file of weights.")
    if setup.pretraining == "none" and setup.initialization == "none":
        if run is not None or file is not None:
            raise InputError(f"{setup.label} starts from random weights; leave its pretraining and weights out.")
        return Start(source="random")
    if run is not None:
        return Start(source="run", path=run)
    if file is not None:
        return Start(source="file", path=file)
    if setup.initialization == "imagenet" and setup.pretraining in EXTERNAL:
        return Start(source="published")
    eyes = " on eyes" if setup.initialization == "none" else f" ({setup.initialization}, {setup.pretraining})"
    raise InputError(
        f"{setup.label} starts from a pretraining{eyes}; name its run folder, or a file of its weights. It is never "
        "started from random weights instead."
    )


def obtain_weights(setup: Setup) -> Iterator[DownloadReport]:
    """Fetch the published weights of a set-up into the cache; of many processes one does, the others wait.

    Raises:
        InputError: As `dr_core.models.imagenet_weights.fetch_weights`.
    """
    weights, job = EXTERNAL[setup.pretraining], find_job()
    if job.rank % job.per_node == 0:
        yield from fetch_weights(weights, cache_folder())
    while not (cache_folder() / weights.file_name).is_file():
        time.sleep(1.0)  # the launcher ends this process if the one that fetches fails


def build_start(setup: Setup, start: Start, arch: str, seed: int, size: int = 224) -> nn.Module:
    """The network that a set-up's finetuning starts from, with a new last layer of five outputs.

    Args:
        setup: The set-up.
        start: Where it starts from.
        arch: As in `find_architecture`.
        seed: Seed of the random weights and of the last layer.
        size: Side of the eyes in pixels, for architectures that are built for one.

    Raises:
        InputError: If the pretraining is not finished, or its weights are missing, damaged or of another architecture.
    """
    network = build_network(arch, CLASSES, derive_seed(seed, "weights", setup.initialization), size)
    head = find_architecture(arch).head
    if start.source == "run" and start.path is not None:
        state = RunFolder.read_config(start.path)
        done = len(read_metrics(start.path / METRICS))
        if done < state.get("epochs", done):
            raise InputError(f"The pretraining in {start.path} has done {done} of {state['epochs']} epochs.")
        load_encoder(network, start.path, recognize_method(state).encoder, head)
    elif start.source == "file" and start.path is not None:
        tensors = read_weights_file(start.path).tensors
        _check_pretraining(setup, start.path, tensors)
        fill_encoder(network, tensors, head)
    elif start.source == "published":
        if not isinstance(network, ResNet):
            raise InputError(f"The published weights are of a ResNet-50, not of {arch}; name a file of its weights.")
        form = EXTERNAL[setup.pretraining]
        path = cache_folder() / form.file_name
        start_from(network, read_weights(form, path), str(path))
    return replace_head(network, CLASSES, derive_seed(seed, "head"), head)


def _check_pretraining(setup: Setup, path: Path, names: Iterable[str]) -> None:
    """Refuse the weights of another pretraining than the set-up's, where the file shows whose they are."""
    published = {form.file_name: name for name, form in EXTERNAL.items()}
    queries = any("encoder_q" in name.split(".") for name in names)
    shown = published.get(path.name, "moco" if queries else setup.pretraining)
    if setup.pretraining in EXTERNAL and shown != setup.pretraining:
        raise InputError(
            f"{path} holds weights of another pretraining ({PRETRAINING_LABELS[shown]}) than that of {setup.label} "
            f"({PRETRAINING_LABELS[setup.pretraining]}); name the file that belongs to the set-up."
        )
