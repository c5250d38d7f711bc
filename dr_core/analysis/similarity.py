"""How alike do two networks represent the same eyes? Linear CKA, debiased, summed up over minibatches.

Source: CKA: Kornblith et al. 2019, ICML, arXiv:1905.00414. Minibatches: Nguyen et al. 2021, ICLR, arXiv:2010.15327.
Unbiased HSIC: Song et al. 2012, JMLR 13.
"""

from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dr_core.analysis.probes import average_positions
from dr_core.errors import InputError
from dr_core.models.structure import list_blocks

FEWEST_EYES = 4
"""Eyes of which unbiased HSIC exists: it divides by n (n - 3)."""

_BLOCK_VALUES = 2**20
"""Values that are made float64 at once, 8 MB."""

_ROUNDING = 64 * torch.finfo(torch.float64).eps
"""Relative size under which what is left of a Gram matrix is rounding."""


def center_gram(features: Tensor) -> Tensor:
    """Gram matrix of features, without its diagonal and centered so that products of two are unbiased HSIC.

    With K = X X', its diagonal set to 0, and r_i the sum of its row i:
    U_ij = K_ij - (r_i + r_j) / (n - 2) + sum(r) / ((n - 1) (n - 2)) for i != j, and U_ii = 0.

    Args:
        features: Float (n, ...), one example in each row; any constant may be added to a feature.

    Returns:
        Float64 (n, n); zero where the features are constant up to rounding.

    Raises:
        InputError: If there are fewer than four examples, or a feature is not finite.

    Source: Székely and Rizzo 2014, Annals of Statistics 42, eq. 2.3; the sum of the products of two such matrices is
    n (n - 3) times the unbiased HSIC of Song et al. 2012, as a test shows.
    """
    n = len(features)
    if n < FEWEST_EYES:
        raise InputError(f"Debiased similarity needs at least {FEWEST_EYES} eyes in a minibatch, not {n}.")
    # positions first: with channels_last memory this is a view, and the order of features does not matter
    vectors = features.detach().movedim(1, -1).reshape(n, -1)
    gram = torch.zeros(n, n, dtype=torch.float64, device=vectors.device)
    columns = max(1, _BLOCK_VALUES // n)
    for start in range(0, vectors.shape[1], columns):
        block = vectors[:, start : start + columns].double()
        gram.addmm_(block, block.T)
    if not bool(torch.isfinite(gram).all()):
        raise InputError("Some activations are not finite; the network or its input is broken.")
    gram.fill_diagonal_(0)
    rows = gram.sum(dim=1)
    centered = gram - (rows[:, None] + rows[None, :]) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    centered.fill_diagonal_(0)
    return torch.zeros_like(gram) if centered.norm() <= _ROUNDING * n * gram.norm() else centered


class SimilaritySums:
    """Unbiased HSIC of every pair of layers, summed up in float64 while the minibatches pass.

    Its memory grows with the square of the number of layers alone.
    """

    def __init__(self) -> None:
        self._total: Tensor | None = None

    def add(self, grams: Sequence[Tensor]) -> None:
        """Add a minibatch: of each layer, in the same order every time, the matrix (n, n) of `center_gram`."""
        vectors = torch.stack([gram.flatten() for gram in grams])
        n = len(grams[0])
        hsic = vectors @ vectors.T / (n * (n - 3))
        self._total = hsic if self._total is None else self._total + hsic

    def similarity(self) -> np.ndarray:
        """Linear CKA of every pair of layers.

        CKA(X, Y) = sum over minibatches of HSIC_1(X_i, Y_i) / (sqrt(sum HSIC_1(X_i, X_i)) sqrt(sum HSIC_1(Y_i, Y_i))).

        Returns:
            Float64 (L, L), symmetrical, at most 1 in size: 1 of a layer with itself, about 0, of either sign, where two
            layers have nothing in common; NaN where a layer is constant.

        Raises:
            InputError: If there was no minibatch.

        Source: Nguyen et al. 2021, section on minibatch CKA; Kornblith et al. 2019, section 3.
        """
        if self._total is None:
            raise InputError("There is no image to compare representations on.")
        hsic = self._total.cpu().numpy()
        own = np.sqrt(np.diag(hsic))
        with np.errstate(invalid="ignore"):  # 0 / 0 of a constant layer is NaN, which says that there is no value
            return np.asarray(hsic / np.outer(own, own))


def linear_cka(left: Tensor, right: Tensor) -> float:
    """Debiased linear CKA of two representations of the same examples, all in one minibatch.

    Args:
        left: Float (n, ...).
        right: Float (n, ...), with as many features as it likes.

    Returns:
        At most 1, about 0 where they have nothing in common; NaN where one is constant.

    Raises:
        InputError: If they are of different numbers of examples, or as `center_gram`.

    Source: Kornblith et al. 2019, section 3, with the unbiased HSIC of Song et al. 2012.
    """
    if len(left) != len(right):
        raise InputError(f"Both representations must be of the same examples, not of {len(left)} and {len(right)}.")
    sums = SimilaritySums()
    sums.add([center_gram(left), center_gram(right)])
    return float(sums.similarity()[0, 1])


def split_minibatches(count: int, size: int, seed: int, limit: int = 0) -> list[np.ndarray]:
    """Deal examples into minibatches of nearly equal size, at random.

    Args:
        count: Number of examples.
        size: Largest number in a minibatch, unless the last would have fewer than four.
        seed: Seed of the order.
        limit: Largest number of examples that are taken; 0 takes all.

    Returns:
        The numbers of each minibatch's examples, int (n,), rising.

    Raises:
        InputError: If there are fewer than four examples.
    """
    chosen = np.random.default_rng(seed).permutation(count)[: limit or count]
    if len(chosen) < FEWEST_EYES:
        raise InputError(f"Similarity needs at least {FEWEST_EYES} eyes, not {len(chosen)}; prepare more.")
    parts = min(-(-len(chosen) // size), len(chosen) // FEWEST_EYES)
    return [np.sort(part) for part in np.array_split(chosen, parts)]


class BlockGrams:
    """While this context is open, the centered Gram matrices of a network's blocks are those of its last minibatch.

    Activations are dropped as soon as a block's matrix is there.

    Args:
        model: A network, perhaps behind another head; it is left as it was.
        pooled: Whether activations are averaged over the picture first.

    Raises:
        InputError: If the model has no blocks.
    """

    def __init__(self, model: nn.Module, *, pooled: bool = False) -> None:
        self._blocks = list_blocks(model)
        self._pooled = pooled
        self._found: dict[str, Tensor] = {}
        self._handles: list[RemovableHandle] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks, from the input to the output."""
        return tuple(self._blocks)

    @property
    def grams(self) -> list[Tensor]:
        """Of each block, in the order of `names`, the matrix of the minibatch that has passed last."""
        return [self._found[name] for name in self._blocks]

    def __enter__(self) -> "BlockGrams":
        self._handles = [block.register_forward_hook(self._recorder(name)) for name, block in self._blocks.items()]
        return self

    def _recorder(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def record(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._found[name] = center_gram(average_positions(output.double()) if self._pooled else output)

        return record

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
