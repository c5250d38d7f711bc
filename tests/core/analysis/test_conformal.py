"""Conformal sets against crepes, and by hand."""

import crepes
import numpy as np
import pytest

from dr_core.analysis.conformal import (
    SET_METHODS,
    conformal_sets,
    conformal_threshold,
    describe_set,
    fit_thresholds,
    score_adaptive,
    score_ordinal,
    score_regularized,
)
from dr_core.data.grades import GRADES
from dr_core.errors import InputError

_CONFIDENCE = 0.813
"""No whole number of eyes: where p is 1 - confidence exactly, crepes keeps the grade, the definition does not."""


def eyes(number, seed, concentration=1.0):
    """Softmax and grades that follow it, exchangeable."""
    generator = np.random.default_rng(seed)
    softmax = generator.dirichlet(np.full(5, concentration), number)
    return softmax, np.array([generator.choice(5, p=row) for row in softmax])


def test_scores_by_hand():
    softmax = np.array([[0.1, 0.5, 0.25, 0.1, 0.05]])
    assert score_adaptive(softmax)[0] == pytest.approx([0.75, 0, 0.5, 0.85, 0.95])
    assert score_regularized(softmax)[0] == pytest.approx([0.85, 0, 0.5, 1.05, 1.25])
    assert score_ordinal(softmax)[0] == pytest.approx([0.75, 0, 0.5, 0.85, 0.95])
    far = np.array([[0.4, 0.05, 0.05, 0.1, 0.4]])  # an interval cannot leap
    assert score_ordinal(far)[0] == pytest.approx([0, 0.4, 0.45, 0.5, 0.6])


def test_the_threshold_is_the_ceil_of_n_plus_one():
    scores = np.arange(1, 20) / 20  # 19 eyes: ceil(20 x .9) = 18
    assert conformal_threshold(scores, 0.9) == 0.9
    assert conformal_threshold(scores[:8], 0.9) == np.inf  # ceil(9 x .9) = 9 of 8
    with pytest.raises(InputError, match="between 0 and 1"):
        conformal_threshold(scores, 1.0)


@pytest.mark.parametrize("name", list(SET_METHODS))
@pytest.mark.parametrize("by_class", [False, True])
def test_sets_equal_crepes(name, by_class):
    method = SET_METHODS[name]
    softmax, grades = eyes(300, 0)
    others, _ = eyes(200, 1)
    scores = method.score(softmax)[np.arange(300), grades]
    bins = grades if by_class else None
    classifier = crepes.ConformalClassifier().fit(scores, bins=bins)
    expected = np.empty((200, 5), bool)
    for grade in range(5):
        of_grade = method.score(others)[:, [grade]]
        asked = np.full(200, grade) if by_class else None
        expected[:, grade] = classifier.predict_set(of_grade, bins=asked, confidence=_CONFIDENCE, smoothing=False)[:, 0]
    found = conformal_sets(method, others, fit_thresholds(method, softmax, grades, _CONFIDENCE, by_class=by_class))
    whole = expected.any(axis=1)
    if method.contiguous:
        assert (found[whole] >= expected[whole]).all()
        assert by_class or (found[whole] == expected[whole]).all()
    else:
        assert (found[whole] == expected[whole]).all()
    assert found.any(axis=1).all()


@pytest.mark.parametrize("name", list(SET_METHODS))
def test_sets_cover_what_was_asked_on_exchangeable_eyes(name):
    method, covered, of_worst = SET_METHODS[name], [], []
    for seed in range(40):
        softmax, grades = eyes(1000, seed, concentration=0.4)
        for by_class, found in ((False, covered), (True, of_worst)):
            thresholds = fit_thresholds(method, softmax[:400], grades[:400], 0.9, by_class=by_class)
            sets = conformal_sets(method, softmax[400:], thresholds)
            hits = sets[np.arange(600), grades[400:]]
            found.append([hits[grades[400:] == grade].mean() for grade in range(5)] if by_class else hits.mean())
    assert 0.89 < np.mean(covered) < 0.915
    assert (np.mean(of_worst, axis=0) > 0.89).all()


def test_contiguous_sets_have_no_gap_and_few_eyes_are_refused():
    method = SET_METHODS["ordinal"]
    softmax, grades = eyes(200, 3)
    sets = conformal_sets(method, softmax, fit_thresholds(method, softmax, grades, 0.8, by_class=True))
    for members in sets:
        at = np.flatnonzero(members)
        assert len(at) == at[-1] - at[0] + 1
    with pytest.raises(InputError, match="at least 50 graded calibration eyes, not 49"):
        fit_thresholds(method, softmax[:49], grades[:49], 0.9, by_class=False)


def test_a_set_in_words():
    assert describe_set(np.array([0, 0, 1, 0, 0], bool), GRADES) == "moderate"
    assert describe_set(np.array([0, 0, 1, 1, 0], bool), GRADES) == "moderate to severe"
    assert describe_set(np.ones(5, bool), GRADES) == "any grade"
    assert describe_set(np.array([1, 0, 0, 1, 1], bool), GRADES) == "no DR, severe or proliferative"
