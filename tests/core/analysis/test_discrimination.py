import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)

from dr_core.analysis.bootstrap import interval, sample_patients
from dr_core.analysis.discrimination import (
    compare_aucs,
    measure_auc,
    measure_separation,
    operate,
    operate_at,
    refer_unsure,
    roc_points,
)
from dr_core.analysis.grading import accuracy, count_confusion, measure_calibration, quadratic_kappa
from dr_core.errors import InputError


def drawn(seed, n=300, ties=True):
    generator = np.random.default_rng(seed)
    labels = generator.random(n) < 0.3
    scores = np.clip(generator.normal(0.4, 0.2, n) + 0.2 * labels, 0, 1)
    return (np.round(scores, 2) if ties else scores), labels, np.arange(n) // 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [True, False])
def test_every_draw_equals_scikit_learn(seed, ties):
    scores, labels, patients = drawn(seed, ties=ties)
    draws = sample_patients(patients, draws=70, seed=seed)
    found = measure_separation(scores, labels, draws, at_specificity=0.85, at_sensitivity=0.8)
    assert measure_auc(-scores, ~labels, draws) == pytest.approx(found.auc, abs=1e-12)
    for column in (0, 1, 2, 66, 70):
        weights = draws.times[draws.patient, column].astype(float)
        used = weights > 0
        assert found.auc[column] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12)
        expected = average_precision_score(labels, scores, sample_weight=weights)
        assert found.average_precision[column] == pytest.approx(expected, abs=1e-12)
        fpr, tpr, _ = roc_curve(labels[used], scores[used], sample_weight=weights[used], drop_intermediate=False)
        assert found.sensitivity[column] == pytest.approx(tpr[1 - fpr >= 0.85 - 1e-12].max(), abs=1e-12)
        assert found.specificity[column] == pytest.approx((1 - fpr)[tpr >= 0.8 - 1e-12].max(), abs=1e-12)


def test_grades_equal_scikit_learn():
    generator = np.random.default_rng(3)
    grades = generator.integers(0, 5, 200)
    answers = np.clip(grades + generator.integers(-1, 3, 200), 0, 4)
    draws = sample_patients(np.arange(200) // 2, draws=20)
    confusion = count_confusion(grades, answers, draws)
    for column in (0, 7, 20):
        weights = draws.times[draws.patient, column]
        kept = {"sample_weight": weights}
        assert np.array_equal(confusion[..., column], confusion_matrix(grades, answers, **kept))
        expected = cohen_kappa_score(grades, answers, weights="quadratic", **kept)
        assert quadratic_kappa(confusion)[column] == pytest.approx(expected, abs=1e-12)
        assert accuracy(confusion)[column] == pytest.approx(np.average(grades == answers, weights=weights))


def test_calibration_by_hand():
    scores, labels = np.array([0.1, 0.1, 0.9, 0.9, 1.0]), np.array([0, 1, 1, 1, 0])
    found = measure_calibration(scores, labels, sample_patients(np.arange(5), draws=3))
    assert found.count[[1, 9], 0] == pytest.approx([2, 3])
    assert found.observed[[1, 9], 0] == pytest.approx([0.5, 2 / 3])
    assert found.error[0] == pytest.approx((abs(0.2 - 1) + abs(2.8 - 2)) / 5)
    assert np.isnan(found.predicted[0, 0])


def delong_slowly(first, second, labels):
    """DeLong et al. 1988, equations 4 to 8, pair by pair."""
    placements = []
    for scores in (first, second):
        sick, healthy = scores[labels], scores[~labels]
        order = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in healthy] for x in sick])
        placements.append((order.mean(), order.mean(axis=1), order.mean(axis=0)))
    (auc1, v10a, v01a), (auc2, v10b, v01b) = placements
    covariance = np.cov(v10a, v10b) / len(v10a) + np.cov(v01a, v01b) / len(v01a)
    return auc1 - auc2, np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


@pytest.mark.parametrize("seed", range(4))
def test_delong_equals_its_slow_transcription(seed):
    first, labels, _ = drawn(seed, 120)
    second = np.round(first + np.random.default_rng(seed + 9).normal(0, 0.1, 120), 2)
    difference, error = delong_slowly(first, second, labels)
    test = compare_aucs(first, second, labels)
    assert (test.difference, test.error) == pytest.approx((difference, error), abs=1e-12)
    assert 0 < test.p <= 1


def test_delong_by_hand():
    labels = np.array([True, True, False, False])
    first, second = np.array([3, 1, 2, 0]), np.array([3, 2, 1, 0])
    # pairs in order: 3 of 4 and 4 of 4; placements differ by (0, 1/2) in either class, variance 1/8, halved, twice
    test = compare_aucs(first, second, labels)
    assert test.difference == pytest.approx(-1 / 4)
    assert test.error == pytest.approx(np.sqrt(1 / 8))
    assert test.p == pytest.approx(0.4795, abs=5e-5)  # z = 0.7071


