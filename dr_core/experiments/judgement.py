"""Is this eye within what the models know? One judgement from the picture and its features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dr_core.analysis.feature_distance import LIMITS, FeatureReference
from dr_core.data.fundus.checks import LEVELS, InputCheck, Level, worst_level

FAR = "far_features"
"""Name of the finding that follows from the features."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason against an answer.

    Attributes:
        name: Name of the check.
        sentence: What a user reads.
        level: Name of the level that it leads to.
    """

    name: str
    sentence: str
    level: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether an eye is within what the models know; it warns, and never withholds an answer.

    Attributes:
        level: The worst level of all reasons.
        reasons: What speaks against an answer, the worst first; empty where nothing does.
    """

    level: Level
    reasons: tuple[Reason, ...]

    @property
    def is_outside(self) -> bool:
        """Whether the answers stand in gray."""
        return self.level.name == "outside"


def judge(findings: Sequence[InputCheck], distances: Mapping[str, float]) -> Judgement:
    """Put the judgement together.

    Args:
        findings: What the picture alone gives, as `Quality.findings`.
        distances: Label of a set-up -> distance of its features from those of its training eyes, over the limit that
            99 % of them keep.
    """
    reasons = [Reason(name=check.name, sentence=check.sentence, level=check.level) for check in findings]
    beyond = {label: ratio for label, ratio in distances.items() if ratio > 1}
    if beyond:
        sentence = (
            f"For {', '.join(beyond)} the eye is farther from the training eyes than {100 * LIMITS[-1]:.0f} % of such "
            f"eyes are, up to {max(beyond.values()):.1f} times as far: the network has seen few like it."
        )
        reasons.append(Reason(name=FAR, sentence=sentence, level="doubtful"))
    reasons.sort(key=lambda reason: -LEVELS[reason.level].rank)
    return Judgement(level=worst_level([reason.level for reason in reasons]), reasons=tuple(reasons))


def measure_distances(
    features: Mapping[str, np.ndarray], references: Mapping[str, FeatureReference]
) -> dict[str, float]:
    """Distance of one eye for each network, over the limit that 99 % of its training eyes keep.

    Args:
        features: Set-up -> float (1, C).
        references: Set-up -> the features of its training eyes.

    Returns:
        Set-up -> ratio, of those that have both.
    """
    return {
        setup: float(references[setup].distance(values)[0]) / references[setup].limits[-1]
        for setup, values in features.items()
        if setup in references
    }
