"""Weights that others wrote: tensors of a state dict in any usual file, and nothing that a pickle could run."""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dr_core.errors import InputError
from dr_core.files import open_regular
from dr_core.models.torch_archive import ARCHIVE_DEFECTS, read_archive

SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors")
"""Ends of the names of files that are read; the content decides between the two forms."""

_CONTAINERS = (
    *("state_dict_ema", "model_ema", "ema", "teacher", "state_dict", "model_state_dict", "model", "network", "net"),
    *("student", "module", "params"),
)
"""Keys under which a state dict may lie, the one that is taken first where there are several: averaged weights are what
their authors evaluate."""

_MAX_HEADER_BYTES = 64 * 2**20
_DEPTH = 3
"""Containers that may lie in each other."""

_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        tensors: Name -> tensor, of floats float32; as the file names them.
        container: Keys under which the state dict lay, such as `"state_dict"`; empty where the file is bare.
        notes: Sentences on what was understood beyond the plain.
    """

    tensors: Mapping[str, Tensor]
    container: str
    notes: tuple[str, ...]


def read_weights_file(path: Path) -> WeightsFile:
    """Read a file of weights.

    Args:
        path: A file of PyTorch or of safetensors.

    Raises:
        InputError: If it is missing, a web page, cut off, holds code or objects beside tensors, holds no state dict, or
            quantized weights.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; name a file of weights ({', '.join(SUFFIXES)}).")
    with open_regular(path) as file:
        head = file.read(512)
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path} is a web page, not weights; fetch the file itself.")
    is_safetensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") < _MAX_HEADER_BYTES
    content = _read_safetensors(path) if is_safetensors else _read_archive(path)
    state, container = _find_state(path, content)
    return _clean(path, state, container)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is cut off or no safetensors file ({error}); fetch or write it again.") from error


def _read_archive(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    try:
        with warnings.catch_warnings(action="ignore"):  # of the protocol, before it says what is wrong
            return read_archive(path, old_form=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds code or objects beside tensors, or is no file of weights; nothing of it was run. Load it "
            "where it was made, and save the weights alone: torch.save(model.state_dict(), FILE)."
        ) from error
    except ARCHIVE_DEFECTS as error:
        raise InputError(
            f"{path} is cut off or no file of weights ({type(error).__name__}); write it again."
        ) from error


def _find_state(path: Path, content: Any) -> tuple[dict[str, Tensor], str]:  # noqa: ANN401
    """The state dict of a file, and the keys under which it lay."""
    keys: list[str] = []
    for _ in range(_DEPTH):
        if not isinstance(content, Mapping):
            break
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        inner = [key for key in _CONTAINERS if isinstance(content.get(key), Mapping)]
        if tensors and not (inner and len(tensors) < len(content[inner[0]])):
            return tensors, ".".join(keys)
        if not inner:
            break
        keys.append(inner[0])
        content = content[inner[0]]
    kind = (
        f"the keys {', '.join(map(str, list(content)[:6]))}" if isinstance(content, Mapping) else type(content).__name__
    )
    raise InputError(f"{path} holds no state dict that is known, but {kind}; save the weights alone, by their names.")


def _clean(path: Path, state: Mapping[str, Tensor], container: str) -> WeightsFile:
    notes = [f"The weights lie under {container!r}."] if container else []
    quantized = [
        name for name, tensor in state.items() if tensor.is_quantized or tensor.dtype in (torch.int8, torch.uint8)
    ]
    if quantized:
        raise InputError(
            f"{path} holds quantized weights ({quantized[0]!r}); import the network before its quantization."
        )
    kinds = {tensor.dtype for tensor in state.values() if tensor.is_floating_point()}
    strange = sorted(str(kind) for kind in kinds - set(_TYPES))
    if strange:
        raise InputError(f"{path} holds numbers of the type {strange[0]}; write them as float32 or float16.")
    narrow = sorted(str(kind).removeprefix("torch.") for kind in kinds if kind in _TYPES[:2])
    if narrow:
        notes.append(f"Weights of {' and '.join(narrow)} were read as float32; their digits are as few as before.")
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return WeightsFile(tensors, container, tuple(notes))
