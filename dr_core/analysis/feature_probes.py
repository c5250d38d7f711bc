"""How well frozen features tell eyes apart: a logistic regression on them, and the vote of the nearest neighbors."""

import numpy as np

from dr_core.errors import InputError

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the ridge penalty among which patients of the fitting half choose."""

NEIGHBORS = 20
"""Neighbors that vote."""

TEMPERATURE = 0.07
"""Of the weights exp(cosine / T). Source: Wu et al. 2018, section 3.4."""


def score_linearly(features: np.ndarray, labels: np.ndarray, others: np.ndarray, inverse_penalty: float) -> np.ndarray:
    """Score eyes by a logistic regression on the features of other eyes.

    w, b = argmin of sum log(1 + exp(-y (w z + b))) + ||w||^2 / (2 C), with z the features brought to mean 0 and
    standard deviation 1 on the eyes that are fitted.

    Args:
        features: Float (N, d), of the eyes that are fitted.
        labels: Bool (N,), both of them present.
        others: Float (M, d), of the eyes that are scored.
        inverse_penalty: C.

    Returns:
        w z + b of the others, float64 (M,); higher means more likely positive.

    Raises:
        InputError: If the fitted eyes are of one class alone.

    Source: Alain and Bengio 2016, arXiv:1610.01644 (linear probes); scikit-learn's logistic regression.
    """
    if labels.all() or not labels.any():
        raise InputError("The eyes of the fitting half are of one class alone; use more eyes.")
    from sklearn.linear_model import LogisticRegression  # takes a second, and few commands probe

    mean, spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(C=inverse_penalty, max_iter=5000)
    model.fit((features - mean) / spread, labels)
    scores: np.ndarray = model.decision_function((others - mean) / spread)
    return scores


def score_by_neighbors(features: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Score eyes by the share of positive ones among their nearest of other eyes, near ones counting more.

    score = sum over the k nearest of exp(cos / tau) y / sum over them of exp(cos / tau), k = 20, tau = .07.

    Args:
        features: Float (N, d), of the eyes whose labels are known.
        labels: Bool (N,).
        others: Float (M, d), of the eyes that are scored.

    Returns:
        Float64 (M,), 0..1.

    Source: Wu et al. 2018, CVPR, section 3.4.
    """
    unit, asked = _unit(features), _unit(others)
    nearest, weights = weigh_neighbors(asked @ unit.T)
    shares: np.ndarray = (weights * labels[nearest]).sum(axis=1) / weights.sum(axis=1)
    return shares


def weigh_neighbors(cosine: np.ndarray, most: int = NEIGHBORS) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest eyes of each eye, and how much each of their votes counts: exp((cos - 1) / T).

    Args:
        cosine: Cosine similarity of each asked eye to each known one, float (M, N); -inf where it must not vote.
        most: Largest number of neighbors, k.

    Returns:
        Columns of the neighbors, int (M, k), the nearest first, and their weights, float (M, k), 0..1.

    Source: Wu et al. 2018, CVPR, section 3.4; the constant -1 is of no effect on shares.
    """
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
    weights: np.ndarray = np.exp((np.take_along_axis(cosine, nearest, axis=1) - 1) / TEMPERATURE)
    return nearest, weights


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return unit
