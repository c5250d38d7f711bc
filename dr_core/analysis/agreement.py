"""Do the models agree about one eye?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dr_core.data.grades import ReferableFrom, referable_probability, tells_grades


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Which models call an eye referable.

    Attributes:
        referable: Set-ups whose probability reaches the threshold.
        not_referable: The others that answer.
        spread: Largest minus smallest probability among the models, 0..1; NaN where none answers.
    """

    referable: tuple[str, ...]
    not_referable: tuple[str, ...]
    spread: float

    @property
    def unanimous(self) -> bool:
        """Whether all models say the same."""
        return not self.referable or not self.not_referable


def mean_answer(answers: Mapping[str, np.ndarray]) -> tuple[np.ndarray, int] | None:
    """The models taken together as one (deep ensemble): p(y) = 1/M sum over m of p_m(y).

    Args:
        answers: Set-up -> softmax over the grades, float (5,).

    Returns:
        The mean, float64 (5,), and the number M of models in it; those that do not tell single grades apart are left
        out. None with fewer than two models.

    Source: Lakshminarayanan et al. 2017, NeurIPS 30, section 2.4.
    """
    told_apart = [np.asarray(softmax, np.float64) for softmax in answers.values() if tells_grades(softmax)]
    return (np.mean(told_apart, axis=0), len(told_apart)) if len(told_apart) > 1 else None


def find_agreement(
    answers: Mapping[str, np.ndarray], referable_from: ReferableFrom, threshold: float | Mapping[str, float]
) -> Agreement:
    """Count the models that call an eye referable: those whose P(grade >= referable_from) reaches their threshold.

    Args:
        answers: Set-up -> softmax over the grades, float (5,).
        referable_from: Lowest referable grade.
        threshold: Probability from which a model calls the eye referable, 0..1; one for all, or one of each set-up.

    Returns:
        The models on either side, in the order of `answers`; one that does not answer this reading is on neither.
    """
    read = {setup: float(referable_probability(softmax, referable_from)) for setup, softmax in answers.items()}
    scores = {setup: score for setup, score in read.items() if not math.isnan(score)}
    least = threshold if isinstance(threshold, Mapping) else dict.fromkeys(scores, threshold)
    return Agreement(
        referable=tuple(setup for setup, score in scores.items() if score >= least[setup]),
        not_referable=tuple(setup for setup, score in scores.items() if score < least[setup]),
        spread=max(scores.values()) - min(scores.values()) if scores else math.nan,
    )
