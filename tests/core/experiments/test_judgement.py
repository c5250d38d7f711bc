import numpy as np

from dr_core.analysis.feature_distance import fit_reference
from dr_core.data.fundus.checks import INPUT_CHECKS
from dr_core.experiments.judgement import FAR, judge, measure_distances


def test_the_level_is_the_worst_reasons():
    assert judge([], {}).level.name == "within"
    assert judge([INPUT_CHECKS["dark"]], {}).level.name == "doubtful"
    found = judge([INPUT_CHECKS["dark"], INPUT_CHECKS["no_fundus"]], {"A": 2.0})
    assert found.is_outside
    assert [reason.name for reason in found.reasons] == ["no_fundus", "dark", FAR]  # the worst first


def test_far_features_name_the_set_ups_and_how_far():
    found = judge([], {"near": 0.9, "far": 1.4, "farther": 3.25})
    assert found.level.name == "doubtful"
    assert not found.is_outside
    assert "far, farther" in found.reasons[0].sentence
    assert "3.2 times" in found.reasons[0].sentence
    assert "near" not in found.reasons[0].sentence.split("the eye")[0]


def test_a_distance_is_measured_over_the_limit_where_there_is_a_reference():
    features = np.random.default_rng(0).normal(size=(100, 4))
    reference = fit_reference(features, np.arange(100))
    found = measure_distances({"a": features[:1], "b": features[:1]}, {"a": reference})
    assert found == {"a": reference.distance(features[:1])[0] / reference.limits[-1]}
