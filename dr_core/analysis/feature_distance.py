"""Distance of an eye's last features from those of the training eyes: how far a network is from what it knows."""

from dataclasses import dataclass

import numpy as np

from dr_core.errors import InputError

FEWEST_EYES = 50
"""With fewer training eyes a covariance says nothing."""

LIMITS = (0.95, 0.99)
"""Shares of training eyes, left out of the fit, whose distance is stored as a limit."""

_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class FeatureReference:
    """The last features of a network's training eyes.

    Attributes:
        mean: Float64 (C,).
        loadings: Float64 (C, K), the strongest directions, each as long as its standard deviation.
        noise: Variance of every other direction.
        limits: For each share of `LIMITS` the distance within which so many eyes lie that had no part in the fit.
        eyes: Number of training eyes.
    """

    mean: np.ndarray
    loadings: np.ndarray
    noise: float
    limits: tuple[float, ...]
    eyes: int

    def distance(self, features: np.ndarray) -> np.ndarray:
        """d^2 = (sum over k of (u_k . (x - m))^2 / lambda_k + |rest of (x - m)|^2 / sigma^2) / C.

        Where u_k and lambda_k are the directions and variances of the loadings, sigma^2 the noise: the squared
        Mahalanobis distance under a covariance whose weak directions are taken as equal, per feature; near 1 for
        training eyes.

        Args:
            features: Float (N, C).

        Returns:
            Float64 (N,).

        Raises:
            InputError: If the features are of another network.

        Source: Lee et al. 2018, NeurIPS, equation 2, with one class for all eyes; the covariance after Tipping and
            Bishop 1999, J. R. Statist. Soc. B 61:611-622, equation 7.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise InputError(f"There must be {len(self.mean)} features for each eye, not {features.shape[1:]}.")
        away = features.astype(np.float64) - self.mean
        variances = (self.loadings**2).sum(axis=0)
        along = away @ (self.loadings / np.sqrt(variances))
        rest = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        found: np.ndarray = ((along**2 / variances).sum(axis=1) + rest / self.noise) / len(self.mean)
        return found


def fit_reference(features: np.ndarray, patients: np.ndarray, rank: int = 16, seed: int = 0) -> FeatureReference:
    """Fit a reference; the limits are those of patients that had no part in the fit, in five folds.

    Args:
        features: Float (N, C), the last features of the training eyes.
        patients: Names, (N,); the eyes of one patient are in one fold.
        rank: Number of directions with a variance of their own, K.
        seed: Seed of the folds.

    Raises:
        InputError: If there are fewer than 50 eyes or five patients, or a feature is not finite.

    Source: Tipping and Bishop 1999, J. R. Statist. Soc. B 61:611-622, equations 7 and 8: the loadings are
        U (Lambda)^1/2, and sigma^2 is the mean of the variances that are left; the limits are ours.
    """
    names = np.unique(patients.astype(str))
    if len(features) < FEWEST_EYES or len(names) < _FOLDS:
        raise InputError(
            f"The distance needs at least {FEWEST_EYES} training eyes of {_FOLDS} patients, not {len(features)}."
        )
    if not np.isfinite(features).all():
        raise InputError("Some features of the training eyes are no numbers; train the model again.")
    fold_of = dict(zip(np.random.default_rng(seed).permutation(names), np.arange(len(names)) % _FOLDS, strict=True))
    folds = np.array([fold_of[name] for name in patients.astype(str)])
    outside = np.empty(len(features))
    for fold in range(_FOLDS):
        outside[folds == fold] = _fit(features[folds != fold], rank).distance(features[folds == fold])
    whole = _fit(features, rank)
    limits = tuple(np.quantile(outside, LIMITS).tolist())
    return FeatureReference(**vars(whole) | {"limits": limits})


def _fit(features: np.ndarray, rank: int) -> FeatureReference:
    values = features.astype(np.float64)
    mean, count = values.mean(axis=0), min(rank, min(values.shape) - 1)
    _, strength, directions = np.linalg.svd(values - mean, full_matrices=False)
    variances = strength**2 / max(len(values) - 1, 1)
    noise = max(float(variances[count:].sum()) / max(values.shape[1] - count, 1), 1e-8)
    loadings = directions[:count].T * np.sqrt(np.maximum(variances[:count], noise))
    return FeatureReference(mean=mean, loadings=loadings, noise=noise, limits=(), eyes=len(values))
