"""Whether a model's answer may be given: finite weights, the right identity, finite probabilities, conserved relevance.

Each function raises an InputError whose sentence is the reason for "no answer, because ...". A page shows it beside the
other models' answers, a table carries it as text; it never becomes a number.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dr_core.data.grades import GRADES
from dr_core.errors import InputError

CONSERVED_WITHIN = 0.05
"""Share by which the sum of relevance may differ from what it started with, where the rule conserves it."""

_SUM_WITHIN = 1e-3


def check_weights(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not finite numbers, and variances below 0.

    Args:
        name: What to call the checkpoint.
        tensors: Name -> weights, any shape.

    Raises:
        InputError: If one is not finite, or a running variance is negative.
    """
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not _is_finite(tensor):
            raise InputError(f"{name} is broken: its weights {key!r} hold values that are no numbers; train it again.")
        if key.endswith("running_var") and bool((tensor < 0).any()):
            raise InputError(f"{name} is broken: its variances {key!r} are below 0; train it again.")


def _is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite; their sum in double precision is so for all but the largest of doubles."""
    return bool(torch.isfinite(tensor.sum(dtype=torch.float64))) or bool(torch.isfinite(tensor).all())


def check_identity(name: str, found: str, expected: str) -> None:
    """Refuse a checkpoint that says that it is of another set-up than the one under whose name it lies.

    Args:
        name: What to call the checkpoint.
        found: Set-up in its header.
        expected: Set-up that is asked for.

    Raises:
        InputError: If they differ.
    """
    if found != expected:
        raise InputError(
            f"{name} should be the model of {expected}, but says that it is {found}; put the right one there."
        )


class AnswerShape(Protocol):
    """What is known of a model's answers, such as the header of its checkpoint says."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs."""

    @property
    def positive_from(self) -> int:
        """Lowest grade of the second of two outputs; 0 where it answers about each grade."""


def check_answers(name: str, answers: np.ndarray, about: AnswerShape) -> None:
    """Refuse answers that are no probabilities.

    Args:
        name: What to call the model.
        answers: Float (N, classes), softmax; of a model with two outputs (N, 5), as `spread_binary` writes it.
        about: What the model answers.

    Raises:
        InputError: If the shape is another, a value is not finite or outside 0..1, or a row does not sum to 1.
    """
    classes = len(GRADES) if about.positive_from else len(about.classes)
    if answers.ndim != 2 or answers.shape[1] != classes:
        shape = " x ".join(map(str, answers.shape))
        raise InputError(f"{name} gives {shape} numbers where it should give {classes} for each eye; train it again.")
    answers = answers[:, [0, about.positive_from]] if about.positive_from else answers
    is_share = np.isfinite(answers).all() and (answers >= 0).all() and (answers <= 1 + _SUM_WITHIN).all()
    if not is_share or (abs(answers.sum(axis=1) - 1) > _SUM_WITHIN).any():
        raise InputError(f"{name} gives answers that are no probabilities; its weights are broken, train it again.")


def check_relevance(name: str, relevance: Tensor, started_with: Tensor | float, *, conserves: bool) -> None:
    """Refuse heatmaps that are empty, not finite, or have lost or made relevance.

    Args:
        name: What to call the model, with its rule.
        relevance: Float (N, 3, H, W).
        started_with: Relevance at the output neuron, float (N,) or one number.
        conserves: Whether the rule conserves relevance from layer to layer.

    Raises:
        InputError: If a heatmap is all zeros or not finite, or its sum differs by more than 5 % where the rule
            conserves it.

    Source: Bach et al. 2015, PLoS ONE 10(7):e0130140, equation 2: the relevance of each layer sums to the same.
    """
    flat = relevance.detach().double().flatten(1)
    if not bool(torch.isfinite(flat).all()):
        raise InputError(f"{name} gives heatmaps with values that are no numbers; choose another rule.")
    if bool((flat.abs().amax(dim=1) == 0).any()):
        raise InputError(f"{name} gives an empty heatmap: no relevance reaches the picture; choose another rule.")
    start = torch.as_tensor(started_with, dtype=torch.float64, device=flat.device).expand(len(flat))
    lost = ((flat.sum(dim=1) - start).abs() > CONSERVED_WITHIN * start.abs()).any()
    if conserves and bool(lost):
        shares = (flat.sum(dim=1) / start).tolist()
        worst = max(shares, key=lambda share: abs(share - 1))
        raise InputError(
            f"{name} should conserve relevance, but {worst:.0%} of it reaches the picture; this architecture is not "
            "explained rightly by it, choose another rule."
        )
