import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.robustness import (
    bootstrap_means,
    correlate_heatmaps,
    corruption_error,
    find_flips,
    score_difference,
)
from dr_core.errors import InputError


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_means_draw_both_eyes_of_a_patient_together(generator):
    patients = np.repeat(np.arange(6), [2, 2, 1, 2, 1, 2])
    values = generator.random((3, len(patients)))
    draws = sample_patients(patients, draws=40, seed=1)
    found = bootstrap_means(values, draws)
    assert found.shape == (3, 41)
    assert np.allclose(found[:, 0], values.mean(axis=1))
    for column in range(41):  # written out eye by eye
        times = np.rint(draws.times[patients, column]).astype(int)
        assert np.allclose(found[:, column], np.repeat(values, times, axis=1).mean(axis=1))


def test_the_difference_is_that_of_the_true_grade(generator):
    first, second = generator.dirichlet(np.ones(5), (2, 4)), generator.dirichlet(np.ones(5), (2, 4))
    grades = np.array([0, 4, 2, 2])
    found = score_difference(first, second, grades, sample_patients(np.arange(4), draws=5))
    for cell in range(2):
        wanted = [first[cell, eye, grade] - second[cell, eye, grade] for eye, grade in enumerate(grades)]
        assert found[cell, 0] == pytest.approx(np.mean(wanted))


def test_corruption_error_by_hand():
    errors = np.array([[0.1, 0.2], [0.0, 0.3], [0.1, 0.1]])
    reference = np.array([[0.2, 0.4], [0.1, 0.1], [0.0, 0.0]])
    found = corruption_error(errors, reference)
    assert found[:2] == pytest.approx([0.5, 1.5])
    assert np.isnan(found[2])
    with pytest.raises(InputError, match="same grid"):
        corruption_error(errors, reference[:2])


def test_a_flip_is_a_change_of_the_decision():
    clean = np.array([0.4, 0.5, 0.9])
    assert find_flips(clean, np.array([[0.5, 0.49, 0.51], [0.1, 0.6, 0.2]])).tolist() == [
        [True, True, False],
        [False, False, True],
    ]


def test_heatmaps_correlate_as_scipy_says(generator):
    clean = torch.from_numpy(generator.random((2, 7, 5)).round(1))  # with ties
    damaged = torch.from_numpy(generator.random((2, 7, 5)).round(1))
    wanted = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(clean.numpy(), damaged.numpy(), strict=True)]
    assert correlate_heatmaps(clean, damaged) == pytest.approx(wanted, abs=1e-12)
    assert correlate_heatmaps(clean, clean) == pytest.approx([1, 1])
    assert np.isnan(correlate_heatmaps(clean, torch.zeros_like(clean))).all()
    with pytest.raises(InputError, match=r"\(N, H, W\)"):
        correlate_heatmaps(clean, damaged[:1])