OVARIAN_CANCER = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
"""Albumin, total protein, K-G score and benefit (0: positive) of the patients of DeLong et al. 1988, section 4."""


@pytest.mark.parametrize(
    ("test", "difference", "error", "p"),
    [("albumin", 0.0108, 0.0953, 0.9102), ("total protein", -0.0780, 0.1046, 0.4561)],
)
def test_delong_equals_the_published_example(test, difference, error, p):
    """Against the K-G score, as the SAS/STAT User's Guide prints it (PROC LOGISTIC, example "Comparing ROC curves")."""
    rows = np.array(OVARIAN_CANCER.split(), float).reshape(-1, 4)
    scores = {"albumin": -rows[:, 0], "total protein": -rows[:, 1]}[test]
    found = compare_aucs(scores, rows[:, 2], rows[:, 3] == 0)
    assert (found.difference, found.error, found.p) == pytest.approx((difference, error, p), abs=5e-5)


def test_delong_rejects_about_as_often_as_it_should():
    rejected = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        labels = np.arange(100) % 2 == 0
        truth = generator.normal(0, 1, 100) + labels
        first, second = (truth + generator.normal(0, 1, 100) for _ in range(2))
        rejected += compare_aucs(first, second, labels).p < 0.05
    assert 8 <= rejected <= 34  # 20 expected, standard deviation 4.4


def test_equal_scores_and_too_few_eyes():
    scores, labels, _ = drawn(1, 40)
    assert compare_aucs(scores, scores, labels).p == 1
    assert np.isnan(compare_aucs(scores, scores, np.arange(40) == 0).p)


def test_bad_input():
    scores, labels, patients = drawn(1, 40)
    draws = sample_patients(patients, draws=5)
    nothing = measure_separation(scores, np.ones(40, bool), draws)
    assert np.isnan(nothing.auc).all()
    assert all(np.isnan(interval(nothing.auc)))
    broken = np.where(np.arange(40) == 3, np.nan, scores)
    with pytest.raises(InputError, match="1 of 40 scores are not numbers"):
        measure_auc(broken, labels, draws)
    with pytest.raises(InputError, match="one score for each eye"):
        measure_auc(scores[:-1], labels, draws)
    with pytest.raises(InputError, match=r"between 0 and 1, not 1\.5"):
        measure_separation(scores, labels, draws, at_specificity=1.5)


def test_roc_and_referral():
    thresholds, sensitivity, specificity = roc_points(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    assert list(thresholds[1:]) == [0.8, 0.4, 0.35, 0.1]
    assert list(sensitivity) == [0, 0.5, 0.5, 1, 1]
    assert list(specificity) == [1, 1, 0.5, 0.5, 0]
    referral = refer_unsure(np.array([0.05, 0.45, 0.95, 0.9]), np.array([0, 1, 1, 1]), points=3)
    assert referral.accuracy[0] == 0.75
    assert referral.accuracy[-1] == 1


def test_operating_point_by_hand():
    scores, labels = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    strict, mild = operate(scores, labels, 1.0), operate(scores, labels, 0.5)
    assert (strict.threshold, strict.sensitivity, strict.specificity) == (0.8, 0.5, 1.0)
    assert (mild.true_positives, mild.false_negatives, mild.false_positives, mild.true_negatives) == (2, 0, 1, 1)
    with pytest.raises(InputError, match="only one class"):
        operate(scores, np.ones(4), 0.9)


def test_referral_interval_holds_the_value_and_shrinks_with_more_patients():
    widths = []
    for n in (200, 3200):
        scores, labels, patients = drawn(5, n)
        found = refer_unsure(scores, labels, 0.5, points=11, draws=sample_patients(patients, draws=200))
        assert found.accuracy == pytest.approx(refer_unsure(scores, labels, 0.5, points=11).accuracy)
        assert ((found.low <= found.accuracy) & (found.accuracy <= found.high)).all()
        widths.append((found.high - found.low)[:8].mean())
    assert widths[1] < 0.4 * widths[0]  # a quarter, by the root of 16


def test_operating_points_equal_counting_one_by_one():
    scores, labels, _ = drawn(7, 200)
    for point, asked in zip(operate_at(scores, labels, [0, 0.3, 0.9, 1]), [0, 0.3, 0.9, 1], strict=True):
        called = scores >= point.threshold
        counted = [called & labels, ~called & labels, called & ~labels, ~called & ~labels]
        assert [point.true_positives, point.false_negatives, point.false_positives, point.true_negatives] == [
            int(part.sum()) for part in counted
        ]
        assert point.specificity >= asked
