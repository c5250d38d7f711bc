import cv2
import numpy as np
import pytest

from dr_core.data.fundus import assess_quality, find_field_of_view
from dr_core.data.grades import LESIONS, icdr_grade
from dr_core.data.phantom import draw_patient, draw_phantom
from dr_core.data.phantom.anatomy import sample_anatomy
from dr_core.data.phantom.lesions import plan_lesions
from dr_core.data.phantom.patient import sample_style
from dr_core.errors import InputError
from dr_core.seeds import numpy_generator


@pytest.mark.parametrize("grade", range(5))
def test_the_grade_follows_from_the_planned_lesions(grade):
    for seed in range(40):
        style = sample_style(numpy_generator(seed, "style"))
        anatomy = sample_anatomy(numpy_generator(seed, "anatomy"), "right", style)
        plan = plan_lesions(numpy_generator(seed, "lesions"), grade, anatomy, style)
        assert icdr_grade(plan.findings()) == grade


def test_same_seed_same_bytes():
    first, again, other = draw_phantom(3, 160, 5), draw_phantom(3, 160, 5), draw_phantom(3, 160, 6)
    assert first.image.tobytes() == again.image.tobytes()
    assert all(np.array_equal(first.masks[name], again.masks[name]) for name in LESIONS)
    assert first.image.tobytes() != other.image.tobytes()


def test_types_and_shapes():
    phantom = draw_phantom(2, 200, 1)
    assert phantom.image.shape == (200, 200, 3)
    assert phantom.image.dtype == np.uint8
    assert set(phantom.masks) == set(LESIONS)
    assert all(mask.shape == (200, 200) and mask.dtype == bool for mask in phantom.masks.values())


def test_a_healthy_phantom_has_no_lesion_and_a_severe_one_many():
    assert not any(mask.any() for mask in draw_phantom(0, 256, 3).masks.values())
    severe = [draw_phantom(3, 256, seed) for seed in range(4)]
    assert all(phantom.masks["haemorrhages"].any() and phantom.masks["microaneurysms"].any() for phantom in severe)


def test_lesions_lie_inside_the_field_of_view():
    for seed in range(4):
        phantom = draw_phantom(4, 256, seed)
        dark = phantom.image.max(axis=2) < 8
        lesions = np.logical_or.reduce(list(phantom.masks.values()))
        assert (lesions & dark).sum() <= 0.02 * max(1, lesions.sum())


def test_exudates_are_bright_and_haemorrhages_dark_where_the_masks_say():
    """Beside what surrounds them: cameras light their fields unevenly, and put haze before some."""
    contrast = {"hard_exudates": [], "haemorrhages": []}
    for seed in range(12):
        phantom = draw_phantom(3, 384, seed)
        green = phantom.image[:, :, 1].astype(float)
        healthy = ~np.logical_or.reduce(list(phantom.masks.values())) & (phantom.image.max(axis=2) > 20)
        for name, values in contrast.items():
            mask = phantom.masks[name]
            around = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & healthy
            if mask.sum() > 50 and around.any():
                values.append(green[mask].mean() / green[around].mean())
    assert np.median(contrast["hard_exudates"]) > 1.1
    assert np.median(contrast["haemorrhages"]) < 0.9


def test_one_seed_is_one_eye_at_every_size():
    small, large = draw_phantom(3, 128, 9), draw_phantom(3, 512, 9)
    assert small.findings == large.findings
    reduced = large.image.reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small.image).mean() < 12


def test_eyes_of_a_patient_mirror_each_other_and_grade_alike():
    differences = []
    for seed in range(10):
        right, left = draw_patient(2, 96, seed)
        assert (right.side, left.side) == ("right", "left")
        assert 2 in (right.grade, left.grade)
        differences.append(abs(right.grade - left.grade))
    assert max(differences) == 1  # neighbors, and at least one pair that differs
    assert differences.count(0) >= 4


def test_the_disc_lies_toward_the_nose():
    styles = [sample_style(numpy_generator(seed)) for seed in range(20)]
    right = [sample_anatomy(numpy_generator(seed), "right", style) for seed, style in enumerate(styles)]
    assert all(anatomy.disc[0] > anatomy.fovea[0] for anatomy in right)
    left = [sample_anatomy(numpy_generator(seed), "left", style) for seed, style in enumerate(styles)]
    assert all(anatomy.disc[0] < anatomy.fovea[0] for anatomy in left)


def test_style_knows_nothing_of_the_grade():
    """A photograph's mean color must not give the grade away: the same seed has one style at every grade."""
    means = [draw_phantom(grade, 96, 4).image[30:66, 30:66].mean(axis=(0, 1)) for grade in range(3)]
    assert np.ptp(np.array(means), axis=0).max() < 40
    assert sample_style(numpy_generator(4, "style")) == sample_style(numpy_generator(4, "style"))


def test_a_phantom_is_taken_for_a_photograph():
    for seed in range(6):
        image = draw_phantom(seed % 5, 384, seed).image
        field = find_field_of_view(image)
        assert field.found
        assert abs(field.center_x - 192) < 4
        assert abs(field.center_y - 192) < 4
        assert not any("may not be" in warning for warning in assess_quality(image, field).warnings)


@pytest.mark.parametrize(("grade", "size"), [(5, 224), (-1, 224), (2.5, 224), (2, 63), (2, 5000)])
def test_bad_arguments_say_what_must_be(grade, size):
    with pytest.raises(InputError, match="must be"):
        draw_phantom(grade, size, 0)
