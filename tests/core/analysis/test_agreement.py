import numpy as np
import pytest

from dr_core.analysis.agreement import find_agreement, mean_answer
from dr_core.data.grades import spread_binary

ANSWERS = {
    "iwne_fs": np.array([0.1, 0.1, 0.5, 0.2, 0.1]),  # .3 by the paper's reading, .8 by the ICDR's
    "ifi_cl": np.array([0.0, 0.1, 0.2, 0.3, 0.4]),  # .7 and .9
}


def test_sides_follow_from_reading_and_threshold():
    paper = find_agreement(ANSWERS, 3, 0.5)
    assert (paper.referable, paper.not_referable) == (("ifi_cl",), ("iwne_fs",))
    assert not paper.unanimous
    assert paper.spread == pytest.approx(0.4)
    icdr = find_agreement(ANSWERS, 2, 0.5)
    assert icdr.referable == ("iwne_fs", "ifi_cl")
    assert icdr.unanimous


def test_the_threshold_itself_is_referable():
    half = {"ifi_fs": np.array([0.5, 0.0, 0.0, 0.5, 0.0])}
    assert find_agreement(half, 3, 0.5).referable == ("ifi_fs",)
    assert find_agreement(half, 3, 0.51).not_referable == ("ifi_fs",)


def test_the_mean_of_models_is_a_model():
    answers = {"a": np.array([0.5, 0.5, 0, 0, 0]), "b": np.array([0.1, 0.1, 0.2, 0.3, 0.3])}
    softmax, number = mean_answer(answers)
    np.testing.assert_allclose(softmax, [0.3, 0.3, 0.1, 0.15, 0.15])
    assert number == 2
    binary = spread_binary(np.array([[0.2, 0.8]]), 2)[0]
    assert mean_answer(answers | {"binary": binary})[1] == 2  # it does not tell single grades apart
    assert mean_answer({"a": answers["a"], "binary": binary}) is None
