import pytest

from dr_core.training.schedule import learning_rate


def test_warmup_rises_to_the_base():
    rates = [learning_rate(0.4, step, 100, schedule="cosine", warmup_steps=4) for step in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_cosine_passes_half_in_the_middle_and_ends_near_zero():
    assert learning_rate(1.0, 50, 100, schedule="cosine") == pytest.approx(0.5)
    assert learning_rate(1.0, 99, 100, schedule="cosine") < 1e-3
    assert learning_rate(1.0, 99, 100, schedule="constant") == 1.0
