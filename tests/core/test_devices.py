"""Names of devices: those that exist, and a sentence about any other."""

import pytest
import torch

from dr_core.devices import resolve_device
from dr_core.errors import InputError


@pytest.mark.parametrize("name", ["banana", "cpu:x", "cuda:-2", ""])
def test_a_name_of_no_device_is_a_sentence(name):
    with pytest.raises(InputError, match="`device` must be auto, cpu, cuda or a name such as cuda:1"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["mps", "meta", "xpu", "xla", "hpu"])
def test_a_kind_of_device_that_computes_nothing_here_is_a_sentence(name):
    with pytest.raises(InputError, match=f"The device {name} cannot compute here; choose the device cpu"):
        resolve_device(name)


def test_a_gpu_that_is_not_here_is_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(InputError, match="cuda:0 to cuda:1, the CUDA devices here, not cuda:2"):
        resolve_device("cuda:2")
