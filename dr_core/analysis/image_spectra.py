"""Eigenvalues of one layer's covariance within each single image."""

from collections.abc import Iterable
from types import TracebackType

import torch
from torch import Tensor, nn

from dr_core.analysis.spectrum import measured_layers
from dr_core.errors import InputError


class ImageSpectra:
    """While this context is open, one layer's eigenvalues within each image that passes the model are kept.

    A layer of 64 channels has 64 eigenvalues over all images, but 64 more in every single one.

    Args:
        model: Any network; it is left as it was.
        layer: Name of the convolution; empty takes the first one.

    Raises:
        InputError: If there is no such layer.
    """

    def __init__(self, model: nn.Module, layer: str = "") -> None:
        known = {name: module for name, module in measured_layers(model).items() if isinstance(module, nn.Conv2d)}
        layer = layer or next(iter(known), "")
        if layer not in known:
            raise InputError(f"The network has no convolution {layer!r}; it has {', '.join(known)}.")
        self._module = known[layer]
        self._covariances: list[Tensor] = []

    def __enter__(self) -> "ImageSpectra":
        self._handle = self._module.register_forward_hook(self._keep)
        return self

    def _keep(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        vectors = output.flatten(2).double()
        vectors = vectors - vectors.mean(dim=2, keepdim=True)
        self._covariances.append(vectors @ vectors.mT / vectors.shape[2])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()

    def eigenvalues(self) -> Tensor:
        """Falling eigenvalues, float64 (images, C).

        Raises:
            InputError: If no image has passed, or an activation is not finite.
        """
        if not self._covariances:
            raise InputError("There is no image to compute a spectrum from.")
        covariances = torch.cat(self._covariances)
        if not bool(torch.isfinite(covariances).all()):
            raise InputError("Some activations are not finite; the network or its input is broken.")
        found: Tensor = torch.linalg.eigvalsh(covariances).flip(1)
        return found.cpu()


@torch.inference_mode()
def image_eigenvalues(model: nn.Module, batches: Iterable[Tensor], layer: str = "") -> Tensor:
    """Eigenvalues of one layer's covariance within each image.

    The covariance is C = 1 / P sum over positions p of (x_p - m)(x_p - m)', m the mean over the P positions.

    Args:
        model: The network.
        batches: Float (N, 3, H, W).
        layer: Name of the convolution; empty takes the first one.

    Returns:
        Float64 (images, C), falling.

    Raises:
        InputError: If there is no such layer or no image, or an activation is not finite.

    Source: paper, section 4.2, which takes the eigenvalues over all eyes; one spectrum for each image is ours.
    """
    with ImageSpectra(model, layer) as spectra:
        for batch in batches:
            model(batch)
        return spectra.eigenvalues()
