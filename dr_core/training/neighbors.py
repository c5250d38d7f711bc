"""How good features are without training on them: do the nearest eyes of other patients have the same grade?"""

import numpy as np

from dr_core.analysis.feature_probes import NEIGHBORS, weigh_neighbors
from dr_core.errors import InputError


def measure_neighbors(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Let every image be classified by its nearest neighbors among the others.

    Args:
        features: Float (N, C).
        labels: Int (N,), from 0.
        groups: (N,), such as patients; images of one group are no neighbors, since fellow eyes look alike.

    Returns:
        `knn_accuracy`: share of images whose label gets most of the weight, 0..1. `knn_balanced_accuracy`: its mean
        over the labels, for which always answering the most frequent one is no better than chance.

    Raises:
        InputError: If there is only one group.

    Source: Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination, CVPR.
    """
    if len(np.unique(groups)) < 2:
        raise InputError("Neighbors must be of other patients; the labeled eyes need at least two patients.")
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit.T  # (N, N)
    cosine[groups[:, None] == groups] = -np.inf
    nearest, weights = weigh_neighbors(cosine, min(NEIGHBORS, len(labels) - 1))
    votes = np.stack([(weights * (labels[nearest] == label)).sum(axis=1) for label in range(labels.max() + 1)], axis=1)
    right = votes.argmax(axis=1) == labels
    return {
        "knn_accuracy": float(right.mean()),
        "knn_balanced_accuracy": float(np.mean([right[labels == label].mean() for label in np.unique(labels)])),
    }
