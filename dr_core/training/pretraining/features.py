"""Features of an encoder on the images of a store, and a watch that they do not collapse."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from dr_core.analysis.collapse import measure_collapse
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.store import Store

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From float (N, 3, S, S), normalized, to features, float (N, C), and their projection, float (N, D)."""

WATCHED = 256
"""Most images on which spread and rank are measured, spread evenly over the store."""

_BATCH = 64


@torch.no_grad()
def read_features(
    network: nn.Module, encode: Encode, store: Store, rows: np.ndarray, preprocessing: Preprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Features of some images, and their projections, without augmentation.

    Args:
        network: The network that computes them, in the mode in which it is to do so.
        encode: Its features and their projection.
        store: The images.
        rows: Which of them, int (n,).
        preprocessing: Gives mean and standard deviation of the input.

    Returns:
        Float32 (n, C) and (n, D).
    """
    device, parts = next(network.parameters()).device, []
    for start in range(0, len(rows), _BATCH):
        images = torch.from_numpy(store.read(rows[start : start + _BATCH])).to(device)
        inputs = preprocessing.standardize(images.float().div_(255)).contiguous(memory_format=torch.channels_last)
        parts.append([found.flatten(1).float().cpu().numpy() for found in encode(inputs)])
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


@contextmanager
def settled_norm(
    network: nn.Module, encode: Encode, store: Store, rows: np.ndarray, preprocessing: Preprocessing
) -> Iterator[None]:
    """Evaluate a network with batch norm that has the statistics of some images; afterwards it has its own again.

    Without them, features of a network with random weights grow or vanish from block to block, a control that is weaker
    than what random weights can do; and early in a training the running statistics are behind the weights.

    Args:
        network: As in `read_features`.
        encode: The same.
        store: The same.
        rows: The same.
        preprocessing: The same.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, {name: buffer.clone() for name, buffer in norm.named_buffers()}) for norm in norms]
    mode = network.training
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        read_features(network.train(), encode, store, rows, preprocessing)
        network.eval()
        yield
    finally:
        for norm, (momentum, buffers) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.load_state_dict(buffers, strict=False)
        network.train(mode)


class CollapseWatch:
    """Measures spread and rank of a representation on the same images after every epoch, and once with random weights.

    Args:
        store: The images.
        preprocessing: Gives mean and standard deviation of the input.
        begin: Gives the network as it began, on the CPU, with its features.
    """

    def __init__(
        self, store: Store, preprocessing: Preprocessing, begin: Callable[[], tuple[nn.Module, Encode]]
    ) -> None:
        self.store, self.preprocessing, self._begin = store, preprocessing, begin
        self.rows = np.unique(np.linspace(0, len(store) - 1, min(WATCHED, len(store))).astype(int))
        self._control: dict[str, float] = {}

    def measure(self, network: nn.Module, encode: Encode) -> dict[str, float]:
        """What `measure_collapse` gives of a network, and of the control, `..._random`."""
        if not self._control:
            control, encode_control = self._begin()
            found = self._measure(control.to(next(network.parameters()).device), encode_control)
            self._control = {f"{name}_random": value for name, value in found.items()}
        return self._measure(network, encode) | self._control

    def _measure(self, network: nn.Module, encode: Encode) -> dict[str, float]:
        with settled_norm(network, encode, self.store, self.rows, self.preprocessing):
            features, projection = read_features(network, encode, self.store, self.rows, self.preprocessing)
        return measure_collapse(torch.from_numpy(features), torch.from_numpy(projection))
