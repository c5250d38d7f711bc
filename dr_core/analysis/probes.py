"""Which lesions does a network know, in which layer? Linear probes of pooled features, and what a direction changes.

Source: linear probes: Alain and Bengio 2016, arXiv:1610.01644. Concept directions: Kim et al. 2018, ICML,
arXiv:1711.11279 (TCAV).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import ResNet

from dr_core.errors import InputError

_FOLDS = 4
_PENALTY = 0.1
"""Inverse strength of the ridge penalty: there are more features than eyes."""


def list_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Name the blocks of a ResNet, from the input to the output.

    Raises:
        InputError: If the model is no ResNet.
    """
    if not isinstance(model, ResNet):
        raise InputError(f"Probes by block need a ResNet, not a {type(model).__name__}.")
    stages = ("layer1", "layer2", "layer3", "layer4")
    return {f"{stage}.{number}": block for stage in stages for number, block in enumerate(getattr(model, stage))}


def pool_features(model: nn.Module, inputs: Tensor) -> dict[str, np.ndarray]:
    """Average the output of every block over the picture.

    Args:
        model: A ResNet in evaluation mode; it stays as it was.
        inputs: Float (N, 3, S, S).

    Returns:
        Block -> float64 (N, C).

    Raises:
        InputError: If the model is no ResNet.
    """
    with torch.no_grad():
        batches = [_record(model, batch) for batch in inputs.split(_BATCH)]  # type: ignore[no-untyped-call]
    return {
        name: np.concatenate([batch[name].double().mean(dim=(2, 3)).cpu().numpy() for batch in batches])
        for name in list_blocks(model)
    }


def measure_slopes(model: nn.Module, inputs: Tensor, target: int) -> dict[str, np.ndarray]:
    """Measure how the output of a grade rises with each channel of every block.

    Args:
        model: A ResNet in evaluation mode; it stays as it was.
        inputs: Float (N, 3, S, S).
        target: The grade.

    Returns:
        Block -> float64 (N, C): the sum over positions of d f_target / d h, h the block's output.

    Raises:
        InputError: If the model is no ResNet.

    Source: Kim et al. 2018, eq. 1.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in list_blocks(model)}
    for batch in inputs.split(_BATCH):  # type: ignore[no-untyped-call]
        with torch.enable_grad():
            kept = _record(model, batch.clone().requires_grad_(True))
            slopes = torch.autograd.grad(kept.pop(_OUTPUT)[:, target].sum(), list(kept.values()))
        for name, slope in zip(kept, slopes, strict=True):
            found[name].append(slope.double().sum(dim=(2, 3)).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


_BATCH = 16
_OUTPUT = "output"


def _record(model: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Output of every block, and of the network under `_OUTPUT`."""
    found: dict[str, Tensor] = {}

    def recorder(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def record(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = output

        return record

    handles = [block.register_forward_hook(recorder(name)) for name, block in list_blocks(model).items()]
    try:
        found[_OUTPUT] = model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def probe(features: np.ndarray, present: np.ndarray, patients: np.ndarray) -> float:
    """Measure how well a linear probe tells whether a lesion is there, on patients that it has not seen.

    Args:
        features: Float (N, C).
        present: Bool (N,), whether the eye has the lesion.
        patients: (N,), equal values are one patient; both eyes of a patient are on one side of every fold.

    Returns:
        AUC in [0, 1], 0.5 = knows nothing; NaN where all eyes are alike.

    Raises:
        InputError: If there are fewer patients than folds.

    Source: Alain and Bengio 2016, section 3; folds by patient.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    if len(np.unique(patients)) < _FOLDS:
        raise InputError(f"A probe needs at least {_FOLDS} patients, not {len(np.unique(patients))}.")
    if present.all() or not present.any():
        return float("nan")
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=0)
    if any(len(np.unique(present[train])) < 2 for train, _ in folds.split(features, present, patients)):
        return float("nan")
    scores = cross_val_predict(_classifier(), features, present, groups=patients, cv=folds, method="decision_function")
    return float(roc_auc_score(present, scores))


def _classifier() -> object:
    from sklearn.linear_model import LogisticRegression  # costs a second, which no page waits for
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=_PENALTY, max_iter=1000))


def find_direction(features: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Find the direction of features that points to a lesion: the normal of the probe's plane, of length 1.

    Args:
        features: Float (N, C).
        present: Bool (N,), both values present.

    Returns:
        Float64 (C,).

    Source: Kim et al. 2018, section 3.2 (concept activation vector).
    """
    from sklearn.linear_model import LogisticRegression

    scale = features.std(axis=0) + 1e-9
    fitted = LogisticRegression(C=_PENALTY, max_iter=1000).fit((features - features.mean(axis=0)) / scale, present)
    direction = fitted.coef_[0] / scale
    result: np.ndarray = direction / np.linalg.norm(direction)
    return result


def measure_effect(slopes: np.ndarray, directions: Sequence[np.ndarray]) -> np.ndarray:
    """Measure for how many eyes a step along a direction raises the output of a grade.

    S = the share of eyes x with (sum over positions of d f_target / d h(x)) . v > 0.

    Args:
        slopes: Float (N, C) of one block, from `measure_slopes`.
        directions: K times float (C,).

    Returns:
        Float64 (K,), in [0, 1]; random directions give the control.

    Source: Kim et al. 2018, eq. 2 (TCAV score).
    """
    result: np.ndarray = (slopes @ np.stack(directions).T > 0).mean(axis=0)
    return result


def control_directions(features: np.ndarray, present: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Find directions in the same way from shuffled labels, as controls.

    Source: Kim et al. 2018, section 3.3 (random concepts).
    """
    generator = np.random.default_rng(seed)
    return [find_direction(features, generator.permutation(present)) for _ in range(count)]


def strongest_block(scores: Mapping[str, float]) -> str | None:
    """The block in which a lesion is known best; None where no score exists."""
    known = {name: score for name, score in scores.items() if np.isfinite(score)}
    return max(known, key=known.__getitem__) if known else None
