import numpy as np
import pandas as pd
import pytest

from dr_core.data.fundus.checks import COMPRESSED, DARK, GRAY
from dr_core.data.grades import PAPER_READING
from dr_core.experiments.false_referrals import find_rates, measure_false_referrals, read_findings


@pytest.fixture
def measured():
    """100 healthy eyes without a warning, 50 compressed ones that look sick, 50 sick ones, 5 gray ones."""
    random = np.random.default_rng(0)
    scores = np.concatenate([np.linspace(0, 0.5, 100), np.linspace(0.4, 0.9, 50), np.full(50, 0.9), np.full(5, 0.9)])
    grade = np.repeat([0, 0, 3, 0], [100, 50, 50, 5])
    warnings = pd.Series(np.repeat(["", f"{COMPRESSED} {DARK}", "", GRAY], [100, 50, 50, 5]))
    warnings.index = [f"eye {number}" for number in range(205)]
    eyes = pd.DataFrame({"data": "own", "eye": warnings.index, "patient": np.arange(205).astype(str), "grade": grade})
    eyes = eyes.assign(has_dr=eyes["grade"] > 0, seed=0, fraction=100, p1=0.0, p2=0.0, p4=0.0)
    parts = [eyes.assign(setup=setup, p3=s, p0=1 - s) for setup, s in (("a", scores), ("b", random.random(205)))]
    return measure_false_referrals(pd.concat(parts, ignore_index=True), warnings)


def test_findings_are_read_from_warnings():
    assert read_findings("") == ("within",)
    assert read_findings(f"{DARK} {COMPRESSED}") == ("doubtful", "dark", "compressed")
    assert read_findings(f"{GRAY} Page 1 of 2 was read.") == ("outside", "gray")


def test_the_share_of_healthy_eyes_that_are_referred_stands_beside_each_finding(measured):
    rows = measured[(measured["setup"] == "a") & (measured["reading"] == PAPER_READING)].set_index("finding")
    assert list(rows.index) == ["within", "doubtful", "dark", "compressed"]  # five gray eyes are too few
    threshold = rows.loc["within", "threshold"]
    assert rows.loc["within", "value"] == pytest.approx((np.linspace(0, 0.5, 100) >= threshold).mean())
    assert rows.loc["within", "value"] <= 0.1
    assert rows.loc["compressed", "value"] == pytest.approx((np.linspace(0.4, 0.9, 50) >= threshold).mean())
    assert rows.loc["compressed", "n"] == 50
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()


def test_shares_are_looked_up_over_the_set_ups(measured):
    found = find_rates(measured, PAPER_READING, ["compressed", "within", "montage"])
    assert list(found) == ["compressed", "within"]
    assert found["compressed"].lowest <= found["compressed"].highest
    assert found["compressed"].text.endswith("\N{NO-BREAK SPACE}% (of 50)")


def test_eyes_whose_quality_was_not_measured_give_no_rows():
    eyes = pd.DataFrame({"data": ["own"], "eye": ["a"], "patient": ["a"], "grade": [0], "has_dr": [False]})
    eyes = eyes.assign(setup="a", seed=0, fraction=100, p0=1.0, p1=0.0, p2=0.0, p3=0.0, p4=0.0)
    assert measure_false_referrals(eyes, pd.Series([None], index=["a"])).empty
