"""Does the answer change when what a heatmap marks is taken away? Region perturbation curves.

A map may lie on the lesions and not be faithful, and the reverse: localization asks a doctor's masks, faithfulness asks
the network. Blocks of the input are filled in, the most relevant first (MoRF) and the least relevant first (LeRF); a
faithful map lets the probability fall early in the first order and late in the second. The same is done in the order of
its controls.

Source: Samek et al. 2017, IEEE Transactions on Neural Networks and Learning Systems 28(11) (region perturbation,
MoRF and LeRF); Rong et al. 2022, ICML, arXiv:2202.00449 (ROAD: filling that does not leak what was masked).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn

from dr_core.errors import InputError
from dr_core.seeds import numpy_generator

FillFunction = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Input, float (3, S, S), mask of what is taken away, bool (S, S), and a seed -> the filled input."""

ROAD_NOISE = 0.01
"""Standard deviation of the noise on imputed values. Source: Rong et al. 2022, section 4.3, as in their code."""

_WEIGHTS = {(0, 1): 1 / 6, (1, 0): 1 / 6, (1, 1): 1 / 12, (1, -1): 1 / 12}
"""Weight of a neighbor at this offset and at its opposite. Source: Rong et al. 2022, section 4.3."""


def impute_road(x: np.ndarray, mask: np.ndarray, seed: int, noise: float = ROAD_NOISE) -> np.ndarray:
    """Fill pixels by noisy linear imputation: each is the weighted mean of its eight neighbors, plus noise.

    x_i = sum over neighbors j of w_ij x_j, w = 1/6 beside and 1/12 across, solved for all masked pixels at once.

    Args:
        x: Float (C, H, W).
        mask: Bool (H, W), true where a pixel is taken away.
        seed: Seed of the noise.
        noise: Its standard deviation.

    Returns:
        Float64 (C, H, W); at the rim the weights of the neighbors that exist are scaled up.

    Source: Rong et al. 2022, arXiv:2202.00449, eq. 8 and 9.
    """
    filled = x.astype(np.float64)
    if not mask.any():
        return filled
    if mask.all():
        raise InputError("`mask` must leave at least one pixel to fill the others from.")
    numbers = np.full(mask.shape, -1)
    rows, columns = np.nonzero(mask)
    numbers[rows, columns] = np.arange(len(rows))
    height, width = mask.shape
    right = np.zeros((len(rows), len(x)))
    total = np.zeros(len(rows))
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for (down, across), weight in _WEIGHTS.items():
        for sign in (1, -1):
            y, z = rows + sign * down, columns + sign * across
            inside = (y >= 0) & (y < height) & (z >= 0) & (z < width)
            total += weight * inside
            at = np.flatnonzero(inside)
            other = numbers[y[at], z[at]]
            known = other < 0
            right[at[known]] += weight * filled[:, y[at[known]], z[at[known]]].T
            entries.append((at[~known], other[~known], np.full((~known).sum(), -weight)))
    i, j, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    diagonal = np.arange(len(rows))
    system = csr_array((np.r_[values, total], (np.r_[i, diagonal], np.r_[j, diagonal])), shape=(len(rows),) * 2)
    solved = spsolve(system.tocsc(), right).reshape(len(rows), len(x))
    solved += noise * numpy_generator(seed, "road").standard_normal(solved.shape)
    filled[:, rows, columns] = solved.T
    return filled


def inpaint(x: np.ndarray, mask: np.ndarray, seed: int = 0) -> np.ndarray:
    """Fill pixels from the border of their region, channel by channel; as `impute_road`, but smooth and without noise.

    Source: Telea 2004, Journal of Graphics Tools 9(1):23-34, as OpenCV has it.
    """
    marked = mask.astype(np.uint8)
    return np.stack(
        [cv2.inpaint(np.ascontiguousarray(channel, np.float32), marked, 3, cv2.INPAINT_TELEA) for channel in x]
    ).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Fill:
    """How what is taken away is filled.

    Attributes:
        label: Name for people.
        help: One sentence.
        apply: Fills.
    """

    label: str
    help: str
    apply: FillFunction


FILLS: dict[str, Fill] = {
    "road": Fill(
        label="ROAD",
        help="Noisy linear imputation: the shape of what was removed does not show.",
        apply=impute_road,
    ),
    "inpaint": Fill(
        label="inpainting", help="Painted over from the border, as a lesion is when it is knocked out.", apply=inpaint
    ),
}
"""The registry: name -> fill."""


