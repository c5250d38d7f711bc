"""A GPU that is not there, has no memory left or fails: the processor answers the same, and the page says so."""

import re

import pytest
import streamlit as st
import torch

from dr_core.errors import InputError
from dr_ui.shell import device
from tests.app.page_driver import html_of, page_at


def forget():
    """What one page lost or remembers, the next does not."""
    device.model_device.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def anew():
    forget()
    yield
    forget()


def open_page(monkeypatch, study, name):
    monkeypatch.setenv("DR_STUDY", str(study.path))
    app = page_at(name).run()
    assert not app.exception
    assert not app.error
    return html_of(app)


def numbers(shown):
    return re.findall(r'<section class="lens-card.*?</section>|<table.*?</table>', shown, re.DOTALL)


@pytest.fixture
def failing_gpu(monkeypatch):
    """A GPU that fails as soon as a model is brought there; counts how often."""
    bring, tried = torch.nn.Module.to, []

    def fail(module, *arguments, **options):
        if arguments[:1] == ("cuda",):
            tried.append(module)
            raise fail.error
        return bring(module, *arguments, **options)

    fail.error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    fail.tried = tried
    monkeypatch.setattr(torch.nn.Module, "to", fail)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("DR_DEVICE", "cuda")
    return fail


@pytest.mark.parametrize("name", ["1_Compare.py", "2_Robustness.py", "3_Explain.py"])
def test_a_gpu_without_memory_gives_way_to_the_processor(monkeypatch, tiny_study, failing_gpu, name):
    shown = open_page(monkeypatch, tiny_study, name)
    assert len(failing_gpu.tried) == 1  # then no more
    assert "The GPU is out of memory: the CPU computes instead" in shown
    forget()
    monkeypatch.setenv("DR_DEVICE", "cpu")
    alone = open_page(monkeypatch, tiny_study, name)
    assert numbers(shown) == numbers(alone) != []
    assert "the CPU computes instead" not in alone


def test_a_lost_gpu_is_in_the_log_and_an_error_of_ours_is_not_taken_for_it(failing_gpu, caplog):
    place = device.ModelDevice("cuda")

    def work(name):
        if name == "cuda":
            raise RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")
        return name

    assert place.run(work) == "cpu"
    assert place.note.startswith("The GPU has failed")
    assert "unspecified launch failure" in caplog.text

    def wrong(name):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        device.ModelDevice("cuda").run(wrong)


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.ModelDevice("auto").note == ""
    assert device.ModelDevice("auto").name == "cpu"
    asked = device.ModelDevice("cuda")
    assert asked.name == "cpu"
    assert asked.note.startswith("There is no GPU here")


def test_another_word_is_refused():
    with pytest.raises(InputError, match="DR_DEVICE must be cpu, cuda or auto, not 'gpu'"):
        device.ModelDevice("gpu")
