"""Which lesions does a network know, in which layer? Linear probes of pooled features, and what a direction changes.

Source: linear probes: Alain and Bengio 2016, arXiv:1610.01644. Concept directions: Kim et al. 2018, ICML,
arXiv:1711.11279 (TCAV).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.models.structure import list_blocks

_FOLDS = 4
_PENALTY = 0.1
"""Inverse strength of the ridge penalty: there are more features than eyes."""


def average_positions(features: Tensor) -> Tensor:
    """Average a block's output over the positions of the picture: h_c = sum over positions x of h_c(x) / positions.

    Args:
        features: Float (N, C, H, W), (N, H, W, C) as networks of shifted windows give it, or tokens (N, T, C), the
            classification token among them; of a square picture.

    Returns:
        Float (N, C).

    Raises:
        InputError: If it has another shape.
    """
    return features.mean(dim=_positions(features))


def _positions(features: Tensor) -> tuple[int, ...]:
    shape = features.shape
    if len(shape) == 3:
        return (1,)
    if len(shape) == 4 and shape[2] == shape[3]:
        return (2, 3)
    if len(shape) == 4 and shape[1] == shape[2]:
        return (1, 2)
    raise InputError(f"The output of a block must be (N, C, H, W) or tokens (N, T, C), not {tuple(shape)}.")


def pool_features(model: nn.Module, inputs: Tensor) -> dict[str, np.ndarray]:
    """Average the output of every block over the picture.

    Args:
        model: A network in evaluation mode; it stays as it was.
        inputs: Float (N, 3, S, S).

    Returns:
        Block -> float64 (N, C).

    Raises:
        InputError: If the model has no blocks.
    """
    with torch.no_grad():
        batches = [_record(model, batch) for batch in inputs.split(_BATCH)]  # type: ignore[no-untyped-call]
    return {
        name: np.concatenate([average_positions(batch[name].double()).cpu().numpy() for batch in batches])
        for name in list_blocks(model)
    }


def measure_slopes(model: nn.Module, inputs: Tensor, target: int) -> dict[str, np.ndarray]:
    """Measure how the probability of a grade rises with each channel of every block.

    Args:
        model: A network in evaluation mode; it stays as it was.
        inputs: Float (N, 3, S, S).
        target: The grade.

    Returns:
        Block -> float64 (N, C): the sum over positions of d P_target / d h, h the block's output.

    Raises:
        InputError: If the model has no blocks.

    Source: Kim et al. 2018, eq. 1, of the probability: behind the last block the logit's slope is the same in all eyes.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in list_blocks(model)}
    for batch in inputs.split(_BATCH):  # type: ignore[no-untyped-call]
        with torch.enable_grad():
            kept = _record(model, batch.clone().requires_grad_(True))
            answers = torch.softmax(kept.pop(_OUTPUT), dim=1)
            slopes = torch.autograd.grad(answers[:, target].sum(), list(kept.values()))
        for name, slope in zip(kept, slopes, strict=True):
            found[name].append(slope.double().sum(dim=_positions(slope)).cpu().numpy())
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


def measure_effect(slopes: np.ndarray, features: np.ndarray, directions: Sequence[np.ndarray]) -> np.ndarray:
    """Measure how far a step along a direction moves the probability of a grade.

    S = mean over eyes x of (sum over positions of d P_target / d h(x)) . v, times the standard deviation of h(x) . v.

    Args:
        slopes: Float (N, C) of one block, from `measure_slopes`.
        features: Float (N, C) of the same block, from `pool_features`.
        directions: K times float (C,).

    Returns:
        Float64 (K,), change of the probability for a step of one standard deviation; the control is random directions.

    Source: Kim et al. 2018, eq. 1 and 2. Their score is the share of eyes with S > 0, which the many eyes of one grade
    make 0 or 1 for random directions as well; the size tells them apart.
    """
    along = np.stack(directions).T
    result: np.ndarray = (slopes @ along).mean(axis=0) * (features @ along).std(axis=0)
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
