"""Softmax answers of one or several models, each eye brought to model size once."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dr_core.data.preprocessing import Preprocessing
from dr_core.models.checkpoint import LoadedModel
from dr_core.models.validity import check_answers


def choose_batch(device: torch.device | str) -> int:
    """Eyes per forward pass: few enough that a processor's cache holds what a layer gives, many enough for a GPU."""
    return 8 if torch.device(device).type == "cpu" else 64


def predict_views(
    model: LoadedModel, views: np.ndarray, batch_size: int | None = None, device: torch.device | str = "cpu"
) -> np.ndarray:
    """Grade eyes that already have model size.

    Args:
        model: The model.
        views: Uint8 (N, S, S, 3) RGB, as `Preprocessing.to_model_view` makes them.
        batch_size: Eyes per forward pass; None takes 8 on a processor and 64 elsewhere.
        device: Where the model lies.

    Returns:
        Float64 (N, 5), softmax over the grades 0..4; of a model with two outputs as `spread_binary` writes it.

    Raises:
        InputError: If the answers are no probabilities; the sentence says why there is no answer.
    """
    answers = predict_shared({"": model}, views, batch_size, device)[""]
    check_answers(f"The model of {model.info.setup}", answers, model.info)
    return answers


@torch.inference_mode()
def predict_shared(
    models: Mapping[str, LoadedModel],
    views: np.ndarray | Tensor,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    *,
    fill: bool = False,
) -> dict[str, np.ndarray]:
    """Grade eyes by several models; those that see an eye alike share its input.

    Args:
        models: Name -> model.
        views: Uint8 RGB at the size of all of them: an array (N, S, S, 3), or a tensor (N, 3, S, S) that may lie on the
            device already.
        batch_size: As in `predict_views`.
        device: Where the models lie.
        fill: Whether the last batch is filled up to the size of the others. Sums are ordered otherwise in a smaller
            batch, so that a table in parts would differ from the whole in the last digits.

    Returns:
        Name -> float64 (N, 5), as `predict_views`; not checked, so that one broken model does not silence the others:
        `dr_core.models.validity.check_answers` is for the caller, model by model.
    """
    size = batch_size or choose_batch(device)
    pixels = views if isinstance(views, Tensor) else torch.from_numpy(np.ascontiguousarray(views)).permute(0, 3, 1, 2)
    parts: dict[str, list[Tensor]] = {name: [] for name in models}
    for start in range(0, len(pixels), size):
        batch = pixels[start : start + size].to(device).float() / 255
        asked = len(batch)
        if fill and asked < size:
            batch = F.pad(batch, (0, 0, 0, 0, 0, 0, 0, size - asked))
        inputs: dict[Preprocessing, Tensor] = {}
        for name, model in models.items():
            preprocessing = model.info.preprocessing
            if preprocessing not in inputs:
                inputs[preprocessing] = preprocessing.standardize(batch).contiguous(memory_format=torch.channels_last)
            parts[name].append(torch.softmax(model.model(inputs[preprocessing])[:asked].double(), dim=1))
    return {  # fetched once all is asked for, so that a device need not be waited for in between
        name: models[name].info.spread(
            torch.cat(answers).cpu().numpy() if answers else np.empty((0, len(models[name].info.classes)))
        )
        for name, answers in parts.items()
    }


@torch.inference_mode()
def pass_views(model: LoadedModel, views: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Pass eyes through one model in one batch, for what its layers give as well as for its outputs.

    Args:
        model: The model.
        views: Uint8 (N, S, S, 3) RGB, eyes at its size.
        device: Where it lies.

    Returns:
        Its outputs before the softmax, float (N, classes).
    """
    inputs = model.info.preprocessing.normalize(views).to(device)
    logits: Tensor = model.model(inputs.contiguous(memory_format=torch.channels_last))
    return logits


def predict_photographs(models: Mapping[str, LoadedModel], images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Grade photographs by several models.

    Models that see an eye alike share one preprocessed view.

    Args:
        models: Set-up name -> model.
        images: Photographs, each uint8 (H, W, 3) RGB, of any size.

    Returns:
        Set-up name -> float64 (N, 5), as `predict_views`.
    """
    photographs = list(images)
    views = {model.info.preprocessing: None for model in models.values()}
    stacked = {
        preprocessing: _stack([preprocessing.to_model_view(image) for image in photographs], preprocessing.size)
        for preprocessing in views
    }
    return {name: predict_views(model, stacked[model.info.preprocessing]) for name, model in models.items()}


def _stack(views: Sequence[np.ndarray], size: int) -> np.ndarray:
    return np.stack(views) if views else np.empty((0, size, size, 3), np.uint8)
