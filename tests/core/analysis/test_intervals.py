import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.intervals import cover_auc, cover_proportion
from dr_core.analysis.discrimination import compare_aucs
from dr_core.analysis.intervals import auc_influence, auc_interval, hanley_mcneil_variance, proportion_interval
from dr_core.errors import InputError


def drawn(seed=0, patients=40, eyes=2):
    generator = np.random.default_rng(seed)
    labels = generator.random(patients * eyes) < 0.4
    scores = np.round(generator.normal(size=patients * eyes) + labels, 1)  # with ties
    return scores, labels, np.repeat(np.arange(patients), eyes)


def obuchowski_slowly(scores, labels, patients):
    """Obuchowski 1997, equations 3 to 6, pair by pair."""
    sick, healthy = np.flatnonzero(labels), np.flatnonzero(~labels)
    wins = {(i, j): float(scores[i] > scores[j]) + 0.5 * float(scores[i] == scores[j]) for i in sick for j in healthy}
    area = np.mean(list(wins.values()))
    v10 = {i: np.mean([wins[i, j] for j in healthy]) for i in sick}
    v01 = {j: np.mean([wins[i, j] for i in sick]) for j in healthy}
    names = np.unique(patients)
    a = np.array([sum(v10[i] - area for i in sick if patients[i] == name) for name in names])
    b = np.array([sum(v01[j] - area for j in healthy if patients[j] == name) for name in names])
    i10 = len({patients[i] for i in sick})
    i01 = len({patients[j] for j in healthy})
    s10 = i10 / ((i10 - 1) * len(sick)) * (a**2).sum()
    s01 = i01 / ((i01 - 1) * len(healthy)) * (b**2).sum()
    s11 = len(names) / (len(names) - 1) * (a * b).sum()
    return area, s10 / len(sick) + s01 / len(healthy) + 2 * s11 / (len(sick) * len(healthy))


@pytest.mark.parametrize("seed", range(4))
def test_the_variance_is_obuchowskis(seed):
    scores, labels, patients = drawn(seed)
    area, variance = obuchowski_slowly(scores, labels, patients)
    found = auc_influence(scores, labels, patients)
    assert found.value[0] == pytest.approx(area, abs=1e-12)
    # the mixed term's factor is sqrt(I10 I01 / ((I10 - 1) (I01 - 1))) instead of I / (I - 1)
    assert (found.influence[:, 0] ** 2).sum() == pytest.approx(variance, rel=0.01)


def test_single_eyes_give_delongs_variance():
    scores, labels, _ = drawn(1)
    other = np.random.default_rng(3).normal(size=len(labels)) + 0.5 * labels
    found = auc_influence(np.stack([scores, other]), labels, np.arange(len(labels)))
    test = compare_aucs(scores, other, labels)
    difference = found.influence[:, 0] - found.influence[:, 1]
    assert np.sqrt((difference**2).sum()) == pytest.approx(test.error, rel=1e-12)


def test_equal_eyes_of_a_patient_count_once():
    scores, labels, patients = drawn(2, eyes=1)
    alone = auc_interval(scores, labels, patients)
    twice = auc_interval(np.repeat(scores, 2), np.repeat(labels, 2), np.repeat(patients, 2))
    assert (twice.value, twice.low, twice.high) == pytest.approx((alone.value, alone.low, alone.high), abs=1e-12)


@pytest.mark.parametrize(("sick", "healthy"), [(3, 5), (12, 40)])
def test_a_perfect_score_has_a_width_and_few_eyes_a_warning(sick, healthy):
    labels = np.arange(sick + healthy) < sick
    found = auc_interval(labels.astype(float), labels, np.arange(len(labels)))
    assert found.value == found.high == 1
    assert 0 < found.low < 0.995
    assert found.warning == (f"only {sick} positive eyes" if sick < 10 else "")
    nobody = auc_interval(np.arange(4.0), np.array([True, False, False, False]), np.arange(4))
    assert np.isnan(nobody.low)
    assert "fewer than two patients" in nobody.warning


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(InputError, match="a number for each eye"):
        auc_interval(np.array([np.nan, 1, 2, 3]), np.array([True, True, False, False]), np.arange(4))


def test_hanley_mcneil_by_hand():
    """A = .8, M = N = 10, q = 9: .16 (1 + 9 * .2 / 1.2 + 9 * .8 / 1.8) / 100 = .16 * 6.5 / 100."""
    assert hanley_mcneil_variance(0.8, 10, 10) == pytest.approx(0.0104)


def test_wilson_by_hand_and_never_without_width():
    """Single eyes, many of them: Wilson's interval as scipy has it, up to t for z."""
    from scipy.stats import binomtest

    hits = np.arange(20_000) < 300
    found = proportion_interval(hits, np.arange(20_000))
    expected = binomtest(300, 20_000).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)
    for alike in (np.zeros(30, bool), np.ones(30, bool)):
        edge = proportion_interval(alike, np.arange(30) // 2)
        assert edge.high - edge.low > 0.1
        assert edge.warning
    assert np.isnan(proportion_interval(np.zeros(0, bool), np.zeros(0)).low)


def test_equal_eyes_are_worth_one():
    hits = np.random.default_rng(0).random(60) < 0.3
    alone = proportion_interval(hits, np.arange(60))
    twice = proportion_interval(np.repeat(hits, 2), np.repeat(np.arange(60), 2))
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high), abs=2e-3)


@pytest.mark.parametrize(("patients", "sick"), [(50, 0.2), (100, 0.1), (100, 0.5), (300, 0.1)])
@pytest.mark.parametrize("eyes", [1, 2])
def test_intervals_cover(patients, sick, eyes):
    """A short form of benchmarks/intervals.py; four Monte Carlo errors around .93 to .97."""
    studies = 200
    slack = 4 * np.sqrt(0.95 * 0.05 / (2 * studies))
    areas = [hit for auc in (0.75, 0.9) for hit in cover_auc(studies, patients, sick, auc, eyes)]
    assert 0.93 - slack < np.mean(areas) < 0.97 + slack
    shares = list(cover_proportion(2 * studies, patients, sick, eyes))
    assert 0.93 - slack < np.mean(shares) < 0.97 + slack


def test_the_binormal_law_of_the_simulation_has_the_area_that_it_says():
    from benchmarks.intervals import draw_study

    scores, labels, _ = draw_study(np.random.default_rng(0), 4000, 0.3, 0.8, 1)
    assert auc_interval(scores, labels, np.arange(4000)).value == pytest.approx(0.8, abs=0.025)
    assert labels.mean() == pytest.approx(norm.sf(norm.isf(0.3)), abs=0.03)
