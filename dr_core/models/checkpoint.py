"""Checkpoints that describe themselves: weights with a header that rebuilds the model alone. Nothing is unpickled."""

import dataclasses
import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dr_core.data.fundus import find_field_of_view
from dr_core.data.protocol import MaskRule, scale_mask
from dr_core.errors import InputError
from dr_core.files import replacing
from dr_core.models.architectures import build_without_weights, find_architecture
from dr_core.models.header import FILE_DEFECTS, HEADER_KEY, OUTPUT_COUNTS, check_length, parse_header
from dr_core.models.header import HEADER_DEFECTS as HEADER_DEFECTS
from dr_core.models.header import CheckpointInfo as CheckpointInfo
from dr_core.models.header import software_versions as software_versions
from dr_core.models.heads import wrap_head
from dr_core.models.validity import check_identity, check_weights

_TYPES = {"F16", "BF16", "F32", "F64", "I64"}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer: evaluation mode, float32, no gradients, on the CPU.

    Attributes:
        model: The network; float (N, 3, S, S) -> logits (N, classes), classes as `info` names them.
        info: What the checkpoint's header says.
    """

    model: nn.Module
    info: CheckpointInfo

    def preprocess(self, image: np.ndarray) -> Tensor:
        """Bring a photograph, uint8 (H, W, 3) RGB, to the model's input, float32 (3, S, S)."""
        return self.info.preprocessing(image)

    def view(self, image: np.ndarray) -> np.ndarray:
        """Bring a photograph, uint8 (H, W, 3) RGB, to the model's crop and size, uint8 (S, S, 3), colors as taken."""
        return self.info.preprocessing.to_model_view(image)

    def view_mask(self, mask: np.ndarray, image: np.ndarray, rule: MaskRule = "touched") -> Tensor:
        """Bring a mask to the model's view: the pixels of a heatmap that lie on what is marked in the photograph.

        Args:
            mask: Bool (H, W), drawn on the photograph.
            image: The photograph, uint8 (H, W, 3) RGB.
            rule: When a pixel of the view is on: `"touched"`, wherever the marked area reaches (CLEVR-XAI, the
                paper's protocol), or `"half"`, where it covers at least half of the pixel.

        Returns:
            Bool (S, S).

        Raises:
            InputError: If the mask has another height and width than the photograph.
        """
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"`mask` must have the photograph's height and width, {image.shape[:2]}, not {mask.shape}; it must be "
                "drawn on the same photograph."
            )
        preprocessing = self.info.preprocessing
        crop = preprocessing.crop
        circle = find_field_of_view(image) if crop == "field_of_view" else None
        return torch.from_numpy(scale_mask(mask, preprocessing.size, crop=crop, rule=rule, field=circle))

    def normalize(self, views: Tensor) -> Tensor:
        """Turn views, uint8 (N, 3, S, S), into inputs, float32 (N, 3, S, S), by the model's contrast, mean and std."""
        return self.info.preprocessing.standardize(views.float() / 255)


def save_model(path: Path, model: nn.Module, info: CheckpointInfo, *, half: bool = False) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        path: The file to write; an existing one is replaced in one step.
        model: The network whose weights are written.
        info: The header.
        half: Whether matrices and kernels are stored in float16. Batch norm's statistics stay float32, since small
            variances would lose digits.

    Raises:
        OSError: If it cannot be written; the file before stays.
    """
    values = dataclasses.asdict(info)
    if info.outputs == "grades":
        del values["outputs"]  # versions that know no other heads read it, too
    if not info.positive_from:
        del values["positive_from"]
    header = json.dumps(values, sort_keys=True)
    with replacing(path) as temporary:
        try:
            save_file(_stored_tensors(model, half), temporary, metadata={HEADER_KEY: header})
        except SafetensorError as error:  # so it calls a full disk
            raise OSError(errno.EIO, f"The checkpoint could not be written whole ({error})", path) from error
        temporary.chmod(0o644)  # safetensors writes for its owner alone; a study is read by the server's user, too


def _stored_tensors(model: nn.Module, half: bool) -> dict[str, Tensor]:
    tensors = {}
    for name, tensor in model.state_dict().items():
        stored = tensor.detach().cpu().contiguous()
        tensors[name] = stored.half() if half and stored.dim() >= 2 else stored
    return tensors


def load_model(path: str | Path, *, setup: str | None = None) -> LoadedModel:
    """Rebuild a model from its checkpoint alone.

    Args:
        path: A `.safetensors` file that `save_model` wrote.
        setup: Set-up that it must be of; None takes any.

    Returns:
        The model with its header.

    Raises:
        InputError: If the file is missing, is not such a checkpoint, is of a newer schema, does not fit its own
            header, holds weights that are not finite, or is of another set-up.
    """
    path = Path(path)
    info, tensors = _read(path)
    if setup is not None:
        check_identity(path.name, info.setup, setup)
    check_weights(path.name, tensors)
    model = _build_empty(info)
    model.load_state_dict(tensors, assign=True)
    model.eval().requires_grad_(False)
    return LoadedModel(model.to(memory_format=torch.channels_last), info)


def _build_empty(info: CheckpointInfo) -> nn.Module:
    """The network without weights and without memory for them: the file's tensors take their places."""
    outputs = len(info.classes) if info.outputs == "grades" else OUTPUT_COUNTS[info.outputs]
    return wrap_head(build_without_weights(info.arch, outputs, info.preprocessing.size), info.outputs)


def read_info(path: str | Path) -> CheckpointInfo:
    """Read the header of a checkpoint without its weights; raises as `load_model` does."""
    return _read(Path(path), weights=False)[0]


def _read(path: Path, *, weights: bool = True) -> tuple[CheckpointInfo, dict[str, Tensor]]:
    check_length(path)  # opens regular files alone: safetensors would map a device
    try:
        with safe_open(path, framework="pt") as file:
            info = parse_header(path, file.metadata())
            find_architecture(info.arch)
            _check_shapes(path, info, file)
            tensors = {name: file.get_tensor(name).float() for name in file.keys()} if weights else {}  # noqa: SIM118
    except FILE_DEFECTS as error:
        raise InputError(f"{path.name} is not a safetensors file, or is cut off ({error}); write it again.") from error
    return info, {name: _restore_integer(name, tensor) for name, tensor in tensors.items()}


def _check_shapes(path: Path, info: CheckpointInfo, file: Any) -> None:  # noqa: ANN401 - safetensors has no types
    """Compare names, shapes and types with the network's, before memory is taken for any tensor."""
    expected = {name: tuple(tensor.shape) for name, tensor in _build_empty(info).state_dict().items()}
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    found = {name: tuple(part.get_shape()) for name, part in slices.items()}
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise InputError(f"{path.name} does not hold the weights of a {info.arch}: {wrong!r} differs; train it again.")
    if strange := sorted({part.get_dtype() for part in slices.values()} - _TYPES):
        raise InputError(f"{path.name} holds numbers of the type {strange[0]}; write them as float32 or float16.")


def _restore_integer(name: str, tensor: Tensor) -> Tensor:
    return tensor.long() if name.endswith("num_batches_tracked") else tensor
