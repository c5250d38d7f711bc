import numpy as np
import pytest

from dr_core.analysis.knockout import draw_control, find_healthy, knock_out, paint_out, reduce_eye
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError


@pytest.fixture(scope="module")
def eye():
    phantom = draw_phantom(3, 512, 4)
    return phantom.image, phantom.masks


def contrast(image, mask):
    """How far green lies from its surroundings in a mask."""
    ring = np.roll(mask, 9, axis=0) & ~mask
    return abs(image[mask][:, 1].mean() - image[ring][:, 1].mean())


def test_painted_out_exudates_are_no_longer_seen(eye):
    image, masks = eye
    before, after = (
        contrast(picture, masks["hard_exudates"]) for picture in (image, paint_out(image, masks["hard_exudates"]))
    )
    assert after < 0.35 * before
    assert np.array_equal(paint_out(image, np.zeros_like(masks["hard_exudates"])), image)


def test_only_what_is_named_changes(eye):
    image, masks = eye
    cases = {case.kind: case for case in knock_out(image, masks, "hard_exudates", seed=1)}
    assert set(cases) == {"removed", "kept_only", "control"}
    steps = [(y, x) for y in range(-4, 5) for x in range(-4, 5)]
    far = ~np.logical_or.reduce([np.roll(masks["hard_exudates"], step, (0, 1)) for step in steps])
    assert np.array_equal(cases["removed"].image[far], image[far])
    core = masks["hard_exudates"]
    assert np.abs(cases["kept_only"].image[core].astype(int) - image[core]).mean() < 2
    blood = masks["haemorrhages"]
    assert contrast(cases["kept_only"].image, blood) < 0.6 * contrast(image, blood)


def test_the_control_has_the_same_regions_on_healthy_retina(eye):
    image, masks = eye
    lesions = np.logical_or.reduce(list(masks.values()))
    control, placed = draw_control(find_healthy(image, lesions), masks["haemorrhages"], seed=1)
    assert placed > 0.9
    assert not (control & lesions).any()
    assert control.sum() == pytest.approx(masks["haemorrhages"].sum(), rel=0.15)
    assert image[control].max(axis=1).min() > 15
    again, _ = draw_control(find_healthy(image, lesions), masks["haemorrhages"], seed=1)
    other, _ = draw_control(find_healthy(image, lesions), masks["haemorrhages"], seed=2)
    assert np.array_equal(control, again)
    assert not np.array_equal(control, other)


def test_a_lesion_that_is_not_there_has_no_knock_out(eye):
    image, masks = eye
    assert knock_out(image, {"haemorrhages": np.zeros_like(masks["haemorrhages"])}, "haemorrhages", 0) == []
    assert {case.kind for case in knock_out(image, masks, "total", 0)} == {"removed", "control"}


def test_large_photographs_are_painted_at_working_size():
    phantom = draw_phantom(2, 1400, 1)
    small, masks = reduce_eye(phantom.image, phantom.masks)
    assert small.shape == (1024, 1024, 3)
    assert all(mask.shape == (1024, 1024) for mask in masks.values())
    for lesion, mask in phantom.masks.items():
        assert masks[lesion].any() == mask.any()


def test_bad_arguments_say_what_must_be(eye):
    image, masks = eye
    with pytest.raises(InputError, match="must be one of microaneurysms"):
        knock_out(image, masks, "drusen", 0)
    with pytest.raises(InputError, match="height and width"):
        reduce_eye(image, {"haemorrhages": np.zeros((4, 4), bool)})
