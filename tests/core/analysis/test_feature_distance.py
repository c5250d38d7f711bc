import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance

from dr_core.analysis.feature_distance import fit_reference
from dr_core.errors import InputError


def draw_features(eyes=400, features=12, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(eyes, features)) @ np.diag(np.linspace(3, 0.5, features)) + 5


def patients_of(features):
    return np.array([f"patient {number // 2}" for number in range(len(features))])


def test_with_all_directions_it_is_the_mahalanobis_distance_of_scikit_learn():
    features, others = draw_features(), draw_features(20, seed=1)
    found = fit_reference(features, patients_of(features), rank=11).distance(others)
    oracle = EmpiricalCovariance().fit(features).mahalanobis(others) / features.shape[1]
    assert found == pytest.approx(oracle * (len(features) - 1) / len(features), rel=1e-6)


def test_training_eyes_keep_their_limits_and_others_do_not():
    features, others = draw_features(), draw_features(400, seed=1)
    reference = fit_reference(features, patients_of(features), rank=4)
    inside = reference.distance(others)
    assert np.mean(inside > reference.limits[0]) == pytest.approx(0.05, abs=0.03)
    assert np.mean(inside > reference.limits[1]) == pytest.approx(0.01, abs=0.02)
    assert (reference.distance(others + 6) > reference.limits[1]).all()


@pytest.mark.parametrize("broken", ["few", "one patient", "not finite"])
def test_what_cannot_be_fitted_is_refused(broken):
    features = draw_features(40 if broken == "few" else 100)
    patients = patients_of(features)
    if broken == "one patient":
        patients = np.full(len(features), "a")
    if broken == "not finite":
        features[3, 2] = np.nan
    with pytest.raises(InputError):
        fit_reference(features, patients)


def test_features_of_another_network_are_refused():
    features = draw_features()
    with pytest.raises(InputError, match="12 features"):
        fit_reference(features, patients_of(features)).distance(features[:, :5])
