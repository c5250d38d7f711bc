"""The folder of one training: what was asked, what was measured each epoch, and the state from which it resumes."""

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.files import replacing, write_json
from dr_core.models.imagenet_weights import start_from
from dr_core.models.torch_archive import ARCHIVE_DEFECTS, read_archive
from dr_core.study.run_history import CONFIG, METRICS, PROVENANCE, read_object
from dr_core.study.runs import BEST


class RunFolder:
    """Files of one training.

    Args:
        path: The folder; `begin` makes it.
        config: What is trained, plain values. A folder that holds another training is refused.
        writes: Whether this process writes; of several that train together, the first alone does.

    Raises:
        InputError: If the folder holds a training with another configuration.
    """

    def __init__(self, path: Path, config: dict[str, Any], *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self.checkpoint = path / BEST
        self.config = json.loads(json.dumps(config))
        stored = path / CONFIG
        if stored.is_file():
            _check_same(path, read_object(stored), self.config)

    def begin(self, computed: Mapping[str, str]) -> None:
        """Make the folder and write down what is trained, and by what, once every check has passed.

        Args:
            computed: What computes, as `describe_environment` gives it; a training may go on elsewhere.
        """
        if self.writes:
            self.path.mkdir(parents=True, exist_ok=True)
            stored = self.path / CONFIG
            before = read_object(stored).get(PROVENANCE, []) if stored.is_file() else []
            known = before if isinstance(before, list) else []
            provenance = known if dict(computed) in known else [*known, dict(computed)]
            write_json(stored, self.config | {PROVENANCE: provenance})

    @staticmethod
    def read_config(path: Path) -> dict[str, Any]:
        """What the training in a folder was asked for, plain values.

        Raises:
            InputError: If the folder holds no training.
        """
        stored = path / CONFIG
        if not stored.is_file():
            raise InputError(f"There is no training in {path}; pretrain there first.")
        config: dict[str, Any] = read_object(stored)
        return config

    @staticmethod
    def read_begun(path: Path) -> dict[str, Any]:
        """What the training in a folder was asked for, plain values; nothing where none was begun."""
        return read_object(path / CONFIG) if (path / CONFIG).is_file() else {}

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the state after an epoch, in one step.

        Raises:
            OSError: If it cannot be written; the state before stays.
        """
        path = self.path / "last.ckpt"
        with replacing(path) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:  # so torch calls a full disk
                raise OSError(errno.ENOSPC, "The state could not be written whole; the disk is full", path) from error

    def load_state(self) -> dict[str, Any] | None:
        """Read the last state, or None if no epoch is done. Nothing but tensors and plain values is unpickled.

        Raises:
            InputError: If the file is damaged.
        """
        path = self.path / "last.ckpt"
        return _read_state(path) if path.is_file() else None

    def write_metrics(self, epochs: list[dict[str, float]]) -> None:
        """Write what was measured, a line an epoch."""
        with replacing(self.path / METRICS) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in epochs), encoding="utf-8")


def _check_same(path: Path, stored: dict[str, Any], config: dict[str, Any]) -> None:
    names = sorted((stored.keys() | config.keys()) - {PROVENANCE})
    different = [name for name in names if stored.get(name) != config.get(name)]
    if different:
        name = different[0]
        raise InputError(
            f"{path} holds a training with other settings ({name}: {stored.get(name)} there, {config.get(name)} here); "
            "choose another folder or remove it."
        )


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = read_archive(path)
    except ARCHIVE_DEFECTS as error:
        raise InputError(
            f"{path} is damaged, cut off or no state of a training ({type(error).__name__}); "
            "remove it to train this anew."
        ) from error
    if not (isinstance(state, dict) and {"history", "network"} <= state.keys()):
        raise InputError(f"{path} is no state of a training; remove it to train this anew.")
    return state


def read_encoder(folder: Path, prefix: str = "", head: str = "fc") -> dict[str, Tensor]:
    """Weights of the encoder of a pretraining, all but the last layer's.

    Args:
        folder: The run folder of the pretraining.
        prefix: What stands before the names of the encoder's weights, such as `"encoder_q."`.
        head: Path of the last layer.

    Raises:
        InputError: If there is no state, or it is cut off.
    """
    path = folder / "last.ckpt"
    if not path.is_file():
        raise InputError(f"There is no pretraining in {folder}; pretrain there first.")
    state = _read_state(path)["network"]
    encoder = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return {name: tensor for name, tensor in encoder.items() if not name.startswith(f"{head}.")}


def load_encoder(network: nn.Module, folder: Path, prefix: str = "", head: str = "fc") -> None:
    """Take over the weights of a finished pretraining, all but the last layer's, which stays as it is.

    Args:
        network: The network to fill.
        folder: As in `read_encoder`, as are the others.
        prefix: The same.
        head: The same.

    Raises:
        InputError: As `read_encoder`, or if the weights are of another architecture.
    """
    start_from(network, read_encoder(folder, prefix, head), str(folder), head)
