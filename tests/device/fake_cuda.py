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
    "dr_core.data.augment.weigh_blur",
    "dr_core.training.classification.sample_parameters",
    "dr_core.training.pretraining.task.sample_parameters",
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
        if function is torch.ops.aten.copy_.default:
            before, source = {args[1].device.type}, args[1]
        else:
            source = next((leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)), None)
        if before == {"cuda"} and after == {"cpu"}:
            self.fetched.append(tuple(source.shape))
        elif before == {"cpu"} and after == {"cuda"}:
            self.sent += source.numel() * source.element_size()
        if "cuda" in before | after and not function.is_view:
            self.launched += 1
        return result


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
        patches.setattr("dr_core.data.augment._draw_noise", _draw_without_generator)  # one of the device needs it
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(Watcher())


def on_fake_cuda(make):
    """The module that `make` makes, with fake weights; moving would swap tensors, which fake ones cannot."""
    module = _really(make)()
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    fake = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
                    is_weight = isinstance(tensor, torch.nn.Parameter)
                    tensors[name] = torch.nn.Parameter(fake, tensor.requires_grad) if is_weight else fake
    return module


def _draw_without_generator(shape, seed, device):
    return torch.randn(shape, device=device)


def _find(name):
    module, function = name.rsplit(".", 1)
    return getattr(__import__(module, fromlist=[function]), function)


def _really(function):
    def call(*args, **options):
        assert "cuda" not in _devices((args, options))
        with unset_fake_temporarily(), torch.utils._python_dispatch._disable_current_modes():
            return function(*args, **options)

    return call
