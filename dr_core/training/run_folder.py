"""The folder of one training: what was asked, what was measured each epoch, and the state from which it resumes."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dr_core.errors import InputError
from dr_core.files import replacing, write_json
from dr_core.models.archive import ARCHIVE_DEFECTS, read_archive


class RunFolder:
    """Files of one training.

    Args:
        path: The folder; made if it is missing.
        config: What is trained, plain values. A folder that holds another training is refused.

    Raises:
        InputError: If the folder holds a training with another configuration.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.checkpoint = path / "best.safetensors"
        path.mkdir(parents=True, exist_ok=True)
        config = json.loads(json.dumps(config))
        stored = path / "config.json"
        if stored.is_file() and json.loads(stored.read_text(encoding="utf-8")) != config:
            raise InputError(f"{path} holds a training with other settings; choose another folder or remove it.")
        write_json(stored, config)

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the state after an epoch, in one step."""
        with replacing(self.path / "last.ckpt") as temporary:
            torch.save(state, temporary)

    def load_state(self) -> dict[str, Any] | None:
        """Read the last state, or None if no epoch is done. Nothing but tensors and plain values is unpickled."""
        return _read_state(self.path) if (self.path / "last.ckpt").is_file() else None

    def epochs_done(self) -> int:
        """Number of epochs from whose end the training would go on."""
        state = self.load_state()
        return len(state["history"]) if state else 0

    def write_metrics(self, epochs: list[dict[str, float]]) -> None:
        """Write what was measured, a line an epoch."""
        with replacing(self.path / "metrics.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in epochs), encoding="utf-8")


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = read_archive(folder / "last.ckpt")
    except ARCHIVE_DEFECTS as error:
        raise InputError(
            f"{folder / 'last.ckpt'} is damaged, cut off or no state of a training ({type(error).__name__}); "
            "remove it to train this anew."
        ) from error
    return state


def load_encoder(network: nn.Module, folder: Path, prefix: str = "") -> None:
    """Take over the weights of a finished pretraining, all but the last layer's.

    Args:
        network: The network to fill; its `fc` stays as it is.
        folder: The run folder of the pretraining.
        prefix: What stands before the names of the encoder's weights, such as `"encoder_q."`.
    """
    state = _read_state(folder)["network"]
    encoder = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    encoder = {name: tensor for name, tensor in encoder.items() if not name.startswith("fc.")}
    result = network.load_state_dict(encoder, strict=False)
    if result.unexpected_keys or any(not name.startswith("fc.") for name in result.missing_keys):
        raise InputError(f"{folder} holds a training of another architecture.")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.jsonl`; a line that is not complete yet is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]
