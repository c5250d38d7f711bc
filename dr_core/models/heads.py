"""Heads that do not answer by a softmax over the grades: each becomes grade probabilities by one stated rule."""

from collections.abc import Callable, Mapping
from itertools import accumulate

import torch
from torch import Tensor, nn

from dr_core.data.grades import GRADES
from dr_core.models.header import OUTPUT_COUNTS as OUTPUT_COUNTS
from dr_core.models.header import Outputs as Outputs

_LEAST = 1e-12
"""Probability that stands for none, so that its logarithm is finite; no softmax changes by more than this."""


def grades_from_cumulative(logits: Tensor) -> Tensor:
    """Probabilities of the grades from cumulative logits.

    P(k) = P(> k-1) - P(> k), with P(> k) = sigmoid(logit k), P(> -1) = 1 and P(> 4) = 0. Where the head lets P(> k)
    rise with k, the smallest of it and those before it is taken, so that no probability is below 0.

    Args:
        logits: Float (N, 4).

    Returns:
        Float (N, 5), rows sum to 1.

    Source: Frank and Hall 2001, ECML, "A simple approach to ordinal classification", section 2.
    """
    columns = torch.sigmoid(logits).unbind(dim=1)
    beyond = torch.stack(list(accumulate(columns, torch.minimum)), dim=1)  # cummin, which ONNX does not have
    ones, zeros = torch.ones_like(beyond[:, :1]), torch.zeros_like(beyond[:, :1])
    return torch.cat([ones, beyond], dim=1) - torch.cat([beyond, zeros], dim=1)


def grades_from_regression(values: Tensor) -> Tensor:
    """Probabilities of the grades from one number: shared by the two grades between which it lies, the nearer more.

    P(k) = max(0, 1 - |v - k|) with v held within 0 and 4; its mean is v.

    Args:
        values: Float (N, 1).

    Returns:
        Float (N, 5), rows sum to 1.

    Source: linear interpolation; the one distribution on two neighboring grades whose mean is v.
    """
    grades = torch.arange(len(GRADES), dtype=values.dtype, device=values.device)
    return (1 - (values.clamp(0, len(GRADES) - 1) - grades).abs()).clamp(min=0)


_RULES: Mapping[Outputs, Callable[[Tensor], Tensor]] = {
    "cumulative": grades_from_cumulative,
    "regression": grades_from_regression,
}


class GradeLogits(nn.Module):
    """A network of another head, which gives logits of the grades: the logarithms of its probabilities.

    Args:
        network: Float (N, 3, S, S) -> (N, 4) or (N, 1).
        outputs: What it gives.
    """

    def __init__(self, network: nn.Module, outputs: Outputs) -> None:
        super().__init__()
        self.network, self._rule = network, _RULES[outputs]

    def forward(self, images: Tensor) -> Tensor:
        """Float (N, 3, S, S) -> float (N, 5), whose softmax is the grades' probabilities."""
        return self._rule(self.network(images)).clamp(min=_LEAST).log()


def wrap_head(network: nn.Module, outputs: Outputs) -> nn.Module:
    """A network that gives logits whose softmax are probabilities, whatever its last layer gives.

    Those of all five grades, but of two outputs those of two groups of grades, which is all that it knows.
    """
    return GradeLogits(network, outputs) if outputs in _RULES else network


def name_groups(positive_from: int) -> tuple[str, str]:
    """Names of the two groups of grades that a model with two outputs tells apart."""
    first, last = positive_from - 1, len(GRADES) - 1
    return (f"grades 0-{first}" if first else "grade 0", f"grades {positive_from}-{last}")


def double_logit(tensor: Tensor) -> Tensor:
    """Last layer's weight or bias of one logit -> that of two, -z / 2 and z / 2, whose softmax is the same sigmoid.

    Args:
        tensor: Float (1, ...).

    Returns:
        Float (2, ...).
    """
    return torch.cat([-tensor / 2, tensor / 2])
