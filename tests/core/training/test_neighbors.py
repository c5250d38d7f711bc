import numpy as np
import pytest

from dr_core.errors import InputError
from dr_core.training.neighbors import measure_neighbors


def test_neighbors_of_other_patients_vote():
    """Two directions, two labels; the second eye of patient c lies with the wrong ones."""
    features = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.5]], float) * 3
    labels = np.array([0, 0, 1, 1, 1])
    measures = measure_neighbors(features, labels, np.array(["a", "b", "c", "d", "c"]))
    assert measures["knn_accuracy"] == pytest.approx(4 / 5)
    assert measures["knn_balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)


def test_fellow_eyes_do_not_vote_for_each_other():
    features = np.repeat(np.eye(4), 2, axis=0) + 0.01 * np.random.default_rng(0).standard_normal((8, 4))
    labels = np.repeat([0, 1, 2, 3], 2)  # only the fellow eye has the same grade
    assert measure_neighbors(features, labels, np.arange(8))["knn_accuracy"] == 1
    assert measure_neighbors(features, labels, np.repeat(np.arange(4), 2))["knn_accuracy"] == 0


def test_always_the_most_frequent_label_is_no_balanced_accuracy():
    labels = np.array([0] * 90 + [1] * 10)
    measures = measure_neighbors(np.random.default_rng(0).standard_normal((100, 64)), labels, np.arange(100))
    assert measures["knn_accuracy"] > 0.85
    assert measures["knn_balanced_accuracy"] == pytest.approx(0.5, abs=0.06)


def test_one_patient_has_no_neighbors():
    with pytest.raises(InputError, match="at least two patients"):
        measure_neighbors(np.eye(3), np.arange(3), np.zeros(3))
