import math

import pytest

from dr_core.analysis.patient_level import answer_patient

NAN = math.nan


@pytest.mark.parametrize(
    ("right", "left", "score", "referable", "unjudged"),
    [
        (0.2, 0.7, 0.7, True, ()),
        (0.2, 0.4, 0.4, False, ()),
        (0.5, 0.1, 0.5, True, ()),  # a score that reaches the threshold
        (0.6, NAN, 0.6, True, ("left",)),
        (NAN, 0.4, 0.4, None, ("right",)),  # an eye without an answer clears nobody
        (NAN, NAN, NAN, None, ("right", "left")),
    ],
)
def test_the_worse_eye_decides_and_a_missing_answer_clears_nobody(right, left, score, referable, unjudged):
    found = answer_patient({"right": right, "left": left}, 0.5)
    assert found.score == pytest.approx(score, nan_ok=True)
    assert found.referable is referable
    assert found.unjudged == unjudged
    assert answer_patient({}, 0.5).referable is None
