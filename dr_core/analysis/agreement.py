"""Do the models agree about one eye?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dr_core.data.grades import ReferableFrom, referable_probability


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Which models call an eye referable.

    Attributes:
        referable: Set-ups whose probability reaches the threshold.
        not_referable: The others.
        spread: Largest minus smallest probability among the models, 0..1.
    """

    referable: tuple[str, ...]
    not_referable: tuple[str, ...]
    spread: float

    @property
    def unanimous(self) -> bool:
        """Whether all models say the same."""
        return not self.referable or not self.not_referable


def find_agreement(answers: Mapping[str, np.ndarray], referable_from: ReferableFrom, threshold: float) -> Agreement:
    """Count the models that call an eye referable: those whose P(grade >= referable_from) reaches the threshold.

    Args:
        answers: Set-up -> softmax over the grades, float (5,).
        referable_from: Lowest referable grade.
        threshold: Probability from which a model calls the eye referable, 0..1.

    Returns:
        The models on either side, in the order of `answers`.
    """
    scores = {setup: float(referable_probability(softmax, referable_from)) for setup, softmax in answers.items()}
    return Agreement(
        referable=tuple(setup for setup, score in scores.items() if score >= threshold),
        not_referable=tuple(setup for setup, score in scores.items() if score < threshold),
        spread=max(scores.values()) - min(scores.values()),
    )
