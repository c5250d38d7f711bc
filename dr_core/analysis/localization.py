"""Does the relevance lie on the lesions? Poolings of a heatmap, and three scores against a mask.

The paper calls its second score RRA and takes pixels above the "top i-th percentile". CLEVR-XAI, where RRA comes from,
takes the |S| most relevant pixels of a mask of |S|; a random heatmap then scores the mask's share, some .01. The random
rows of the paper are .988 to .992 for every lesion, so it seems to keep 99 % of the pixels. Both are here, named apart:
`relevance_rank_accuracy` and `relevance_recall`. That is our reading, not a statement of the paper.

Source: Arras et al. 2022, CLEVR-XAI, Information Fusion 81:14-40; paper, equations 2 and 3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dr_core.errors import InputError
from dr_core.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How the relevance of three channels becomes one map of values >= 0.

    Attributes:
        label: Name for people, as CLEVR-XAI writes it.
        formula: What is computed.
        apply: Float64 (N, 3, H, W) -> (N, H, W).
    """

    label: str
    formula: str
    apply: Callable[[Tensor], Tensor]


POOLINGS: dict[str, Pooling] = {
    "sum_pos": Pooling(label="sum,pos", formula="max(0, sum of channels)", apply=lambda r: r.sum(dim=1).clamp(min=0)),
    "l2_norm_sq": Pooling(label="l2-norm,sq", formula="sum of squares", apply=lambda r: (r * r).sum(dim=1)),
    "sum_abs": Pooling(label="sum,abs", formula="|sum of channels|", apply=lambda r: r.sum(dim=1).abs()),
    "max_norm": Pooling(label="max-norm", formula="largest |channel|", apply=lambda r: r.abs().amax(dim=1)),
    "l1_norm": Pooling(label="l1-norm", formula="sum of |channels|", apply=lambda r: r.abs().sum(dim=1)),
    "l2_norm": Pooling(
        label="l2-norm", formula="root of the sum of squares", apply=lambda r: (r * r).sum(dim=1).sqrt()
    ),
}
"""The registry: name -> pooling. The paper reports the first two."""


def pool(relevance: Tensor, pooling: str) -> Tensor:
    """Pool the channels of a heatmap: sum_pos = max(0, sum over c of R_c), l2_norm_sq = sum over c of R_c^2, others.

    Args:
        relevance: Float (N, 3, H, W).
        pooling: A key of `POOLINGS`.

    Returns:
        Float64 (N, H, W), values >= 0.

    Raises:
        InputError: If the pooling is unknown or the shape is another.

    Source: paper, section 4.4; Arras et al. 2022, CLEVR-XAI (all six).
    """
    if pooling not in POOLINGS:
        raise InputError(f"`pooling` must be one of {', '.join(POOLINGS)}, not {pooling!r}.")
    if relevance.ndim != 4:
        raise InputError(f"`relevance` must have the shape (N, 3, H, W), not {tuple(relevance.shape)}.")
    return POOLINGS[pooling].apply(relevance.double())


def relevance_mass_accuracy(pooled: Tensor, mask: Tensor) -> Tensor:
    """Share of all relevance that lies in the mask: RMA = sum over i in S of R_i / sum over all i of R_i.

    Args:
        pooled: Float64 (N, H, W), values >= 0.
        mask: Bool (N, H, W).

    Returns:
        Float64 (N,) in [0, 1], higher is better; chance is the mask's share of the image. NaN where the mask is empty
        or there is no relevance at all; `why_undefined` says which.

    Raises:
        InputError: If the shapes differ.

    Source: paper, equation 2; Arras et al. 2022, CLEVR-XAI.
    """
    pooled, mask = _flatten(pooled, mask)
    score = (pooled * mask).sum(dim=1) / pooled.sum(dim=1)  # 0/0 is NaN where there is no relevance
    return score.where(mask.any(dim=1), torch.nan)


def relevance_rank_accuracy(pooled: Tensor, mask: Tensor) -> Tensor:
    """Share of the |S| most relevant pixels that lie in the mask: RRA = |P_top-|S| intersected with S| / |S|.

    Pixels of equal relevance rank in reading order, the upper left first; `zero_share` says how many are exactly 0.

    Args:
        pooled: Float64 (N, H, W), values >= 0.
        mask: Bool (N, H, W).

    Returns:
        Float64 (N,) in [0, 1], higher is better; chance is the mask's share of the image. NaN as for mass accuracy.

    Raises:
        InputError: If the shapes differ.

    Source: Arras et al. 2022, CLEVR-XAI (relevance rank accuracy), which the paper cites as its source.
    """
    pooled, mask = _flatten(pooled, mask)
    order = _distinct(pooled).argsort(dim=1, descending=True, stable=True).expand_as(pooled)
    size = mask.sum(dim=1)  # (N,)
    chosen = torch.arange(mask.shape[1], device=mask.device) < size[:, None]  # (N, HW): the first |S| ranks
    hits = (mask.gather(1, order) & chosen).sum(dim=1)
    defined = (size > 0) & (pooled > 0).any(dim=1)
    return (hits.double() / size).where(defined, torch.nan)


