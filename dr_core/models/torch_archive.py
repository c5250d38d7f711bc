"""Files that `torch.save` wrote, opened without trusting them: tensors and plain values alone are built."""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MAX_PICKLE_BYTES = 16 * 2**20
"""The description of the tensors; that of a ResNet-50 with its optimizer takes 0.1 MB."""

ARCHIVE_DEFECTS = (
    *(RuntimeError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile, OSError),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, MemoryError, UserWarning),
)
"""What reading a damaged or a hostile file raises; a UserWarning only where warnings are made errors."""


def read_archive(path: Path, *, old_form: bool = False) -> Any:  # noqa: ANN401 - whatever was saved
    """Read tensors and plain values.

    Nothing that a pickle names is imported or called, besides what rebuilds a tensor (`weights_only=True`). The file's
    parts may not be packed, nor a tensor be larger than the file: a small file takes little memory.

    Args:
        path: The file.
        old_form: Whether the form from before PyTorch 1.6, which is no ZIP file, is taken, too.

    Returns:
        What was saved, on the CPU.

    Raises:
        ValueError: It is of another form, or claims more than it holds. Other damage raises what else is in
            `ARCHIVE_DEFECTS`.
    """
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        _check_parts(path, size)
    elif not old_form:
        raise ValueError("not a file of PyTorch 1.6 or newer")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if any(tensor.nbytes > size for tensor in _find_tensors(content)):  # a view can repeat one number without end
        raise ValueError("tensors larger than the file")
    return content


def _check_parts(path: Path, size: int) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts) or sum(part.file_size for part in parts) > size:
        raise ValueError("packed parts")
    if any(part.filename.endswith(".pkl") and part.file_size > _MAX_PICKLE_BYTES for part in parts):
        raise ValueError("too long a description")


def _find_tensors(value: Any) -> Iterator[Tensor]:  # noqa: ANN401 - whatever was saved
    """Tensors in nested dicts, lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _find_tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _find_tensors(part)
