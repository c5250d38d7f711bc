"""A model as an ONNX file for other programs, with its preprocessing written down, checked before it is kept."""

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.files import digest_file, replacing, write_json
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, load_model
from dr_core.models.prediction import predict_views

WITHIN = 1e-4
"""Largest difference of a probability between ONNX Runtime and PyTorch."""

OPSET = 17
"""Version of ONNX's operators: the oldest with all that the exporter needs for transformers, read widely."""

_KEY = "dr_lens"
"""Key of the file's metadata under which the description stands, JSON."""

_CHECKED_EYES = 3
"""Eyes of the check, other than in the trace: a number of eyes that was burnt in is noticed."""


@dataclass(frozen=True, kw_only=True)
class OnnxReport:
    """What was exported.

    Attributes:
        file: The ONNX file.
        description: The JSON file beside it.
        difference: Largest difference of a probability from PyTorch's.
    """

    file: Path
    description: Path
    difference: float


class _Probabilities(nn.Module):
    """Float (N, 3, S, S) -> float (N, classes), softmax."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.softmax(self.network(inputs), dim=1)


def export_onnx(checkpoint: Path, setup: str, out: Path) -> OnnxReport:
    """Write a model as ONNX: float32 (N, 3, S, S) standardized input -> float32 (N, classes) probabilities, any N.

    Args:
        checkpoint: Its checkpoint.
        setup: Set-up that the checkpoint must be of.
        out: The file, `.onnx`; a description of the same name, `.json`, is written beside it.

    Returns:
        What was written, and how closely it agrees.

    Raises:
        InputError: If ONNX is not installed, a file exists already, the checkpoint is refused, the network cannot be
            written as ONNX, or ONNX Runtime answers otherwise than PyTorch by more than 1e-4. Nothing is written then.
    """
    onnx, runtime = _find_onnx()
    beside = out.with_suffix(".json")
    if out.suffix.lower() != ".onnx":
        raise InputError(f"The file must end in .onnx, not {out.name!r}.")
    for path in (out, beside):
        if path.exists() or path.is_symlink():
            raise InputError(f"{path} exists already; choose another file. Nothing was written.")
    model = load_model(checkpoint, setup=setup)
    description = describe_model(model.info) | {"checkpoint_sha256": digest_file(checkpoint)}
    content = _add_metadata(onnx, _trace(model), description)
    difference = _compare(runtime, model, content)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        temporary.write_bytes(content)
        write_json(beside, description)
    return OnnxReport(file=out, description=beside, difference=difference)


def _find_onnx() -> tuple[ModuleType, ModuleType]:
    try:
        import onnx
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError(
            "Writing ONNX needs the packages onnx and onnxruntime; install them with: pip install onnx onnxruntime "
            "(the extra `onnx`)."
        ) from error
    return onnx, onnxruntime


def describe_model(info: CheckpointInfo) -> dict[str, Any]:
    """What another program must know to use a model: input and output, and every step from a photograph to the input.

    Args:
        info: Header of the checkpoint.

    Returns:
        Plain values, as JSON holds them.
    """
    one = info.preprocessing
    crop = {
        "squash": "squash the whole photograph to a square, averaging over areas",
        "field_of_view": "cut the square around the field of view, black beyond the photograph, averaging over areas",
    }
    contrast = {
        "none": "leave the colors as they are",
        "local": "local contrast as dr_core.data.contrast.local_contrast computes it",
        "graham": "contrast as dr_core.data.contrast.graham_contrast computes it",
    }
    return {
        "format": "dr-lens onnx",
        "setup": info.setup,
        "architecture": info.arch,
        "use": "research only, not for diagnosis",
        "input": {"name": "inputs", "type": "float32", "shape": ["N", 3, one.size, one.size], "channels": "RGB"},
        "output": {"name": "probabilities", "type": "float32", "shape": ["N", len(info.classes)]},
        "classes": list(info.classes),
        "preprocessing": asdict(one) | {"mean": list(one.mean), "std": list(one.std)},
        "steps": [
            f"{crop[one.crop]}, to {one.size} x {one.size} pixels",
            "divide by 255",
            contrast[one.contrast],
            f"subtract the mean {list(one.mean)} and divide by the standard deviation {list(one.std)} of each channel",
        ],
        "trained_on": info.training_data,
        "data_fingerprint": info.data_fingerprint,
    }


def _trace(model: LoadedModel) -> bytes:
    """The network as ONNX, by PyTorch's exporter of TorchScript; the newer one needs a further package."""
    size = model.info.preprocessing.size
    axes = {"inputs": {0: "N"}, "probabilities": {0: "N"}}
    network = _Probabilities(model.model).eval()
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # of its age, and of shapes that the comparison below looks after
            torch.onnx.export(
                network,
                (torch.zeros(2, 3, size, size),),
                file := Path(folder) / "model.onnx",
                dynamo=False,
                input_names=["inputs"],
                output_names=["probabilities"],
                dynamic_axes=axes,
                opset_version=OPSET,
            )
            return file.read_bytes()
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{model.info.arch} cannot be written as ONNX ({reason}). Nothing was written.") from error


def _add_metadata(onnx: ModuleType, content: bytes, description: Mapping[str, Any]) -> bytes:
    proto = onnx.load_model_from_string(content)
    proto.producer_name, proto.doc_string = "DR Lens", "Research use only, not for diagnosis."
    onnx.helper.set_model_props(proto, {_KEY: json.dumps(description, sort_keys=True)})
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _compare(runtime: ModuleType, model: LoadedModel, content: bytes) -> float:
    """Largest difference of a probability about drawn noise, bright and dark; refused above `WITHIN`."""
    size = model.info.preprocessing.size
    levels = np.linspace(64, 256, _CHECKED_EYES)[:, None, None, None]
    views = (np.random.default_rng(0).random((_CHECKED_EYES, size, size, 3)) * levels).astype(np.uint8)
    expected = predict_views(model, views)
    expected = expected[:, ~np.isnan(expected).any(axis=0)]  # two outputs stand beside the grades that they do not tell
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"inputs": model.info.preprocessing.normalize(views).numpy()})
    difference = float(np.abs(found - expected).max()) if np.isfinite(found).all() else float("inf")
    if found.shape != expected.shape or difference > WITHIN:
        raise InputError(
            f"ONNX Runtime's answers differ from PyTorch's for {model.info.arch}, by {difference:.1e} where "
            f"{WITHIN:g} is the limit. Nothing was written."
        )
    return difference
