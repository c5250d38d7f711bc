"""The short form of `benchmarks/verdicts.py`: false verdicts are as rare as said, by the code of now."""

import pandas as pd
import pytest
from scipy.stats import binom

from benchmarks import verdicts as benchmark
from benchmarks.simulated_study import KINDS, Simulation
from dr_core.publish.paper.error_rates import PATH, RUNS, find_error_rates
from dr_core.publish.paper.review import CLAIMS, judge_claims
from dr_core.publish.paper.verdicts import Verdict

STUDIES = 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_simulation_without_tables_gives_the_findings_of_its_tables(kind):
    simulation = [Simulation(kind, 2, 3) for _ in range(2)]
    slow, fast = (judge_claims(tables, foresee=False) for tables in (simulation[0].tables(), simulation[1].measure()))
    assert len(slow) == len(fast) >= len(CLAIMS)
    for one, other in zip(slow, fast, strict=True):
        assert (one.claim, one.data, one.judgment.verdict) == (other.claim, other.data, other.judgment.verdict)
        for first, second in zip(one.comparisons, other.comparisons, strict=True):
            assert first.name == second.name
            assert (first.value, first.low) == pytest.approx((second.value, second.low), nan_ok=True)


@pytest.mark.parametrize("runs", RUNS[:2])
def test_studies_without_effect_rarely_say_that_a_claim_holds(runs):
    """Bounds that rates of 5 % a claim and 10 % a study pass with a chance of 1e-4 each."""
    found = [benchmark.judge_study("null", runs, 10_000 + seed) for seed in range(STUDIES)]
    claims = [claim.key for claim in benchmark.list_claims(runs) if not claim.rule.equality]
    for key in claims:
        for verdict in (Verdict.HOLDS, Verdict.FAILS):
            if key == "jpeg_outlier" and verdict is Verdict.FAILS:
                continue  # without an outlier that is the truth
            verdicts = [one is verdict for study in found for one in study[key]]
            assert sum(verdicts) <= binom.isf(1e-4, len(verdicts), 0.05), (key, verdict)
    anyone = sum(any(Verdict.HOLDS in study[key] for key in claims) for study in found)
    assert anyone <= binom.isf(1e-4, STUDIES, 0.1)


@pytest.mark.parametrize("runs", RUNS[:2])
def test_a_difference_at_the_margin_is_rarely_called_equal(runs):
    found = [benchmark.judge_study("margin", runs, 10_000 + seed) for seed in range(STUDIES)]
    for key in found[0]:
        verdicts = [one is Verdict.HOLDS for study in found for one in study[key]]
        assert sum(verdicts) <= binom.isf(1e-4, len(verdicts), 0.05), key


def test_the_rates_that_are_shown_are_within_the_limits():
    table = pd.read_csv(PATH, keep_default_na=False)
    assert table["of_false"].min() >= 1000
    assert benchmark.find_excess(table).empty
    simulated = set(zip(table["claim"], table["runs"], strict=True))
    for runs in RUNS:
        assert {(claim.key, runs) for claim in benchmark.list_claims(runs)} <= simulated
    rates = find_error_rates("any", 3)
    assert rates.runs == 2
    assert rates.false_holds.share == rates.false_holds.count / rates.false_holds.studies


def test_an_excess_is_found():
    row = {"claim": "a", "runs": 1, "false_holds": 90, "of_false": 1000, "false_fails": 0, "of_true": 1000}
    assert len(benchmark.find_excess(pd.DataFrame([row, row | {"false_holds": 60}]))) == 1
    assert len(benchmark.find_excess(pd.DataFrame([row | {"claim": "any"}]))) == 0
    assert len(benchmark.find_excess(pd.DataFrame([row | {"claim": "any", "false_holds": 150}]))) == 1
