import numpy as np
import pytest

from dr_core.analysis.distribution import fit_distributions, top_share
from dr_core.errors import InputError


def test_many_pareto_values_are_told_from_all_rivals():
    values = np.random.default_rng(0).pareto(1.5, 5000) + 1
    fit = fit_distributions(values, draws=200)
    assert fit.verdict.startswith("Pareto describes the 5000 values better")
    assert fit.alpha_low < 1.5 < fit.alpha_high
    assert fit.table.set_index("distribution")["aic"].idxmin() == "pareto"


@pytest.mark.parametrize("law", ["gamma", "lognormal", "exponential"])
def test_other_laws_are_not_called_pareto(law):
    values = getattr(np.random.default_rng(1), law)(*{"gamma": (3.0,)}.get(law, ()), size=3000)
    assert fit_distributions(values, draws=20).verdict.startswith("Not Pareto")


def test_64_pareto_values_do_not_mislead():
    for seed in range(6):
        values = np.random.default_rng(seed).pareto(1.2, 64) + 1
        fit = fit_distributions(values, draws=50)
        assert fit.table.set_index("distribution")["aic"].idxmin() == "pareto"
        assert not fit.verdict.startswith("Not Pareto")


def test_few_lognormal_values_are_never_called_pareto():
    for seed in range(6):
        values = np.random.default_rng(seed).lognormal(0, 1, 64)
        assert not fit_distributions(values, draws=20).verdict.startswith("Pareto")


def test_it_is_silent_and_the_same_twice(capfd):
    values = np.random.default_rng(3).pareto(1.0, 64) + 1
    first, again = (fit_distributions(values, draws=50) for _ in range(2))
    assert (first.alpha_low, first.verdict) == (again.alpha_low, again.verdict)
    assert first.table.equals(again.table)
    assert capfd.readouterr() == ("", "")


def test_bad_values():
    with pytest.raises(InputError, match="at least 10 different values above 0, not 1"):
        fit_distributions(np.ones(64))
    with pytest.raises(InputError, match="at least 10 different"):
        fit_distributions(np.zeros(64))
    with pytest.raises(InputError, match="not finite"):
        fit_distributions(np.array([1.0, np.nan]))


def test_80_20():
    assert top_share(1.16) == pytest.approx(0.80, abs=0.005)
    assert top_share(0.9) == 1


def test_values_that_hang_together_are_less_sure():
    values = np.random.default_rng(4).pareto(1.5, 60) + 1
    copies, groups = np.tile(values, 20), np.tile(np.arange(60), 20)
    alone, apart, together = (
        fit_distributions(values, draws=300),
        fit_distributions(copies, draws=300),
        fit_distributions(copies, groups=groups, draws=300),
    )
    widths = [fit.alpha_high - fit.alpha_low for fit in (alone, apart, together)]
    assert together.alpha == pytest.approx(alone.alpha)
    assert widths[2] == pytest.approx(widths[0], rel=0.05)
    assert widths[1] < 0.5 * widths[2]
    scores = [fit.table.set_index("distribution").loc["expon", "vuong"] for fit in (alone, apart, together)]
    assert scores[2] == pytest.approx(scores[0], rel=1e-6)
    assert abs(scores[1]) > 3 * abs(scores[2])
