import numpy as np
import pytest

from dr_core.analysis.bootstrap import interval, sample_patients
from dr_core.analysis.discrimination import measure_auc


def estimate(scores, labels, patients, draws=300, seed=0):
    """AUC with its interval."""
    return interval(measure_auc(scores, labels, sample_patients(patients, draws=draws, seed=seed)))


def test_auc_by_hand():
    value, low, high = estimate(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]), np.arange(4))
    assert value == 0.75  # three of four pairs in order
    assert low <= value <= high


def test_interval_is_wider_when_patients_bring_two_equal_eyes():
    generator = np.random.default_rng(0)
    labels = generator.random(150) < 0.5
    scores = labels + generator.normal(0, 1.5, 150)
    twice = np.repeat(scores, 2), np.repeat(labels, 2)
    _, low, high = estimate(*twice, np.repeat(np.arange(150), 2))
    _, low_apart, high_apart = estimate(*twice, np.arange(300))
    assert high - low > 1.2 * (high_apart - low_apart)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        labels = np.arange(120) % 2 == 0
        scores = generator.normal(0, 1, 120) + labels  # AUC = Phi(1/sqrt(2)) = .7602
        _, low, high = estimate(scores, labels, np.arange(120), draws=200, seed=seed)
        covered += low <= 0.7602 <= high
    assert 50 <= covered <= 60


def test_same_seed_same_draws_and_the_first_column_is_the_data():
    patients = np.array(["b", "a", "b", "c"])
    first, again = (sample_patients(patients, draws=50, seed=3) for _ in range(2))
    assert np.array_equal(first.times, again.times)
    assert (first.times[:, 0] == 1).all()
    assert first.times.sum(axis=0) == pytest.approx(3)  # as many patients as there are, each time
    assert list(first.patient) == [1, 0, 1, 2]


def test_draws_without_a_value_are_left_out():
    assert interval(np.array([0.5, np.nan, 0.4, 0.6]))[1:] == pytest.approx((0.405, 0.595))
    assert np.isnan(interval(np.array([0.5, np.nan]))[1])
