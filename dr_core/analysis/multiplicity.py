"""Many tests at once: p-values corrected for their number."""

import numpy as np


def holm_adjusted(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, float64 (K,); NaN stays NaN and does not count.

    adjusted p_(i) = max over j <= i of min(1, (K - j + 1) p_(j)).

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70; statsmodels' multipletests(method="holm").
    """
    p = np.asarray(p, np.float64)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(order) - np.arange(len(order))) * p[order]))
    return adjusted
