"""The mean of several models as one more model, beside their cards."""

from collections.abc import Mapping

import numpy as np

from dr_core.analysis.agreement import mean_answer
from dr_core.data.grades import GRADES
from dr_ui.parts.operating_point import OperatingPoint


def mean_html(answers: Mapping[str, np.ndarray], point: OperatingPoint) -> str:
    """What the mean says; empty where fewer than two models tell the grades apart.

    Args:
        answers: Set-up -> softmax, float (5,).
        point: The operating point. A threshold that was chosen for each model is none of their mean.
    """
    mean = mean_answer(answers)
    if mean is None:
        return ""
    softmax, count = mean
    score, best = float(point.score(softmax)), int(softmax.argmax())
    verdict = ""
    if not point.chosen:
        verdict = f", <b>{'▲ referable' if score >= point.threshold else '▽ not referable'}</b>"
    return (
        f'<p class="lens-small lens-ensemble"><b>Mean of the {count} models (ensemble):</b> {GRADES[best]} '
        f"({100 * softmax[best]:.0f} %), probability of grades {point.grades} <b>{score:.2f}</b>{verdict}."
        f"{' No threshold was chosen for the mean.' if point.chosen else ''}</p>"
    )
