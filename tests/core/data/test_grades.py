import numpy as np
import pytest

from dr_core.data.grades import LesionFindings, icdr_grade, is_referable, referable_probability


@pytest.mark.parametrize(
    ("findings", "grade"),
    [
        ({}, 0),
        ({"microaneurysms": 1}, 1),
        ({"microaneurysms": 500}, 1),
        ({"hard_exudates": 1}, 2),
        ({"soft_exudates": 1}, 2),
        ({"haemorrhages_by_quadrant": (1, 0, 0, 0)}, 2),
        ({"microaneurysms": 3, "haemorrhages_by_quadrant": (20, 40, 40, 40)}, 2),  # not more than 20 in all four
        ({"haemorrhages_by_quadrant": (21, 21, 21, 21)}, 3),
        ({"venous_beading_quadrants": 1}, 2),
        ({"venous_beading_quadrants": 2}, 3),
        ({"irma_quadrants": 1}, 3),
        ({"new_vessels": True}, 4),
        ({"vitreous_or_preretinal_haemorrhage": True}, 4),
        ({"irma_quadrants": 4, "new_vessels": True}, 4),
    ],
)
def test_icdr_rule(findings, grade):
    assert icdr_grade(LesionFindings(**findings)) == grade


def test_both_readings_of_referable():
    assert is_referable([0, 1, 2, 3, 4]).tolist() == [False, False, False, True, True]
    assert is_referable([0, 1, 2, 3, 4], 2).tolist() == [False, False, True, True, True]
    softmax = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]])
    assert referable_probability(softmax) == pytest.approx([0.4])
    assert referable_probability(softmax, 2) == pytest.approx([0.7])
