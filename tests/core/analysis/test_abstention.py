"""Risk-coverage curves."""

import numpy as np
import pytest
from scipy.stats import entropy

from dr_core.analysis.abstention import UNCERTAINTIES, measure_abstention
from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.patient_level import join_eyes
from dr_core.errors import InputError


def test_the_area_by_hand():
    found = measure_abstention(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, False]))
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert found.area == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert found.oracle == pytest.approx(1 / 16)
    assert found.random == 0.25


def test_ties_prefer_no_order():
    wrong = np.random.default_rng(0).random(50) < 0.3
    same = measure_abstention(np.ones(50), wrong)
    assert same.risk == pytest.approx(wrong.mean())
    assert same.area == pytest.approx(same.random)


def test_a_better_score_has_a_smaller_area_and_an_interval_around_it():
    generator = np.random.default_rng(0)
    sureness = generator.random(400)
    wrong = generator.random(400) < sureness * 0.6
    draws = sample_patients(np.arange(400) // 2, draws=200)
    good, blind = measure_abstention(sureness, wrong, draws), measure_abstention(generator.random(400), wrong, draws)
    assert good.oracle < good.area < blind.area
    assert good.low < good.area < good.high < blind.area


def test_uncertainties_by_hand():
    answers = np.array([[[0.7, 0.2, 0.1, 0, 0]], [[0.1, 0.2, 0.7, 0, 0]]])
    mean = answers.mean(axis=0)[0]
    found = {name: one.compute(answers)[0] for name, one in UNCERTAINTIES.items()}
    assert found["softmax"] == pytest.approx(0.6)
    assert found["margin"] == pytest.approx(1.0)
    assert found["entropy"] == pytest.approx(entropy(mean))
    assert found["spread"] == pytest.approx(entropy(mean) - np.mean([entropy(row[0]) for row in answers]))
    alike = np.repeat(answers[:1], 3, axis=0)
    assert UNCERTAINTIES["spread"].compute(alike)[0] == pytest.approx(0, abs=1e-12)


def test_the_worse_eye_decides_and_an_eye_that_cannot_be_judged_leaves_the_other():
    patients = np.array(["b", "b", "a", "a", "c"])
    found = join_eyes(
        np.array([0.2, 0.9, 0.4, 0.3, 0.8]),
        np.array([False, True, False, False, True]),
        patients,
        np.array([True, True, False, True, False]),
    )
    assert found.patients.tolist() == ["a", "b", "c"]
    assert found.scores[:2].tolist() == [0.3, 0.9]
    assert np.isnan(found.scores[2])
    assert found.known.tolist() == [True, True, False]
    assert found.labels.tolist() == [False, True, True]
    assert (found.judged.tolist(), found.eyes.tolist()) == ([1, 2, 0], [2, 2, 1])
    with pytest.raises(InputError, match="for each eye"):
        join_eyes(np.zeros(2), np.zeros(3, bool), patients)
