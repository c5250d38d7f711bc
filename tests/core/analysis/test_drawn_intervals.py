import numpy as np
import pytest

from dr_core.analysis.bootstrap import bootstrap_medians, sample_patients
from dr_core.analysis.discrimination import measure_separation
from dr_core.analysis.drawn_intervals import drawn_interval, join_warnings, operating_interval, warn_eyes
from dr_core.analysis.intervals import auc_difference_interval, auc_interval, mean_auc_interval, wilson


def draw(patients=80, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.repeat(generator.random(patients) < 0.4, 2)
    noise = np.repeat(generator.normal(size=patients), 2)
    return labels + noise + generator.normal(size=2 * patients), labels, np.repeat(np.arange(patients), 2)


def test_percentiles_of_the_draws_and_what_was_dropped():
    drawn = np.array([0.5, *np.linspace(0.3, 0.7, 201), np.nan, np.nan])
    found = drawn_interval(drawn, 20)
    assert (found.low, found.high) == pytest.approx((0.31, 0.69))
    assert found.warning == "2 of 203 draws without a value dropped"
    assert np.isnan(drawn_interval(np.full(5, np.nan), 20).low)


def test_draws_that_all_agree_have_a_width():
    found = drawn_interval(np.ones(101), 20)
    assert (found.low, found.high) == pytest.approx(wilson(1.0, 20))
    kappa = drawn_interval(np.ones(101), 20, least=-1.0)
    assert kappa.low == pytest.approx(2 * wilson(1.0, 20)[0] - 1)


def test_a_sensitivity_holds_its_thresholds_uncertainty():
    """Wider than Wilson's interval at a known threshold, and never of zero width."""
    scores, labels, patients = draw()
    drawn = measure_separation(scores, labels, sample_patients(patients, draws=400)).sensitivity
    found = operating_interval(drawn, patients[labels])
    low, high = wilson(found.value, int(labels.sum()))
    assert found.low < low < found.value < high < found.high
    perfect = operating_interval(np.ones(401), patients[labels])
    assert perfect.low < 1.0 == perfect.high


def test_the_difference_of_two_aucs_counts_patients():
    scores, labels, patients = draw()
    other = scores + np.random.default_rng(1).normal(size=len(scores))
    found, p = auc_difference_interval(scores, other, labels, patients)
    alone, other_auc = (auc_interval(of, labels, patients).value for of in (scores, other))
    assert found.value == pytest.approx(alone - other_auc)
    again, same_p = auc_difference_interval(
        *(np.repeat(of, 2) for of in (scores, other, labels)), np.repeat(patients, 2)
    )
    assert (again.low, again.high, same_p) == pytest.approx((found.low, found.high, p))  # eyes twice tell no more
    alike, one = auc_difference_interval(scores, scores, labels, patients)
    assert alike.low < 0 < alike.high
    assert one == 1
    nothing, unknown = auc_difference_interval(scores[:4], other[:4], np.array([1, 0, 0, 0]), np.arange(4))
    assert np.isnan(unknown)
    assert nothing.warning


def test_the_mean_of_one_auc_is_that_auc():
    scores, labels, patients = draw()
    one, mean = auc_interval(scores, labels, patients), mean_auc_interval([scores], [labels], patients)
    assert (mean.value, mean.low, mean.high) == pytest.approx((one.value, one.low, one.high))
    both = mean_auc_interval([scores, -scores], [labels, ~labels], patients)
    assert (both.low, both.high) == pytest.approx((one.low, one.high), abs=1e-6)
    assert np.isnan(mean_auc_interval([], [], patients).value)


def test_drawn_medians_are_medians_of_the_drawn_values():
    values = np.random.default_rng(2).normal(size=9)
    draws = sample_patients(np.arange(9), draws=50)
    slow = [np.median(np.repeat(values, times.astype(int))) for times in draws.times.T]
    assert bootstrap_medians(values, draws) == pytest.approx(slow)


def test_warnings_are_joined_once_each():
    assert join_warnings("", "a", "b", "a") == "a; b"
    labels = np.arange(30) < 4
    assert warn_eyes(labels, np.array([1.0, np.nan])) == "only 4 positive eyes; 1 of 1 draws without a value dropped"
