"""Which law do eigenvalues follow? The paper's way (distfit), and beside it likelihoods that say when nobody can tell.

distfit compares densities with a histogram, which on 64 values finds a true Pareto law in few cases; maximum-likelihood
fits with Vuong's test say whether the data can tell Pareto from its rivals at all.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from dr_core.errors import InputError
from dr_core.seeds import numpy_generator

RIVALS = ("expon", "gamma", "lognorm", "weibull_min")
"""Laws of positive numbers that Pareto is held against, all starting at 0."""

DISTFIT = ("norm", "expon", "pareto", "dweibull", "t", "genextreme", "gamma", "lognorm", "beta", "uniform", "loggamma")
"""distfit's own choice ("popular")."""

MEANINGS: dict[str, str] = {
    "pareto": "a few directions carry nearly everything, and there is no typical size",
    "lognorm": "sizes spread over orders of magnitude around a typical one",
    "expon": "sizes fall off quickly; very large ones do not occur",
    "gamma": "a typical size with a moderate tail",
    "weibull_min": "sizes fall off faster or slower than exponentially, by the shape",
}
"""Law -> what it means for a layer, for people."""

FEWEST = 10
"""Fewest values that are fitted."""

_SURE = 1.96


@dataclass(frozen=True, kw_only=True)
class DistributionFit:
    """What the values say about their law.

    Attributes:
        table: One row a law: `distribution`, `rss` (distfit; NaN where it did not try), `aic`, `bic`, `ks` (NaN where
            no likelihood was fitted), `vuong` and `p` (Pareto against it; NaN for Pareto).
        alpha: Shape of the Pareto law by maximum likelihood.
        alpha_low: Lower end of its 95 % bootstrap interval.
        alpha_high: Upper end.
        alpha_distfit: Shape that distfit finds, with its free location: what the paper's Table 2 gives.
        verdict: What the evidence says, in words.
    """

    table: pd.DataFrame
    alpha: float
    alpha_low: float
    alpha_high: float
    alpha_distfit: float
    verdict: str


def fit_distributions(
    values: np.ndarray, *, groups: np.ndarray | None = None, draws: int = 1000, seed: int = 0
) -> DistributionFit:
    """Fit laws to positive values.

    Args:
        values: Float (N,); values that are not above 0 are left out.
        groups: Anything (N,); values of one group, such as one eye, hang together, so that Vuong's variance and the
            bootstrap count groups. None takes every value for itself.
        draws: Bootstrap draws of alpha.
        seed: Seed of the draws.

    Raises:
        InputError: If a value is not finite or fewer than ten, or fewer than ten different ones, are above 0.

    Source: Paper, section 4.2.3 (distfit); Vuong 1989, Econometrica 57:307-333; Clauset et al. 2009, SIAM Review 51.
    """
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise InputError("Some values are not finite; compute the spectrum again.")
    group = np.arange(len(values)) if groups is None else np.asarray(groups)
    group = np.unique(group[values > 0], return_inverse=True)[1]
    values = values[values > 0]
    if len(np.unique(values)) < FEWEST:
        raise InputError(
            f"A law needs at least {FEWEST} different values above 0, not {len(np.unique(values))}: the activations "
            "of this layer hardly vary."
        )
    rss, alpha_distfit = _run_distfit(values)
    likelihoods = {name: _fit_likelihood(name, values) for name in ("pareto", *RIVALS)}
    rows = [_describe(name, group, likelihoods, rss.pop(name, np.nan)) for name in likelihoods]
    rows += [{"distribution": name, "rss": score} for name, score in rss.items()]
    table = pd.DataFrame(rows, columns=["distribution", "rss", "aic", "bic", "ks", "vuong", "p"])
    low, high = np.percentile(_bootstrap_alphas(values, group, draws, seed), [2.5, 97.5])
    return DistributionFit(
        table=table,
        alpha=float(_pareto_alpha(values[None])[0]),
        alpha_low=float(low),
        alpha_high=float(high),
        alpha_distfit=alpha_distfit,
        verdict=_judge(table, len(values)),
    )


def _pareto_alpha(samples: np.ndarray) -> np.ndarray:
    """Maximum likelihood of the shape, float (D,), of samples float (D, N) above their own smallest value."""
    logs = np.log(samples)
    result: np.ndarray = samples.shape[1] / np.maximum((logs - logs.min(axis=1, keepdims=True)).sum(axis=1), 1e-12)
    return result


