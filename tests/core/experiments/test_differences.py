import numpy as np
import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.experiments.answers import ANSWERS, MeasureConfig, compare_performance, summarize
from dr_core.experiments.differences import measure_differences
from dr_core.experiments.robustness import RobustnessConfig, compare_pairs, relate_errors, summarize_robustness

READING = "grades 2-4 against 0-1"


@pytest.fixture(scope="module")
def predictions():
    """Three set-ups on the same 40 eyes of 20 patients; the third answers as the first does."""
    generator = np.random.default_rng(0)
    grades = np.arange(40) % 5
    answers = {}
    for name, skill in (("a", 2.0), ("b", 0.5)):
        logits = generator.normal(size=(40, 5)) + skill * np.eye(5)[grades]
        answers[name] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers["c"] = answers["a"]
    eyes = pd.DataFrame({"eye": [str(at) for at in range(40)], "patient": np.arange(40) // 2, "grade": grades})
    parts = [
        pd.concat(
            [eyes.assign(data="eyes", setup=name, has_dr=grades > 0), pd.DataFrame(values, columns=ANSWERS)], axis=1
        )
        for name, values in answers.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_differences_are_those_of_the_measures_and_turn_with_the_reference(predictions):
    config = MeasureConfig(draws=50)
    values = summarize(predictions, config).set_index(["setup", "reading", "measure"])["value"]
    rows = measure_differences(predictions, "b", READING, config)
    assert set(rows["setup"]) == {"a", "c"}
    assert {"auc", "calibration_error", "quadratic_kappa", "accuracy"} <= set(rows["measure"])
    for row in rows.to_dict("records"):
        key = row["reading"], row["measure"]
        assert row["value"] == pytest.approx(values[(row["setup"], *key)] - values[("b", *key)])
        assert row["low"] <= row["value"] <= row["high"]
    turned = measure_differences(predictions, "a", READING, config).set_index(["setup", "measure"])["value"]
    for row in rows[rows["setup"] == "a"].to_dict("records"):
        assert turned["b", row["measure"]] == pytest.approx(-row["value"])
    assert not np.any(turned["c"])


def test_the_auc_has_the_interval_of_the_table_of_comparisons(predictions):
    compared = compare_performance(predictions).set_index(["setup", "other", "reading"]).loc["a", "b", READING]
    row = measure_differences(predictions, "b", READING).set_index(["setup", "measure"]).loc["a", "auc"]
    assert tuple(row[["value", "low", "high"]]) == pytest.approx(tuple(compared[["difference", "low", "high"]]))


def test_other_eyes_are_refused_and_a_missing_reference_gives_nothing(predictions):
    shuffled = predictions.assign(
        eye=np.where(predictions["setup"] == "b", "x" + predictions["eye"], predictions["eye"])
    )
    with pytest.raises(InputError, match="no answers for the same eyes"):
        measure_differences(shuffled, "a", READING)
    assert measure_differences(predictions, "d", READING).empty


def test_figure_4_turns_with_the_pair_and_errors_with_the_reference(predictions):
    levels = [("clean", 0.0), ("fog", 1.0), ("fog", 3.0)]
    rows = pd.concat([predictions.assign(corruption=name, severity=level) for name, level in levels], ignore_index=True)
    config = RobustnessConfig(corruptions=("fog",), severities=(1, 3), draws=20)
    both = compare_pairs(rows, config, [("a", "b"), ("b", "a"), ("a", "missing")])
    assert list(both.groupby(["setup", "other"], sort=False).size().index) == [("a", "b"), ("b", "a")]
    there, back = (both[both["setup"] == name]["value"].to_numpy() for name in "ab")
    assert there == pytest.approx(-back)
    assert (there > 0).all()
    none = compare_pairs(rows, config, ())
    assert none.empty
    assert set(both) <= set(none)
    errors = relate_errors(rows, config, "b").set_index(["setup", "corruption"])["value"]
    assert errors["b", "all"] == pytest.approx(1)
    whole = summarize_robustness(rows, config, "b")
    stored = whole[whole["measure"] == "corruption error"].set_index(["setup", "corruption"])["value"]
    pd.testing.assert_series_equal(errors, stored)
