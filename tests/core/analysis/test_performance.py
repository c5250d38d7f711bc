import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dr_core.analysis.performance import estimate_auc, weighted_auc


def test_auc_by_hand():
    estimate = estimate_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]), np.arange(4))
    assert estimate.value == 0.75  # three of four pairs in order
    assert (estimate.n, estimate.positives) == (4, 2)
    assert estimate.low <= estimate.value <= estimate.high


def test_interval_is_wider_when_patients_bring_two_equal_eyes():
    generator = np.random.default_rng(0)
    labels = generator.random(150) < 0.5
    scores = labels + generator.normal(0, 1.5, 150)
    doubled = estimate_auc(np.repeat(scores, 2), np.repeat(labels, 2), np.repeat(np.arange(150), 2))
    as_if_independent = estimate_auc(np.repeat(scores, 2), np.repeat(labels, 2), np.arange(300))
    assert doubled.high - doubled.low > 1.2 * (as_if_independent.high - as_if_independent.low)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        labels = np.arange(120) % 2 == 0
        scores = generator.normal(0, 1, 120) + labels  # AUC = Phi(1/sqrt(2)) = .7602
        estimate = estimate_auc(scores, labels, np.arange(120), draws=200, seed=seed)
        covered += estimate.low <= 0.7602 <= estimate.high
    assert 50 <= covered <= 60


def test_same_seed_same_interval_and_one_class_is_nan():
    scores, labels = np.random.default_rng(1).random(40), np.arange(40) % 2
    first, again = (estimate_auc(scores, labels, np.arange(40), draws=50, seed=3) for _ in range(2))
    assert first == again
    assert np.isnan(estimate_auc(scores, np.ones(40), np.arange(40)).value)


def test_labels_need_not_be_boolean():
    assert estimate_auc(np.array([0.0, 1.0]), np.array([0, 1]), np.arange(2)).value == pytest.approx(1.0)


def test_weighted_auc_equals_scikit_learn_with_ties_and_weights():
    generator = np.random.default_rng(2)
    scores, labels = generator.integers(0, 8, 60) / 8, generator.random(60) < 0.4
    weights = generator.integers(0, 4, (5, 60)).astype(float)
    expected = [roc_auc_score(labels, scores, sample_weight=row) for row in weights]
    assert weighted_auc(scores, labels, weights) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(weighted_auc(scores, labels, labels[None].astype(float)))[0]
