"""Calibration maps against the libraries and formulas that define them."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import isotonic_regression

from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.calibration import (
    CALIBRATION_METHODS,
    fit_grade_temperature,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    fit_vector,
    methods_of,
    read_map,
)
from dr_core.analysis.calibration_choice import (
    check_calibration_eyes,
    choose_method,
    cross_validate,
    log_loss,
)
from dr_core.analysis.grading import measure_calibration
from dr_core.errors import InputError


def overconfident(number=2000, seed=0, slope=3.0, offset=1.0):
    """Scores whose true probability is expit((logit(p) - offset) / slope)."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.02, 0.98, number)
    return expit(slope * logit(truth) + offset), generator.random(number) < truth


def test_platt_finds_the_slope_and_the_offset():
    scores, labels = overconfident(40000)
    found = fit_platt(scores, labels)
    assert found.slope == pytest.approx(1 / 3, abs=0.02)
    assert found.offset == pytest.approx(-1 / 3, abs=0.03)


def test_platt_equals_scikit_learn_but_for_its_prior():
    scores, labels = overconfident(300)
    classifier = FrozenEstimator(_Logits().fit(scores[:, None], labels))
    oracle = CalibratedClassifierCV(classifier, method="sigmoid").fit(scores[:, None], labels)
    ours = fit_platt(scores, labels).apply(scores)
    # scikit-learn's targets are Platt's, 1 / (N + 2) away from 0 and 1
    assert np.abs(ours - oracle.predict_proba(scores[:, None])[:, 1]).max() < 0.02


class _Logits(ClassifierMixin, BaseEstimator):
    """A classifier whose decision is the logit of its one feature."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return logit(x[:, 0])

    def predict(self, x):
        return self.classes_[(x[:, 0] >= 0.5).astype(int)]


def test_temperature_equals_the_optimum_of_another_optimizer():
    scores, labels = overconfident(500, offset=0.0)
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], lr=0.5, max_iter=100, line_search_fn="strong_wolfe")
    logits, truth = torch.tensor(logit(scores)), torch.tensor(labels, dtype=torch.float64)

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(weight * logits, truth)
        value.backward()
        return value

    optimizer.step(loss)
    assert fit_temperature(scores, labels).slope == pytest.approx(weight.item(), abs=1e-3)


def test_isotonic_is_scikit_learns_but_never_certain():
    scores, labels = overconfident(200)
    order = np.argsort(scores)
    oracle = np.clip(isotonic_regression(labels[order].astype(float)), 1 / 202, 1 - 1 / 202)
    assert fit_isotonic(scores, labels).apply(scores[order]) == pytest.approx(oracle, abs=1e-9)
    assert fit_isotonic(scores, labels).apply(np.array([0.0]))[0] > 0


def test_grades_as_a_whole_find_their_temperature_and_offsets():
    generator = np.random.default_rng(0)
    true_logits = generator.normal(0, 1.2, (6000, 5))
    truth = softmax(true_logits, axis=1)
    grades = np.array([generator.choice(5, p=row) for row in truth])
    hot = softmax(2.5 * true_logits, axis=1)
    temperature = fit_grade_temperature(hot, grades)
    assert temperature.weights[0] == pytest.approx(1 / 2.5, abs=0.02)
    shifted = softmax(2.5 * true_logits + np.array([0, 0, 0, 2.0, 0]), axis=1)
    vector = fit_vector(shifted, grades)
    assert log_loss(vector.apply(shifted), grades) < log_loss(
        fit_grade_temperature(shifted, grades).apply(shifted), grades
    )
    assert log_loss(vector.apply(shifted), grades) == pytest.approx(log_loss(truth, grades), abs=0.01)
    assert vector.apply(shifted).sum(axis=1) == pytest.approx(1)


def test_a_score_that_ranks_backwards_becomes_the_prevalence():
    scores, labels = overconfident(400)
    assert fit_platt(1 - scores, labels).apply(scores) == pytest.approx(labels.mean())
    assert fit_temperature(1 - scores, labels).apply(scores) == pytest.approx(0.5)


def test_choosing_by_patients_lowers_the_error_on_other_eyes():
    scores, labels = overconfident(400)
    others, truth = overconfident(4000, seed=1)
    found = cross_validate(scores, labels, np.arange(400) // 2, of_grades=False)
    assert [one.method.name for one in found] == [method.name for method in methods_of(of_grades=False)]
    chosen = choose_method(found)
    assert chosen.method.name in ("platt", "isotonic")

    def error(values):
        return measure_calibration(values, truth, sample_patients(np.arange(4000), draws=0)).error[0]

    assert error(chosen.fitted.apply(others)) < 0.04 < 0.1 < error(others)
    assert chosen.log_loss < found[0].log_loss
    assert found[0].outside == pytest.approx(scores)


def test_the_eyes_of_a_patient_are_never_on_both_sides():
    """Each patient has scores of its own and one label: known patients could be recognized, unknown ones cannot."""
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 10)
    scores, labels = generator.random(40)[patients], (generator.random(40) < 0.5)[patients]
    found = {one.method.name: one for one in cross_validate(scores, labels, patients, of_grades=False)}
    assert log_loss(found["isotonic"].fitted.apply(scores), labels) < 0.68 < found["isotonic"].log_loss


def test_a_map_survives_its_table():
    scores, labels = overconfident(100)
    grades = np.digitize(scores, [0.2, 0.4, 0.6, 0.8])
    softmaxes = np.random.default_rng(0).dirichlet(np.ones(5), 100)
    for method in CALIBRATION_METHODS.values():
        given, truth = (softmaxes, grades) if method.of_grades else (scores, labels)
        fitted = method.fit(given, truth)
        assert read_map(method.name, fitted.to_json()).apply(given) == pytest.approx(fitted.apply(given))
    for damaged in ("{", "{}", '{"other": 1}', "[1]"):
        with pytest.raises(InputError, match="damaged"):
            read_map("isotonic", damaged)


@pytest.mark.parametrize(
    ("labels", "patients", "reason"),
    [
        ([True, False, True], [1, 2, 3], "at least 50 labeled eyes, not 3"),
        ([False] * 80, range(80), "of these 80 eyes 0 are positive"),
        ([True] * 78 + [False] * 2, range(80), "of these 80 eyes 78 are positive"),
        ([True, False] * 40, [0] * 80, "at least 5 patients, not 1"),
    ],
)
def test_too_few_eyes_are_refused_with_the_reason(labels, patients, reason):
    with pytest.raises(InputError, match=reason):
        check_calibration_eyes(np.array(labels), np.array(patients))
