"""CUDA tensors without a GPU: they have a device, a shape and no numbers, so what would wait for numbers is found."""

from contextlib import ExitStack, contextmanager

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HOST_WORK = (
    "dr_core.corruption.draws.draw_numbers",
    "dr_core.corruption.extra._draw_drops",
    "dr_core.corruption.digital._weigh_boxes",
    "dr_core.corruption.noise._tabulate_poisson",
    "dr_core.data.augment.sample_parameters",
)
"""What is worked out on the CPU from seeds and settings alone, and copied to the device afterwards."""


class Watcher(TorchDispatchMode):
    """Counts what is launched on the device, and what is copied from it to the host, which waits for it."""

    def __init__(self):
        super().__init__()
        self.launched, self.fetched, self.sent = 0, [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        before, after = _devices((args, kwargs)), _devices(result)
        if function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            source = args[1] if function is torch.ops.aten.copy_.default else args[0]
            if source.device.type == "cuda" and "cpu" in after:
                self.fetched.append(tuple(source.shape))
            elif source.device.type == "cpu" and "cuda" in after:
                self.sent += source.numel() * source.element_size()
        if "cuda" in before | after and not torch.jit.is_tracing() and not _is_view(function):
            self.launched += 1
        return result


def _is_view(function):
    return any(argument.alias_info and not argument.alias_info.is_write for argument in function._schema.arguments)


def _devices(values):
    return {leaf.device.type for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)}


@contextmanager
def fake_cuda(monkeypatch):
    """While open, tensors may be made on `cuda`; yields a `Watcher`.

    Reading a number of a fake tensor (`.item()`, `.numpy()`, `nonzero`) raises, on a GPU it would wait.
    """
    with ExitStack() as stack, monkeypatch.context() as patches:
        for name in HOST_WORK:
            patches.setattr(name, _really(_find(name)))
        # a generator of the device needs the device
        patches.setattr("dr_core.data.augment._draw_noise", lambda shape, seed, device: torch.randn(shape, device=device))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(Watcher())


def _find(name):
    module, function = name.rsplit(".", 1)
    return getattr(__import__(module, fromlist=[function]), function)


def _really(function):
    def call(*args, **options):
        assert "cuda" not in _devices((args, options))
        with unset_fake_temporarily(), torch.utils._python_dispatch._disable_current_modes():
            return function(*args, **options)

    return call
