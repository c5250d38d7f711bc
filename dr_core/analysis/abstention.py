"""Abstention: how the share of wrong answers falls when a model passes the eyes of which it is least sure."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """A score by which eyes are passed on, the highest first.

    Attributes:
        name: Name in tables.
        label: Name for people.
        compute: From the models' softmax, float (M, N, K), to a score an eye, float64 (N,); M is 1 for one model.
        several: Whether it needs several models.
    """

    name: str
    label: str
    compute: Callable[[np.ndarray], np.ndarray]
    several: bool = False


def softmax_uncertainty(answers: np.ndarray) -> np.ndarray:
    """1 - max over k of p_k of the models' mean, float64 (N,), from softmax, float (M, N, K).

    Source: Hendrycks and Gimpel 2017, ICLR.
    """
    result: np.ndarray = 1 - answers.mean(axis=0).max(axis=-1)
    return result


def margin_uncertainty(answers: np.ndarray) -> np.ndarray:
    """1 - (p_(1) - p_(2)), the two likeliest grades of the models' mean, float64 (N,), from softmax, float (M, N, K).

    Source: Scheffer et al. 2001, IDA, pages 309-318.
    """
    ordered = np.sort(answers.mean(axis=0), axis=-1)
    result: np.ndarray = 1 - (ordered[..., -1] - ordered[..., -2])
    return result


def entropy_uncertainty(answers: np.ndarray) -> np.ndarray:
    """H = -sum over k of p_k log p_k of the models' mean, in nats, float64 (N,), from softmax, float (M, N, K).

    Source: Shannon 1948; for referral Leibig et al. 2017.
    """
    return _entropy(answers.mean(axis=0))


def spread_uncertainty(answers: np.ndarray) -> np.ndarray:
    """I = H(mean of p) - mean of H(p): what the models disagree about, in nats, float64 (N,), from float (M, N, K).

    Source: Lakshminarayanan et al. 2017, NeurIPS; Smith and Gal 2018, UAI, equation 4.
    """
    result: np.ndarray = np.maximum(_entropy(answers.mean(axis=0)) - _entropy(answers).mean(axis=0), 0)
    return result


def _entropy(answers: np.ndarray) -> np.ndarray:
    result: np.ndarray = -(answers * np.log(np.clip(answers, 1e-12, 1))).sum(axis=-1)
    return result


UNCERTAINTIES: Registry[Uncertainty] = Registry(
    "uncertainty",
    (
        Uncertainty(name="softmax", label="1 - highest probability", compute=softmax_uncertainty),
        Uncertainty(name="margin", label="1 - margin of the two likeliest", compute=margin_uncertainty),
        Uncertainty(name="entropy", label="entropy", compute=entropy_uncertainty),
        Uncertainty(name="spread", label="spread of the models", compute=spread_uncertainty, several=True),
    ),
)
"""The scores that follow from answers alone; distance to the training eyes needs features."""


@dataclass(frozen=True)
class RiskCoverage:
    """Share of wrong answers among the eyes that are answered, by the share that is answered.

    Attributes:
        coverage: Float64 (N,), 1 / N to 1.
        risk: Float64 (N,), 0..1.
        area: AURC, the mean risk over the coverages; lower is better.
        low: Lower end of its 95 % interval by patients; NaN where nobody was drawn.
        high: Upper end.
        oracle: AURC of a score that passes every wrong answer first.
        random: AURC of a random score: the share of wrong answers.
    """

    coverage: np.ndarray
    risk: np.ndarray
    area: float
    low: float
    high: float
    oracle: float
    random: float


def measure_abstention(uncertainty: np.ndarray, wrong: np.ndarray, draws: PatientDraws | None = None) -> RiskCoverage:
    """Risk-coverage curve r(i / N) = mean of the i surest eyes' errors, and AURC = mean over i of r(i / N).

    Equal scores share the mean of their errors, so that no order of the eyes is preferred.

    Args:
        uncertainty: Float (N,), eyes of the highest are passed on first.
        wrong: Bool (N,), whether the answer is wrong.
        draws: Draws of the patients of these eyes; None leaves the interval out.

    Source: Geifman et al. 2019, ICLR, section 2 (AURC); El-Yaniv and Wiener 2010, JMLR 11:1605-1641.
    """
    uncertainty, wrong = np.asarray(uncertainty, np.float64), np.asarray(wrong, np.float64)
    curve = _curve(uncertainty, wrong)
    low = high = float("nan")
    if draws is not None and draws.times.shape[1] > 1:
        times = draws.times[draws.patient, 1:].astype(int)
        areas = [
            _curve(np.repeat(uncertainty, times[:, draw]), np.repeat(wrong, times[:, draw])).mean()
            for draw in range(times.shape[1])
        ]
        low, high = (float(end) for end in np.percentile(areas, [2.5, 97.5]))
    return RiskCoverage(
        coverage=np.arange(1, len(wrong) + 1) / len(wrong),
        risk=curve,
        area=float(curve.mean()),
        low=low,
        high=high,
        oracle=float(_curve(wrong, wrong).mean()),
        random=float(wrong.mean()),
    )


def _curve(uncertainty: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    order = np.argsort(uncertainty, kind="stable")
    distinct, where = np.unique(uncertainty[order], return_inverse=True)
    shared = np.bincount(where, wrong[order], len(distinct)) / np.bincount(where, minlength=len(distinct))
    result: np.ndarray = np.cumsum(shared[where]) / np.arange(1, len(wrong) + 1)
    return result