def _bootstrap_alphas(values: np.ndarray, group: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Alpha where whole groups are drawn with replacement, float (D,)."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    logs = np.log(values[order])
    count = np.diff(np.append(starts, len(logs)))
    total, least = np.add.reduceat(logs, starts), np.minimum.reduceat(logs, starts)
    drawn = numpy_generator(seed, "alpha").integers(len(count), size=(draws, len(count)))
    number = count[drawn].sum(axis=1)
    result: np.ndarray = number / np.maximum(total[drawn].sum(axis=1) - number * least[drawn].min(axis=1), 1e-12)
    return result


def _run_distfit(values: np.ndarray) -> tuple[dict[str, float], float]:
    """Residual sums of squares by law, and the shape of its Pareto fit."""
    from distfit import distfit  # slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own use of pandas and of fits that wander off
        model = distfit(distr=list(DISTFIT), stats="RSS", verbose="silent", random_state=0)
        model.fit_transform(values)
    summary = model.summary.set_index("name")
    rss = {str(name): float(summary.loc[name, "score"]) for name in DISTFIT if name in summary.index}
    return rss, float(summary.loc["pareto", "params"][0]) if "pareto" in rss else float("nan")


@dataclass(frozen=True)
class _Likelihood:
    pointwise: np.ndarray  # log density of each value
    parameters: int
    ks: float


def _fit_likelihood(name: str, values: np.ndarray) -> _Likelihood:
    law = getattr(stats, name)
    if name == "pareto":
        params: tuple[float, ...] = (float(_pareto_alpha(values[None])[0]), 0.0, float(values.min()))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the search may step outside the support
            params = law.fit(values, floc=0)
    ks = float(stats.kstest(values, law.cdf, args=params).statistic)
    return _Likelihood(law.logpdf(values, *params), len(params) - 1, ks)


def _describe(name: str, group: np.ndarray, fits: dict[str, _Likelihood], rss: float) -> dict[str, object]:
    fit, n = fits[name], len(group)
    total = float(fit.pointwise.sum())
    z, p = np.nan, np.nan
    if name != "pareto":
        gain = np.bincount(group, fits["pareto"].pointwise - fit.pointwise)  # one number a group
        z = float(np.sqrt(len(gain)) * gain.mean() / max(float(gain.std(ddof=1)), 1e-12)) if len(gain) > 1 else np.nan
        p = float(2 * stats.norm.sf(abs(z)))
    return {
        "distribution": name,
        "rss": rss,
        "aic": 2 * fit.parameters - 2 * total,
        "bic": np.log(n) * fit.parameters - 2 * total,
        "ks": fit.ks,
        "vuong": z,
        "p": p,
    }


def _judge(table: pd.DataFrame, n: int) -> str:
    fitted = table.dropna(subset=["aic"]).set_index("distribution")
    rivals = fitted.drop(index="pareto")
    better = rivals[rivals["vuong"] < -_SURE]
    open_ones = rivals[rivals["vuong"].abs() <= _SURE]
    best = str(fitted["aic"].idxmin())
    distance = float(fitted["ks"].to_dict()[best])
    if not better.empty:
        words = f"Not Pareto: the {n} values are described better by {', '.join(better.index)}."
    elif not open_ones.empty:
        words = f"The evidence cannot tell: {n} values do not separate Pareto from {', '.join(open_ones.index)}."
    else:
        words = f"Pareto describes the {n} values better than {', '.join(rivals.index)}."
    if distance > 1.36 / np.sqrt(n):  # the 5 % limit, generous since the parameters were fitted
        words += f" Even the best, {best}, fits badly (KS distance {distance:.2f})."
    return words


def top_share(alpha: float, top: float = 0.2) -> float:
    """Share of the sum that the largest values hold under a Pareto law.

    Args:
        alpha: Shape, above 0.
        top: Share of the values, 0..1.

    Returns:
        0..1: for alpha = 1.16 the largest 20 % hold 80 %; 1 where alpha is at most 1, whose sum has no bound.

    Source: Newman 2005, Contemporary Physics 46:323-351, section 3.4.
    """
    return 1.0 if alpha <= 1 else float(top ** (1 - 1 / alpha))
