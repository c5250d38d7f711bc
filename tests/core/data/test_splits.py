import numpy as np
import pandas as pd
import pytest

from dr_core.data.splits import split_validation, take_fraction
from dr_core.errors import InputError


@pytest.fixture(scope="module")
def eyes():
    """800 patients with one or two eyes of EyePACS-like grades, fellow eyes alike or a grade apart."""
    generator = np.random.default_rng(0)
    rows = []
    for patient in range(800):
        grade = generator.choice(5, p=[0.73, 0.07, 0.15, 0.03, 0.02])
        for side in ("left", "right")[: 1 + (patient % 5 > 0)]:
            fellow = int(np.clip(grade + (generator.integers(-1, 2) if side == "right" else 0), 0, 4))
            rows.append({"eye": f"{patient}_{side}", "patient": str(patient), "grade": fellow})
    return pd.DataFrame(rows)


def worst_grades(eyes):
    return np.bincount(eyes.groupby("patient")["grade"].max(), minlength=5)


def test_no_patient_is_on_two_sides_and_none_is_lost(eyes):
    train, validation = split_validation(eyes, seed=1)
    assert not set(eyes["patient"].iloc[train]) & set(eyes["patient"].iloc[validation])
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(eyes)))


def test_each_grade_of_the_worse_eye_gives_its_share(eyes):
    _, validation = split_validation(eyes, seed=1)
    expected = 0.15 * worst_grades(eyes)
    assert np.abs(worst_grades(eyes.iloc[validation]) - expected).max() <= 0.5


def test_same_seed_same_split_in_whatever_order(eyes):
    shuffled = eyes.sample(frac=1, random_state=0).reset_index(drop=True)
    _, first = split_validation(eyes, seed=1)
    _, again = split_validation(shuffled, seed=1)
    _, other = split_validation(eyes, seed=2)
    assert set(eyes["eye"].iloc[first]) == set(shuffled["eye"].iloc[again])
    assert set(first) != set(other)


def test_fractions_are_nested_stratified_and_keep_fellow_eyes_together(eyes):
    inner: set[int] = set()
    for percent in range(10, 101, 10):
        rows = take_fraction(eyes, percent, seed=3)
        assert inner <= set(rows.tolist())
        inner = set(rows.tolist())
        chosen = eyes.iloc[rows]
        assert len(chosen) == eyes["patient"].isin(chosen["patient"]).sum()
        assert np.abs(worst_grades(chosen) - percent / 100 * worst_grades(eyes)).max() <= 0.5
    assert len(inner) == len(eyes)


def test_split_by_image_lets_fellow_eyes_leak(eyes):
    train, validation = split_validation(eyes, seed=1, by="image")
    assert set(eyes["patient"].iloc[train]) & set(eyes["patient"].iloc[validation])
    assert len(validation) == pytest.approx(0.15 * len(eyes), abs=3)


def test_bad_shares_are_refused(eyes):
    for share in (0, 1, -0.1):
        with pytest.raises(InputError, match="must be above 0"):
            split_validation(eyes, 0, share=share)
    for percent in (0, 101):
        with pytest.raises(InputError, match="at most 100"):
            take_fraction(eyes, percent, 0)
    with pytest.raises(InputError, match="too few"):
        split_validation(eyes[:1], 0)
    with pytest.raises(InputError, match="no patient"):
        take_fraction(eyes[:3], 1, 0)
    with pytest.raises(InputError, match="patient or image"):
        take_fraction(eyes, 10, 0, by="eye")