def order_blocks(pooled: np.ndarray, field: np.ndarray, block: int, seed: int = 0) -> np.ndarray:
    """Rank square blocks of a map from the most to the least relevant.

    Args:
        pooled: Float (S, S), values >= 0.
        field: Bool (S, S), the field of view; blocks whose middle lies outside are left out.
        block: Side of a block in pixels.
        seed: Seed of the order of equal blocks: reading order would favor the upper half of every eye.

    Returns:
        Int (B, 2), upper row and left column of each block.

    Raises:
        InputError: If no block lies in the field.

    Source: Samek et al. 2017, eq. 10 (order by the relevance of a region).
    """
    side = pooled.shape[0] // block
    cut = side * block
    sums = pooled[:cut, :cut].reshape(side, block, side, block).sum(axis=(1, 3))
    middles = field[block // 2 : cut : block, block // 2 : cut : block]
    rows, columns = np.nonzero(middles)
    if not len(rows):
        raise InputError(f"`block` must leave blocks inside the field of view; {block} of {pooled.shape[0]} does not.")
    order = np.lexsort((numpy_generator(seed, "ties").random(len(rows)), -sums[rows, columns]))
    return np.stack([rows[order], columns[order]], axis=1) * block


@dataclass(frozen=True, kw_only=True)
class PerturbationConfig:
    """How curves are drawn.

    Attributes:
        fractions: Shares of the field of view that are taken away one after another, beyond 0.
        blocks: Blocks along a side of the view.
        fill: Key of `FILLS`.
        seed: Seed of ROAD's noise and of the random order.
    """

    fractions: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.3)
    blocks: int = 28
    fill: str = "road"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.fill not in FILLS:
            raise InputError(f"`fill` must be one of {', '.join(FILLS)}, not {self.fill!r}.")
        if not self.fractions or list(self.fractions) != sorted(self.fractions) or not 0 < self.fractions[-1] < 1:
            raise InputError("`fractions` must rise and lie between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Answers while an input is taken away.

    Attributes:
        fractions: Shares that were taken away, from 0, float (F + 1,).
        most_first: Probability of the target grade, the most relevant blocks first, float (F + 1,).
        least_first: The same, the least relevant first.
    """

    fractions: np.ndarray
    most_first: np.ndarray
    least_first: np.ndarray

    @property
    def area(self) -> float:
        """Area between the curves."""
        return area_between(self.fractions, self.most_first, self.least_first)


def area_between(fractions: np.ndarray, most_first: np.ndarray, least_first: np.ndarray) -> float:
    """Mean height between the two curves: above 0, the map marks what the answer rests on.

    A = 1/f_F times the integral over f from 0 to f_F of p_LeRF(f) - p_MoRF(f), by trapezoids.

    Args:
        fractions: Float (F + 1,), rising from 0.
        most_first: Float (F + 1,), probabilities.
        least_first: Float (F + 1,).

    Returns:
        -1 to 1; a random order gives 0 on average.

    Source: Samek et al. 2017, eq. 14 (area between perturbation curves); here divided by its width.
    """
    return float(np.trapezoid(least_first - most_first, fractions) / (fractions[-1] - fractions[0]))


def take_away(x: np.ndarray, order: np.ndarray, field: np.ndarray, config: PerturbationConfig) -> list[np.ndarray]:
    """Fill the first blocks of an order, for every fraction.

    Args:
        x: Float (3, S, S), the model's input.
        order: Int (B, 2) of `order_blocks`.
        field: Bool (S, S); nothing outside is touched.
        config: How.

    Returns:
        An input for each fraction, float64 (3, S, S).
    """
    block = max(1, x.shape[-1] // config.blocks)
    mask = np.zeros(field.shape, bool)
    done, filled = 0, []
    for fraction in config.fractions:
        until = max(1, round(fraction * len(order)))
        for row, column in order[done:until]:
            mask[row : row + block, column : column + block] = True
        done = until
        filled.append(FILLS[config.fill].apply(x, mask & field, config.seed))
    return filled


def perturb(x: Tensor, pooled: np.ndarray, field: np.ndarray, config: PerturbationConfig) -> Tensor:
    """Prepare all inputs of both curves of one map; models that see the eye alike share those of a control.

    Args:
        x: Float (3, S, S), the input that the map explains.
        pooled: Float (S, S), the map, values >= 0.
        field: Bool (S, S), field of view.
        config: How.

    Returns:
        Float (1 + 2 F, 3, S, S): the input itself, F fractions of the most relevant, F of the least relevant.

    Raises:
        InputError: If no block lies in the field of view.
    """
    order = order_blocks(pooled, field, max(1, x.shape[-1] // config.blocks), config.seed)
    values = x.cpu().numpy()
    filled = [one for ranking in (order, order[::-1]) for one in take_away(values, ranking, field, config)]
    return torch.from_numpy(np.stack([values.astype(np.float64), *filled])).to(x)


def follow(model: nn.Module, perturbed: Tensor, target: int, config: PerturbationConfig) -> Curves:
    """Follow a model's answer along both curves.

    Args:
        model: Float (N, 3, S, S) -> logits (N, classes), in evaluation mode.
        perturbed: Float (1 + 2 F, 3, S, S) of `perturb`.
        target: The grade whose probability is followed.
        config: How it was perturbed.

    Returns:
        The curves.

    Source: Samek et al. 2017, eq. 11 to 13.
    """
    with torch.no_grad():
        answers = torch.softmax(model(perturbed).double(), dim=1)[:, target].cpu().numpy()
    count = len(config.fractions)
    return Curves(
        fractions=np.array([0.0, *config.fractions]),
        most_first=answers[: count + 1],
        least_first=np.r_[answers[0], answers[count + 1 :]],
    )


def describe_faithfulness(label: str, area: float, controls: Sequence[float]) -> str:
    """Say in plain words whether a map marks what the answer rests on.

    Args:
        label: The model or method.
        area: Its area between the curves.
        controls: The areas of its controls' orders on the same eye.
    """
    strongest = max((value for value in controls if np.isfinite(value)), default=float("nan"))
    shown = f"area between the curves {area:+.2f}, strongest control {strongest:+.2f}"
    if np.isnan(strongest):
        return f"{label}: no control could be drawn, so no conclusion is possible ({area:+.2f})."
    if area > strongest and round(area, 2) > round(strongest, 2):
        return f"{label}: its answer depends more on what the heatmap marks than on what any control marks ({shown})."
    return f"{label}: its answer does not depend more on what the heatmap marks than on what a control marks ({shown})."
