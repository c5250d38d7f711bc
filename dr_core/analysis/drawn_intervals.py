"""Intervals from drawn patients that say what was dropped and never have zero width."""

from dataclasses import replace

import numpy as np
from scipy.stats import t as student

from dr_core.analysis.bootstrap import interval
from dr_core.analysis.intervals import CONFIDENCE, Interval, warn_few, wilson


def drawn_interval(drawn: np.ndarray, patients: int, *, least: float = 0.0, most: float = 1.0) -> Interval:
    """A value with its percentile interval over drawn patients, low = q_2.5, high = q_97.5.

    Where all draws agree, as at the end of the scale, it is Wilson's interval of a share of P patients instead, brought
    from 0..1 to the scale.

    Args:
        drawn: Float (1 + D,), the value of the data and of each draw; NaN in draws in which it does not exist.
        patients: Number P of patients.
        least: Least value of the scale.
        most: Largest.

    Returns:
        The interval; its warning says how many draws were dropped.

    Source: Efron and Tibshirani 1993, chapter 13; Wilson 1927, JASA 22:209-212.
    """
    value, low, high = interval(drawn)
    usable = drawn[1:][np.isfinite(drawn[1:])]
    error = float(usable.std(ddof=1)) if len(usable) > 1 else float("nan")
    if np.isfinite(low) and not low < high and patients > 0:
        span = most - least
        low, high = (least + span * end for end in wilson(min(max((value - least) / span, 0), 1), patients))
        low, high = min(low, value), max(high, value)
    return Interval(value=value, low=low, high=high, error=error, warning=warn_dropped(drawn))


def operating_interval(drawn: np.ndarray, patients: np.ndarray) -> Interval:
    """Sensitivity or specificity at a threshold that was chosen on the same eyes, with its 95 % interval.

    The draws choose the threshold anew, so that their variance v holds its uncertainty as well. Wilson's interval is
    taken at the number of eyes that have this variance, n = p (1 - p) / v, at most the eyes of the class; where all
    draws agree, at its patients.

    Args:
        drawn: Float (1 + D,), the share p of the data and of each draw; NaN in draws in which it does not exist.
        patients: Anything (N,), the patient of each eye of the class that the share is of.

    Returns:
        The interval, never of zero width; NaN without eyes or draws.

    Source: Wilson 1927, JASA 22:209-212; effective sample size as in Korn and Graubard 1998, Survey Methodology
    24:193-201.
    """
    found = drawn_interval(drawn, len(np.unique(patients)))
    if not np.isfinite(found.low):
        return found
    clusters, variance = len(np.unique(patients)), found.error**2
    worth = found.value * (1 - found.value) / variance if variance > 0 else 0.0
    worth = min(worth, len(patients)) if worth > 0 else clusters
    t = float(student.isf((1 - CONFIDENCE) / 2, max(clusters - 1, 2)))
    low, high = wilson(found.value, max(worth, 1.0), t)
    return replace(found, low=low, high=high)


def warn_dropped(drawn: np.ndarray) -> str:
    """Say in words how many draws of (1 + D,) had no value (NaN); empty where all had."""
    dropped = int((~np.isfinite(drawn[1:])).sum())
    return f"{dropped} of {len(drawn) - 1} draws without a value dropped" if dropped else ""


def join_warnings(*warnings: str) -> str:
    """Several warnings as one; empty where there are none."""
    return "; ".join(dict.fromkeys(warning for warning in warnings if warning))


def warn_eyes(labels: np.ndarray, drawn: np.ndarray) -> str:
    """What is to be said of a value on positive and negative eyes, bool (N,): few of a class, and dropped draws."""
    return join_warnings(warn_few(labels), warn_dropped(drawn))
