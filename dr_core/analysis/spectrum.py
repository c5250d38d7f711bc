"""Which directions a network's channels use: eigenvalues of the covariance of each convolution's output.

The covariance is summed up in float64 while the batches pass, so that memory does not grow with the data. A 1x1
convolution is linear: where it has more outputs than inputs, the covariance of its output is computed from that of its
input, W C W', which is exact and up to sixteen times cheaper.
"""

from collections.abc import Iterable
from types import TracebackType

import numpy as np
import torch
import torch.distributed
from scipy.stats import gaussian_kde
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dr_core.errors import InputError

_ROUNDING = 64 * torch.finfo(torch.float64).eps
"""Relative size under which a difference of two sums is rounding."""


_BLOCK_VALUES, _FEWEST_ROWS = 2**18, 256
"""Values that are shifted at once, which a processor's cache holds, and the fewest vectors for a product at speed."""

_ROWS_OF_A_SUM, _ROWS_ON_A_GPU = 2**12, 2**15
"""Vectors whose products are summed in their own type before the sum is added to one of float64."""


class Moments:
    """Count, sum and sum of products of vectors x, taken from a shift s.

    s is the mean of the first batch, so that products of float32 lose nothing to a mean that is large beside the
    spread. Products are summed in the vectors' own type over some thousand vectors, and those sums in float64.

    Attributes:
        count: Number of vectors.
        shift: Float64 (C,), s; None before the first vector, as what follows.
        total: Float64 (C,), the sum of x - s.
        products: Float64 (C, C), the sum of (x - s)(x - s)'.
    """

    def __init__(self) -> None:
        self.count = 0
        self.shift: Tensor | None = None
        self.total: Tensor | None = None
        self.products: Tensor | None = None
        self._begun: Tensor | None = None
        self._rows = 0

    def add(self, activations: Tensor) -> None:
        """Add float (N, C, ...): every position of every image is a vector of the C channels."""
        # positions first: with channels_last memory this is a view
        vectors = activations.detach().movedim(1, -1).reshape(-1, activations.shape[1])
        if self.shift is None or self.total is None or self._begun is None:
            channels = vectors.shape[1]
            self.shift = vectors.double().mean(dim=0).to(vectors.dtype).double()
            self.total, self.products = torch.zeros_like(self.shift), self.shift.new_zeros(channels, channels)
            self._begun = vectors.new_zeros(channels, channels)
        shift = self.shift.to(vectors.dtype)
        # a block is shifted in the processor's cache; a copy of everything would go through memory
        rows = _ROWS_ON_A_GPU if vectors.is_cuda else max(_FEWEST_ROWS, _BLOCK_VALUES // vectors.shape[1])
        for start in range(0, len(vectors), rows):
            block = vectors[start : start + rows] - shift
            self.total += block.sum(dim=0)
            self._begun.addmm_(block.T, block)
            self._rows += len(block)
            if self._rows >= _ROWS_OF_A_SUM:
                self._add_up()
        self.count += len(vectors)

    def _add_up(self) -> None:
        if self._rows and self.products is not None and self._begun is not None:
            # not in place: a sum may have begun in inference mode, and end outside of it
            self.products, self._begun = self.products + self._begun, torch.zeros_like(self._begun)
            self._rows = 0

    def _move(self, shift: Tensor) -> None:
        """Take everything from another shift: with d = s - s', x - s' = (x - s) + d."""
        assert self.shift is not None  # for the type checker, as the next
        assert self.total is not None and self.products is not None
        moved = self.shift - shift
        mixed = torch.outer(self.total, moved)
        self.products = self.products + mixed + mixed.T + self.count * torch.outer(moved, moved)
        self.total, self.shift = self.total + self.count * moved, shift

    def reduce(self) -> None:
        """Add up what all ranks have seen, in place; nothing where there is one rank.

        Raises:
            InputError: If this rank has seen no vector.
        """
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        self._add_up()
        if self.shift is None:
            raise InputError("A rank has seen no image; use fewer ranks or more images.")
        common = self.shift.clone()
        torch.distributed.broadcast(common, 0)
        self._move(common)
        count = torch.tensor(self.count, device=common.device)
        for tensor in (count, *(tensor for tensor in (self.total, self.products) if tensor is not None)):
            torch.distributed.all_reduce(tensor)
        self.count = int(count)

    def covariance(self, *, centered: bool = True, weight: Tensor | None = None) -> Tensor:
        """Covariance of the vectors, or of a linear map of them.

        C = P / n - (t / n)(t / n)', P and t the sums of products and of vectors, from any shift. A sum of float32 over
        m vectors, some thousand, errs by at most m eps |x_i| |x_j|, and typically by its root.

        Args:
            centered: Whether the mean is taken off; otherwise the mean of x x'.
            weight: Float (K, C), the map; a bias does not change what is centered.

        Returns:
            Float64 (C, C), or (K, K) with a weight.

        Raises:
            InputError: If no vector was seen, or an activation is not finite.

        Source: Chan, Golub and LeVeque 1983, The American Statistician 37(3), eq. 1.7 (shifted data).
        """
        self._add_up()
        if self.shift is None or self.total is None or self.products is None:
            raise InputError("There is no image to compute a spectrum from.")
        covariance, mean = self.products / self.count, self.total / self.count
        scale = covariance.diagonal().sqrt()
        covariance = covariance - torch.outer(mean, mean)
        # what is left of constant channels is rounding, and must not pass for a direction
        covariance[covariance.abs() <= _ROUNDING * torch.outer(scale, scale)] = 0
        if not centered:
            covariance = covariance + torch.outer(mean + self.shift, mean + self.shift)
        if not bool(torch.isfinite(covariance).all()):
            raise InputError("Some activations are not finite; the network or its input is broken.")
        return covariance if weight is None else weight.double() @ covariance @ weight.double().T


Layer = nn.Conv2d | nn.Linear


def measured_layers(model: nn.Module) -> dict[str, Layer]:
    """Convolutions and linear layers by name, as the module lists them; the forward pass may take another order.

    Linear layers are measured where they act on positions or tokens, each of which is a sample as the positions of a
    convolution are; one that acts on whole images, as the last layer does, is left out when it is met.
    """
    return {name: module for name, module in model.named_modules() if isinstance(module, Layer)}


class SpectrumHooks:
    """While this context is open, every batch that passes the model is added to the moments of its convolutions.

    Args:
        model: Any network; it is left as it was.
        centered: Whether the mean of each channel is taken off.
    """

    def __init__(self, model: nn.Module, *, centered: bool = True) -> None:
        self.centered = centered
        self._modules = measured_layers(model)
        self._moments: dict[str, Moments] = {}  # in the order of the forward pass
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "SpectrumHooks":
        self._handles = [
            module.register_forward_hook(lambda module, inputs, output, name=name: self._add(name, inputs[0], output))
            for name, module in self._modules.items()
        ]
        return self

    def _add(self, name: str, incoming: Tensor, outgoing: Tensor) -> None:
        module = self._modules[name]
        if isinstance(module, nn.Linear):
            if outgoing.dim() > 2:
                moments = self._moments.setdefault(name, Moments())
                moments.add((incoming if self._from_input(module) else outgoing).movedim(-1, 1))
            return
        moments = self._moments.setdefault(name, Moments())
        if self._from_input(module):
            rows, columns = (int(step) for step in module.stride)
            moments.add(incoming[:, :, ::rows, ::columns])
        else:
            moments.add(outgoing)

    def _from_input(self, module: Layer) -> bool:
        """Whether the input's covariance is the cheaper way to the same result."""
        if isinstance(module, nn.Linear):
            return module.in_features < module.out_features and (self.centered or module.bias is None)
        plain = module.kernel_size == (1, 1) and module.groups == 1 and module.padding == (0, 0)
        # uncentered, a bias would enter as well
        return plain and module.in_channels < module.out_channels and (self.centered or module.bias is None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def samples(self) -> dict[str, int]:
        """Number of positions that each layer's covariance rests on."""
        return {name: moments.count for name, moments in self._moments.items()}

    def eigenvalues(self) -> dict[str, Tensor]:
        """Falling eigenvalues, float64 (C,), of each layer's output, in the order of the forward pass."""
        if not self._moments:
            raise InputError("There is no image, or the network has no convolution.")
        found = {}
        for name, moments in self._moments.items():
            moments.reduce()
            module = self._modules[name]
            weight = module.weight.detach().flatten(1) if self._from_input(module) else None
            covariance = moments.covariance(centered=self.centered, weight=weight)
            found[name] = torch.linalg.eigvalsh(covariance).flip(0).cpu()
        return found


@torch.inference_mode()
def activation_eigenvalues(model: nn.Module, batches: Iterable[Tensor], *, centered: bool = True) -> dict[str, Tensor]:
    """Eigenvalues of the covariance of the activations of every layer, over all images and positions or tokens.

    Layers are the convolutions and, in networks that have them there, linear layers on positions or tokens.

    With torch.distributed running, each rank gives its own batches and gets the result of all.

    Args:
        model: The network, in evaluation mode, on the device of the batches.
        batches: Float (N, 3, H, W), of any sizes N.
        centered: Whether the mean of each channel is taken off (a covariance) or not (mean of products).

    Returns:
        Layer -> float64 (C,), falling, in the order of the forward pass.

    Raises:
        InputError: If there is no image, or an activation is not finite.

    Source: paper, section 4.2.
    """
    with SpectrumHooks(model, centered=centered) as hooks:
        for batch in batches:
            model(batch)
        return hooks.eigenvalues()


def count_rank(eigenvalues: Tensor | np.ndarray) -> int:
    """Number of eigenvalues above rounding: |lambda_i| > C eps max over j of |lambda_j|, eps that of float32.

    Source: The limit is that of `numpy.linalg.matrix_rank`, whose documentation cites Press et al. 2007, Numerical
    Recipes, third edition, page 795.
    """
    values = np.abs(np.asarray(eigenvalues, np.float64))
    limit = values.max(initial=0) * len(values) * np.finfo(np.float32).eps
    return int((values > limit).sum())


def log_density(eigenvalues: np.ndarray, decades: np.ndarray) -> np.ndarray:
    """Density of log10(lambda), by kernels on the logarithmic axis: one that many orders of magnitude can be read on.

    f(u) = 1 / (n h) sum_i phi((u - log10 lambda_i) / h), with u = log10 lambda, phi the standard normal density and
    h = n^(-1/5) std(log10 lambda).

    Source: Scott 1992, Multivariate Density Estimation, eq. 6.42 for one dimension (the bandwidth).

    Args:
        eigenvalues: Float (n,); those that are not positive have no logarithm and are left out.
        decades: Float (k,), where the density is wanted, as log10 of an eigenvalue.

    Returns:
        Float64 (k,), share of the positive eigenvalues in a decade; NaN where fewer than two differ.
    """
    logarithms = np.log10(eigenvalues[eigenvalues > 0])
    if len(np.unique(logarithms)) < 2:
        return np.full(len(decades), np.nan)
    return np.asarray(gaussian_kde(logarithms)(decades))


def mirrored_density(eigenvalues: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Density of eigenvalues made symmetrical around 0: the histogram of {lambda_i} and {-lambda_i}.

    Args:
        eigenvalues: Float (C,).
        edges: Float (B + 1,), edges of the bins.

    Returns:
        Float64 (B,), which times the bins' widths sums up to 1.

    Source: paper, Figure 3b.
    """
    return np.histogram(np.concatenate([eigenvalues, -eigenvalues]), edges, density=True)[0]


def condition_number(eigenvalues: Tensor | np.ndarray) -> float:
    """How much the strongest directions outweigh the rest: kappa = |lambda_p99.9| / |lambda_p90|.

    Args:
        eigenvalues: Float (C,).

    Returns:
        The ratio, 1 or more; NaN where all activations are constant (rank 0), infinite where fewer than a tenth of
        the directions carry anything.

    Raises:
        InputError: If one is not finite.

    Source: Paper, equation 1; percentiles by numpy's `linear` method, which the paper does not name.
    """
    values = np.abs(np.asarray(eigenvalues, np.float64))
    if not np.isfinite(values).all():
        raise InputError("`eigenvalues` must be finite numbers; the model that gave them is broken.")
    if values.max(initial=0) <= np.finfo(np.float64).tiny:
        return float("nan")
    high, low = np.percentile(values, [99.9, 90], method="linear")
    return float(high / low) if low > 0 else float("inf")
