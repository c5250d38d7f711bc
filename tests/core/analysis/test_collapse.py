import numpy as np
import pytest
import torch

from dr_core.analysis.collapse import describe_collapse, measure_collapse, rankme, spread_of
from dr_core.errors import InputError


def draw(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_even_directions_have_spread_1_and_one_direction_has_none():
    assert spread_of(draw(20_000, 16)) == pytest.approx(1.0, abs=0.01)
    assert spread_of(torch.ones(10, 16)) == pytest.approx(0.0, abs=1e-9)
    assert spread_of(draw(50, 16) * torch.arange(1, 51)[:, None]) == pytest.approx(spread_of(draw(50, 16)))


def test_the_effective_rank_is_that_of_the_formula():
    z = draw(40, 6).double()
    shares = np.linalg.svd(z.numpy(), compute_uv=False)
    shares = shares / shares.sum() + 1e-7
    assert rankme(z) == pytest.approx(float(np.exp(-(shares * np.log(shares)).sum())), abs=1e-9)


def test_known_ranks():
    assert rankme(torch.eye(8)) == pytest.approx(8, abs=1e-4)
    assert rankme(torch.ones(30, 8)) == pytest.approx(1, abs=1e-4)
    line = draw(30, 1) @ draw(1, 8, seed=1)
    assert rankme(line) == pytest.approx(1, abs=1e-3)
    assert rankme(torch.zeros(4, 3)) == pytest.approx(1, abs=1e-4)  # all of it is epsilon


@pytest.mark.parametrize("vectors", [torch.zeros(1, 4), torch.zeros(4)])
def test_too_few_vectors_are_refused(vectors):
    for measure in (spread_of, rankme):
        with pytest.raises(InputError, match=r"must be of the shape \(N, d\) with N of at least 2"):
            measure(vectors)


def measured(features, projection, control=None):
    control = measure_collapse(*(control or (draw(64, 32, 5), draw(64, 16, 6))))
    return measure_collapse(features, projection) | {f"{name}_random": value for name, value in control.items()}


def test_a_constant_encoder_is_warned_of_and_a_healthy_one_is_not():
    constant = torch.ones(64, 32) + 1e-3 * draw(64, 32)
    assert "The features have collapsed: their spread is" in describe_collapse(measured(constant, draw(64, 16)))
    line = draw(64, 1) @ draw(1, 16, seed=2)  # both of its directions: spread alone does not see it
    assert "The projections have collapsed: their effective rank" in describe_collapse(measured(draw(64, 32), line))
    assert describe_collapse(measured(draw(64, 32, 8), draw(64, 16, 9))) == ""


def test_what_was_not_measured_is_not_warned_of():
    assert describe_collapse({"loss": 1.0}) == ""
    assert describe_collapse({"feature_spread": 0.0}) == ""
