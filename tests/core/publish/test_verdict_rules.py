"""Each rule against a slow transcription of its source, and its error rate on normal contrasts."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from dr_core.analysis.multiplicity import holm_adjusted
from dr_core.publish.paper.evidence import Contrast, Evidence, Measured, combine, mean_influence
from dr_core.publish.paper.verdicts import (
    LEVEL,
    Verdict,
    foresee_all,
    foresee_close,
    foresee_most,
    holm,
    judge_all,
    judge_close,
    judge_description,
    judge_most,
    judge_outlier,
    judge_same_direction,
    list_comparisons,
    step_down,
)


def evidence(values, factor=None, freedom=math.inf):
    """Contrasts with a factor of their covariance; standard errors of 1 apart from each other where none is given."""
    number = len(values)
    return Evidence(
        names=tuple(f"c{place}" for place in range(number)),
        values=np.asarray(values, float),
        of_patients=np.eye(number) if factor is None else factor,
        of_runs=np.empty((0, number)),
        patient_freedom=freedom,
        run_freedom=math.inf,
        runs=2,
        published=np.full(number, math.nan),
    )


SAME = np.ones((1, 4))
"""Four contrasts that move as one."""


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([2.0, 2.0], "holds"),  # each at its own level: 1.96
        ([2.0, 1.9], "cannot tell"),
        ([9.0, -2.0], "cannot tell"),  # 2.24 is Holm's limit for the first of two
        ([9.0, -2.3], "does not hold"),
        ([], "cannot tell"),
    ],
)
def test_all(values, verdict):
    assert judge_all(evidence(values)).verdict == verdict


def test_95_effects_of_5_errors_hold_in_most_studies():
    """The chance that each of 95 is above 1.96 is Phi(3.04)^95 = .89; it was .2 % under Bonferroni on this side."""
    generator = np.random.default_rng(0)
    held = [judge_all(evidence(5 + generator.normal(size=95))).verdict is Verdict.HOLDS for _ in range(200)]
    assert np.mean(held) == pytest.approx(norm.cdf(3.04) ** 95, abs=4 * 0.022)


def test_holm_is_its_definition_and_statsmodels(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels searches for garbage after each call
    generator = np.random.default_rng(1)
    for _ in range(50):
        p = generator.random(9) ** 3
        order = np.argsort(p)
        slow = np.zeros(9, bool)
        for rank, place in enumerate(order):
            if p[place] > LEVEL / (9 - rank):
                break
            slow[place] = True
        assert (holm(p) == slow).all()
        adjusted = holm_adjusted(p)
        assert (holm(p) == (adjusted <= LEVEL)).all()
        assert adjusted == pytest.approx(multipletests(p, method="holm")[1])
    assert holm_adjusted(np.array([0.01, math.nan, 0.04])) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)


def step_down_slowly(found):
    """Romano and Wolf 2005, algorithm 3.1, with the draws of the evidence itself."""
    drawn, left, rejected = found.draw() / found.error[:, None], set(range(len(found.values))), set()
    while left:
        limit = np.quantile(drawn[sorted(left)].max(axis=0), 1 - LEVEL)
        new = {place for place in left if found.values[place] / found.error[place] > limit}
        if not new:
            break
        rejected |= new
        left -= new
    return [place in rejected for place in range(len(found.values))]


@pytest.mark.parametrize("seed", range(5))
def test_step_down_is_its_definition(seed):
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(12, 8))
    found = evidence(generator.normal(2, 2, 8) * 3, factor)
    assert step_down(found).tolist() == step_down_slowly(found)


def test_most_counts_what_is_surely_there():
    assert judge_most(evidence([9.0] * 3 + [0.0] * 2)).verdict is Verdict.HOLDS
    assert judge_most(evidence([9.0] * 2 + [0.0] * 2)).verdict is Verdict.OPEN
    assert judge_most(evidence([-9.0] * 2 + [9.0] * 2)).verdict is Verdict.FAILS
    assert judge_most(evidence([2.1] * 4, SAME)).verdict is Verdict.HOLDS  # one test, not four
    assert judge_most(evidence([2.1] * 4)).verdict is Verdict.OPEN


def test_exactly_half_real_effects_are_not_most():
    """It held in 91 % before: whatever was clear was counted."""
    generator = np.random.default_rng(2)
    values = np.repeat([5.0, 0.0], 10)
    held = [judge_most(evidence(values + generator.normal(size=20))).verdict is Verdict.HOLDS for _ in range(300)]
    assert np.mean(held) <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / 300)


def test_a_margin_is_judged_by_the_whole_interval():
    """Standard error .05, so that half an interval is .098."""
    small = np.array([[0.05]])
    assert judge_close(evidence([0.1], small), 0.25).verdict is Verdict.HOLDS
    assert judge_close(evidence([0.2], small), 0.25).verdict is Verdict.OPEN
    assert judge_close(evidence([-0.5], small), 0.25).verdict is Verdict.FAILS
    assert judge_close(evidence([0.0], np.array([[0.0]])), 0.25).verdict is Verdict.OPEN  # no error is known
    assert judge_close(evidence([]), 0.25).verdict is Verdict.OPEN


def test_pairs_go_the_same_way():
    assert judge_same_direction(evidence([9, 9, -9, -9])).verdict is Verdict.HOLDS
    assert judge_same_direction(evidence([9, 9, -9, 0])).verdict is Verdict.OPEN
    assert judge_same_direction(evidence([9, 9, -9, 9])).verdict is Verdict.FAILS


def test_an_outlier_must_be_farther_than_chance_puts_one_of_many():
    others = list(np.random.default_rng(0).normal(0, 1, 18))
    sharp = np.eye(19) * 0.01
    assert judge_outlier(evidence([9.0, *others], sharp)).verdict is Verdict.HOLDS
    assert judge_outlier(evidence([1.01 * max(others, key=abs), *others], sharp)).verdict is Verdict.OPEN
    assert judge_outlier(evidence([0.0, *others], sharp)).verdict is Verdict.FAILS
    assert judge_outlier(evidence([9.0, *others], np.eye(19) * 9)).verdict is Verdict.OPEN
    assert judge_outlier(evidence([1, 2, 3])).verdict is Verdict.OPEN
    generator = np.random.default_rng(3)
    held = [judge_outlier(evidence(generator.normal(size=19), sharp)).verdict is Verdict.HOLDS for _ in range(600)]
    assert np.mean(held) <= LEVEL + 4 * math.sqrt(LEVEL / 600)  # the farthest of 19 was taken in 5.3 %


def test_a_description_has_no_error():
    assert judge_description(evidence([1, 2])).verdict is Verdict.HOLDS
    assert judge_description(evidence([1, 0])).verdict is Verdict.FAILS
    assert judge_description(evidence([1, math.nan])).verdict is Verdict.OPEN
    assert judge_description(evidence([])).verdict is Verdict.OPEN


def test_what_a_study_could_have_told():
    """One normal contrast: detectable at (1.96 + .84) errors; equality within 3.24 errors is found in 80 %."""
    one = evidence([0.0])
    assert foresee_all(one).detectable == pytest.approx(norm.isf(0.025) + norm.isf(0.2), abs=0.1)
    assert foresee_most(one).detectable == pytest.approx(norm.isf(0.025) + norm.isf(0.2), abs=0.15)
    assert foresee_close(one, norm.isf(0.025) + norm.isf(0.1)).found == pytest.approx(0.8, abs=0.04)
    assert math.isnan(foresee_all(one).found)


def runs_of(values, influence=None):
    values = np.asarray(values, float)
    return Measured(values=values, influence=np.empty((0, values.shape[1])) if influence is None else influence)


def test_runs_give_students_interval():
    """Two set-ups of three runs: the two-sample t test with pooled variance, four degrees of freedom."""
    first, second = np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 0.5])
    measured = {"a": runs_of(first[:, None]), "b": runs_of(second[:, None])}
    found = combine(measured, [Contrast(name="a - b", weights={("a", 0): 1.0, ("b", 0): -1.0})])
    from scipy.stats import ttest_ind

    expected = ttest_ind(first, second)
    assert found.run_freedom == 4
    assert 2 * found.tail()[0] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    (one,) = list_comparisons(found)
    assert (one.low, one.high) == pytest.approx((interval.low, interval.high))


def test_patients_give_students_paired_interval():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 15))
    measured = {
        name: Measured(values=[[x.mean()]] @ np.eye(1), influence=mean_influence(x[:, None], np.arange(15)), freedom=14)
        for name, x in (("a", first), ("b", second))
    }
    found = combine(measured, [Contrast(name="a - b", weights={("a", 0): 1.0, ("b", 0): -1.0})])
    from scipy.stats import ttest_rel

    assert 2 * min(found.tail()[0], found.tail(-1)[0]) == pytest.approx(ttest_rel(first, second).pvalue)
    assert found.at_hand().runs == found.runs == 1


def test_draws_have_the_law_that_the_tails_say():
    """Both levels at once; the quantile of the draws is Student's with Satterthwaite's freedom, nearly."""
    generator = np.random.default_rng(1)
    measured = {
        name: Measured(values=generator.normal(size=(5, 3)), influence=0.1 * generator.normal(size=(40, 3)), freedom=39)
        for name in "ab"
    }
    contrasts = [Contrast(name="", weights={("a", cell): 1.0, ("b", cell): -1.0}) for cell in range(3)]
    found = combine(measured, contrasts)
    drawn = found.draw(40_000)
    covariance = found.of_patients.T @ found.of_patients * 39 / 37 + found.of_runs.T @ found.of_runs * 8 / 6
    assert np.cov(drawn) == pytest.approx(covariance, abs=0.05 * covariance.max())
    assert np.quantile(drawn, 0.975, axis=1) == pytest.approx(found.half(0.025), rel=0.05)
    assert (found.half(0.025) < student.isf(0.025, 8) * found.error).all()
    assert (found.half(0.025) > student.isf(0.025, 39) * found.error).all()


def test_two_runs_that_happen_to_agree_are_no_proof_of_equality():
    """One set-up, two runs, a truth at the margin: Satterthwaite's freedom let 1 in 10 such studies say equal."""
    generator, margin = np.random.default_rng(4), 0.22
    runs = margin + 0.19 * generator.normal(size=(4000, 2, 1))
    noise = 0.04 * generator.normal(size=4000)
    patients = np.full((40, 1), 0.04 / math.sqrt(40))
    held = 0
    for values, moved in zip(runs, noise, strict=True):
        measured = {"a": Measured(values=values + moved, influence=patients, freedom=39)}
        found = combine(measured, [Contrast(name="", weights={("a", 0): 1.0})])
        held += judge_close(found, margin).verdict is Verdict.HOLDS
    assert held <= binom.isf(1e-4, 4000, 0.05)
