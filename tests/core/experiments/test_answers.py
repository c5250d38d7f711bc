import numpy as np
import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, MeasureConfig, compare_performance, summarize


def answers(grades, setups=("iwne_fs", "ifi_cl")):
    generator = np.random.default_rng(0)
    parts = []
    for setup in setups:
        softmax = generator.dirichlet(np.ones(5), len(grades))
        eyes = {"data": "d", "eye": np.arange(len(grades)), "patient": np.arange(len(grades)) // 2, "setup": setup}
        rows = eyes | {"grade": grades, "has_dr": grades > 0} | dict(zip(ANSWERS, softmax.T, strict=True))
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def test_probabilities_that_are_no_numbers_are_refused():
    table = answers(np.arange(20) % 5)
    table.loc[3, "p2"] = np.nan
    with pytest.raises(InputError, match="are not numbers"):
        summarize(table)
    with pytest.raises(InputError, match="are not numbers"):
        compare_performance(table)


def test_an_eye_twice_and_other_eyes_are_refused():
    table = answers(np.arange(20) % 5)
    with pytest.raises(InputError, match="an eye twice"):
        summarize(pd.concat([table, table.iloc[:1]]))
    with pytest.raises(InputError, match="the same eyes"):
        compare_performance(table.iloc[:-1])


def test_too_few_eyes_give_no_number_and_no_failure():
    table = answers(np.array([0, 4]))
    rows = summarize(table, MeasureConfig(draws=20)).set_index(["setup", "measure", "reading"])
    assert rows.loc[("iwne_fs", "auc", "grades 3-4 against 0-2"), "value"] in (0.0, 1.0)
    assert compare_performance(table, MeasureConfig(draws=20))["p"].isna().all()  # a variance needs two eyes of a class
    healthy = summarize(answers(np.zeros(3, int)), MeasureConfig(draws=20)).set_index("measure")
    assert healthy.loc["auc", "value"].isna().all()
