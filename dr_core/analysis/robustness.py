"""What damage does to answers and heatmaps: differences, corruption errors, flips, rank correlations."""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.stats import rankdata
from torch import Tensor

from dr_core.analysis.bootstrap import PatientDraws
from dr_core.errors import InputError


def bootstrap_means(values: np.ndarray, draws: PatientDraws) -> np.ndarray:
    """Mean over eyes in every draw of the patients: m_d = sum over i of t_d(i) v_i / sum over i of t_d(i).

    Here v_i is the value of eye i, and t_d(i) how often draw d holds its patient.

    Args:
        values: Float (..., N), a value for each eye.
        draws: Draws of the patients of these eyes.

    Returns:
        Float64 (..., 1 + D); the first is the mean of the data.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 6; patients are drawn, not eyes.
    """
    values = np.asarray(values, np.float64)
    eyes, patients = len(draws.patient), len(draws.times)
    belongs = csr_array((np.ones(eyes), (np.arange(eyes), draws.patient)), shape=(eyes, patients))
    times = draws.times.astype(np.float64)
    sums = (values.reshape(-1, eyes) @ belongs) @ times
    means: np.ndarray = sums / (belongs.sum(axis=0) @ times)
    return means.reshape(*values.shape[:-1], -1)


def score_difference(first: np.ndarray, second: np.ndarray, grades: np.ndarray, draws: PatientDraws) -> np.ndarray:
    """How much more probability one model gives to the true grade than another: D = mean over eyes of p_1[y] - p_2[y].

    Args:
        first: Float (..., N, classes), softmax of the contrastive model.
        second: The same of the supervised model on the same damaged eyes.
        grades: Int (N,), true grades.
        draws: Draws of the patients of these eyes.

    Returns:
        Float64 (..., 1 + D), mean difference in every draw; above 0 the first model is the more robust.

    Source: paper, section 4.3 and Figure 4. That the score is the one of the true grade is our reading.
    """
    eyes = np.arange(len(grades))
    return bootstrap_means(first[..., eyes, grades] - second[..., eyes, grades], draws)


def corruption_error(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Error under each corruption relative to a reference: CE(c) = sum over s of E(c, s) / sum over s of E_ref(c, s).

    Args:
        errors: Float (corruptions, severities, ...), error rates of a model.
        reference: The same of the reference model.

    Returns:
        Float64 (corruptions, ...); 1 is as bad as the reference, NaN where the reference never errs. Their mean is the
        mCE.

    Raises:
        InputError: If the shapes differ.

    Source: Hendrycks and Dietterich 2019, ICLR (ImageNet-C's corruption error), with another reference than AlexNet.
    """
    errors, reference = np.asarray(errors, np.float64), np.asarray(reference, np.float64)
    if errors.shape != reference.shape:
        raise InputError(f"Both models need the same grid, not {errors.shape} and {reference.shape}.")
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = errors.sum(axis=1) / reference.sum(axis=1)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def find_flips(clean: np.ndarray, damaged: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Whether a decision differs from the one on the clean eye: [s_damaged >= t] != [s_clean >= t].

    Args:
        clean: Float (N,), score of the clean eyes.
        damaged: Float (..., N), scores of the damaged ones.
        threshold: A score from here on is positive.

    Returns:
        Bool (..., N); their mean is the flip rate.

    Source: Hendrycks and Dietterich 2019, ICLR, whose flip probability on ImageNet-P counts changes of the top
    prediction between frames; here a decision at a threshold is held against that on the clean eye.
    """
    flips: np.ndarray = (np.asarray(damaged) >= threshold) != (np.asarray(clean) >= threshold)
    return flips


def correlate_heatmaps(clean: Tensor, damaged: Tensor) -> np.ndarray:
    """Spearman's rank correlation of heatmaps, pixel by pixel: rho = cov(r, r') / (sd(r) sd(r')), r the ranks.

    Args:
        clean: Float (N, H, W), pooled heatmaps of the clean eyes.
        damaged: Float (N, H, W), of the damaged ones.

    Returns:
        Float64 (N,), -1 to 1; ties share their mean rank; NaN where a map is constant.

    Raises:
        InputError: If the shapes differ.

    Source: Spearman 1904, American Journal of Psychology 15:72-101; Adebayo et al. 2018, NeurIPS, compare heatmaps
        by it.
    """
    if clean.shape != damaged.shape or clean.ndim != 3:
        raise InputError(f"Heatmaps must both be (N, H, W), not {tuple(clean.shape)} and {tuple(damaged.shape)}.")
    first, second = (_center_ranks(maps) for maps in (clean, damaged))
    length = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    undefined = np.full(len(first), np.nan)
    correlations: np.ndarray = np.divide((first * second).sum(axis=1), length, out=undefined, where=length > 0)
    return correlations


def _center_ranks(maps: Tensor) -> np.ndarray:
    ranks = rankdata(maps.detach().to("cpu", torch.float64).flatten(1).numpy(), axis=1)
    centered: np.ndarray = ranks - ranks.mean(axis=1, keepdims=True)
    return centered