def relevance_recall(pooled: Tensor, mask: Tensor, percentile: float = 1.0) -> Tensor:
    """Share of the mask above a percentile of the whole map: |{i in S: R_i > q_p(R)}| / |S|.

    Args:
        pooled: Float64 (N, H, W), values >= 0.
        mask: Bool (N, H, W).
        percentile: 0 up to 100, interpolated linearly between pixels as numpy does. Ties fall out: pixels that equal
            the percentile do not count, so a map with many exact zeros scores less than a random one.

    Returns:
        Float64 (N,) in [0, 1], higher is better; NaN as for mass accuracy. Chance is what a random map measures by the
        same pooling (`pool_random_relevance`): 1 - percentile/100 where no pixel is clamped, .50 under sum_pos.

    Raises:
        InputError: If the shapes differ or the percentile is out of range.

    Source: paper, equation 3, as its control rows imply; our reading (docs/methods.md).
    """
    if not 0 <= percentile <= 100:
        raise InputError(f"`percentile` must be between 0 and 100, not {percentile}.")
    pooled, mask = _flatten(pooled, mask)
    above = pooled > _percentile(_distinct(pooled), percentile)[:, None]
    size = mask.sum(dim=1)
    defined = (size > 0) & (pooled > 0).any(dim=1)
    return ((above & mask).sum(dim=1).double() / size).where(defined, torch.nan)


def _distinct(pooled: Tensor) -> Tensor:
    """The only row of a map that was expanded to many masks, which is then sorted once; otherwise all rows."""
    return pooled[:1] if pooled.stride(0) == 0 else pooled


def _percentile(values: Tensor, percentile: float) -> Tensor:
    """Linear percentile of each row, float64 (N,); torch.quantile refuses more than 16 million values."""
    ordered = values.sort(dim=1).values
    position = (values.shape[1] - 1) * percentile / 100
    low = int(position)
    high = min(low + 1, values.shape[1] - 1)
    return ordered[:, low].lerp(ordered[:, high], position - low)


def mask_share(mask: Tensor) -> Tensor:
    """Share of the image that a mask covers, |S| / (H W), float64 (N,): a random heatmap's mass and rank accuracy.

    Source: expectation over maps whose pixels all have one law.
    """
    return mask.flatten(1).double().mean(dim=1)


def zero_share(pooled: Tensor) -> Tensor:
    """Share of pixels that are exactly 0, |{i: R_i = 0}| / (H W), float64 (N,): they tie at the end of a ranking."""
    return (pooled.flatten(1) == 0).double().mean(dim=1)


def why_undefined(pooled: Tensor, mask: Tensor) -> list[str | None]:
    """Say for each image why its scores are NaN, or None where they are not."""
    pooled, mask = _flatten(pooled, mask)
    reasons: list[str | None] = []
    for relevant, marked in zip((pooled > 0).any(dim=1).tolist(), mask.any(dim=1).tolist(), strict=True):
        reasons.append(None if relevant and marked else "no such lesion" if not marked else "no positive relevance")
    return reasons


def sample_random_relevance(shape: tuple[int, ...], seed: int) -> Tensor:
    """Draw a Gaussian heatmap, each R_i from N(0, 1): float64 of the shape, the same for the same seed.

    Source: paper, section 4.4 and Table 3 ("Random"), which do not name the law; Gaussian is our reading.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "random relevance"))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def pool_random_relevance(shape: tuple[int, ...], pooling: str, seed: int) -> Tensor:
    """Draw a Gaussian heatmap and pool it: the random control of every score, measured as the heatmap itself is.

    Args:
        shape: N, H and W.
        pooling: A key of `POOLINGS`.
        seed: Seed of the map.

    Returns:
        Float64 (N, H, W).

    Source: paper, Table 3 ("Random").
    """
    images, height, width = shape
    return pool(sample_random_relevance((images, 3, height, width), seed), pooling)


def relevance_entropy(pooled: Tensor, field: Tensor) -> Tensor:
    """How outspread a heatmap is: H = -sum over i in F of p_i ln p_i / ln |F|, with p_i = R_i / sum over F of R.

    Args:
        pooled: Float64 (N, H, W), values >= 0.
        field: Bool (N, H, W), the field of view F.

    Returns:
        Float64 (N,), 0 (all relevance in one pixel) to 1 (the same in each); NaN without relevance in the field.

    Raises:
        InputError: If the shapes differ.

    Source: Shannon 1948, over its largest value; our measure of the paper's "more outspread" (section 4.4).
    """
    pooled, field = _flatten(pooled, field)
    inside = pooled * field
    share = inside / inside.sum(dim=1, keepdim=True)  # 0/0 is NaN where there is no relevance
    bits = torch.where(share > 0, -share * share.clamp(min=torch.finfo(share.dtype).tiny).log(), share * 0)
    return bits.sum(dim=1) / field.sum(dim=1).double().log()


def _flatten(pooled: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    if pooled.ndim != 3 or pooled.shape != mask.shape:
        raise InputError(
            "`pooled` and `mask` must both have the shape (N, H, W), not "
            f"{tuple(pooled.shape)} and {tuple(mask.shape)}."
        )
    return pooled.double().flatten(1), mask.to(pooled.device).bool().flatten(1)
