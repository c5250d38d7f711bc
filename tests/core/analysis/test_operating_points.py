"""Thresholds for stated sensitivities and specificities."""

import numpy as np
import pytest

from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.discrimination import operate
from dr_core.analysis.operating_points import CRITERIA, Criterion, choose_threshold, operate_from, reach_points
from dr_core.errors import InputError

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.35, 0.5, 0.8, 0.9])
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)


@pytest.mark.parametrize(
    ("kind", "value", "threshold"),
    [
        ("specificity", 0.75, 0.35),
        ("specificity", 1.0, 0.5),
        ("sensitivity", 0.75, 0.5),
        ("sensitivity", 1.0, 0.35),
        ("probability", 0.5, 0.5),
    ],
)
def test_the_threshold_is_the_corner_by_hand(kind, value, threshold):
    assert choose_threshold(SCORES, LABELS, Criterion(kind=kind, value=value)) == threshold


def test_the_threshold_is_that_of_the_roc_curve():
    generator = np.random.default_rng(0)
    for _ in range(20):
        labels = generator.random(80) < 0.4
        scores = np.round(generator.random(80) * 0.6 + 0.4 * labels, 2)  # ties
        for value in (0.5, 0.8, 0.9, 0.95):
            point = operate(scores, labels, value)
            assert choose_threshold(scores, labels, Criterion(kind="specificity", value=value)) == pytest.approx(
                min(point.threshold, np.nextafter(scores.max(), np.inf))
            )


def test_what_is_asked_is_reached_and_has_its_interval():
    generator = np.random.default_rng(1)
    labels = np.arange(200) % 3 == 0
    scores = np.clip(generator.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    draws = sample_patients(np.arange(200) // 2, draws=100)
    points = {point.criterion.name: point for point in reach_points(scores, labels, draws, list(CRITERIA.values()))}
    assert points.keys() == set(CRITERIA)
    for point in points.values():
        asked = point.criterion
        if asked.kind != "probability":
            assert getattr(point, asked.kind).value >= asked.value
            assert point.threshold_low <= point.threshold <= point.threshold_high
            assert point.threshold_low < point.threshold_high
        assert point.sensitivity.low < point.sensitivity.value < point.sensitivity.high
    assert np.isnan(points["probability 0.5"].threshold_low)
    assert points["specificity 0.95"].threshold > points["specificity 0.8"].threshold


def test_one_class_is_refused():
    with pytest.raises(InputError, match="only one class"):
        choose_threshold(SCORES, np.zeros(8, bool), Criterion(kind="sensitivity", value=0.9))
    with pytest.raises(InputError, match="only one class"):
        choose_threshold(SCORES, np.ones(8, bool), Criterion(kind="specificity", value=0.9))


def test_where_no_eye_may_be_flagged_none_is():
    scores, labels = np.array([0.9, 1.0]), np.array([True, False])
    threshold = choose_threshold(scores, labels, Criterion(kind="specificity", value=0.9))
    assert threshold > 1.0
    assert not (scores >= threshold).any()


def test_what_a_given_threshold_reaches_is_counted():
    scores, labels = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    found = operate_from(scores, labels, 0.4)
    assert (found.true_positives, found.false_negatives, found.false_positives, found.true_negatives) == (2, 0, 1, 1)
    assert (found.sensitivity, found.specificity) == (1, 0.5)
    assert operate_from(scores, labels, 1.1).sensitivity == 0
    with pytest.raises(InputError):
        operate_from(np.array([np.nan, 1]), labels[1:3], 0.5)
