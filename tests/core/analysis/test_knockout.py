import math

import numpy as np
import pytest

from dr_core.analysis.control_regions import sample_control, weigh_control
from dr_core.analysis.knockout import find_healthy, knock_out, paint_out, reduce_eye
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
    found = sample_control(find_healthy(image, lesions), masks["haemorrhages"], seed=1)
    control = found.mask
    assert found.placed > 0.9
    assert not (control & lesions).any()
    assert control.sum() == pytest.approx(masks["haemorrhages"].sum(), rel=0.15)
    assert image[control].max(axis=1).min() > 15
    again = sample_control(find_healthy(image, lesions), masks["haemorrhages"], seed=1).mask
    other = sample_control(find_healthy(image, lesions), masks["haemorrhages"], seed=2).mask
    assert np.array_equal(control, again)
    assert not np.array_equal(control, other)


def test_a_region_that_fits_nowhere_is_matched_by_area():
    """A bar of 60 x 8 pixels, and healthy retina of squares of 20: discs bring the same area together."""
    healthy = np.zeros((200, 200), bool)
    for row in range(60, 200, 26):
        for column in range(0, 200, 26):
            healthy[row : row + 20, column : column + 20] = True
    mask = np.zeros_like(healthy)
    mask[10:18, 10:70] = True
    found = sample_control(healthy, mask, seed=0)
    control = found.mask
    assert found.placed > 0.9
    assert control.sum() == pytest.approx(mask.sum(), rel=0.1)
    assert not (control & ~healthy).any()


def test_the_control_lies_as_far_from_the_fovea_and_is_as_bright():
    generator = np.random.default_rng(0)
    image = np.zeros((300, 300, 3), np.uint8)
    image[..., 1] = np.linspace(40, 200, 300)  # brighter to the right
    mask = np.zeros((300, 300), bool)
    mask[140:150, 240:250] = True
    fovea = (150.0, 150.0)
    controls = [sample_control(~mask, mask, seed, image=image, fovea=fovea).mask for seed in range(20)]
    places = [np.argwhere(control).mean(axis=0) for control in controls]
    random = generator.uniform(0, 300, (20, 2))
    near, far = (np.abs(np.hypot(of[:, 0] - 150, of[:, 1] - 150) - 95).mean() for of in (np.array(places), random))
    assert near < 0.6 * far
    assert np.abs(np.array(places)[:, 1] - 245).mean() < 0.6 * np.abs(random[:, 1] - 245).mean()


def test_the_control_avoids_the_optic_disc(eye):
    image, masks = eye
    avoid = np.zeros(image.shape[:2], bool)
    avoid[:, :256] = True
    controls = [case for case in knock_out(image, masks, "haemorrhages", 0, 2, avoid=avoid) if case.kind == "control"]
    changed = [(case.image != image).any(axis=2) for case in controls]
    assert all(not of[:, :240].any() for of in changed)


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


def test_the_control_lies_where_as_many_vessels_are():
    """Dark lines on the left half alone: the control of a region among them lies there, too."""
    image = np.full((300, 300, 3), 120, np.uint8)
    image[:, 10:140:12] = 60
    mask = np.zeros((300, 300), bool)
    mask[140:150, 60:70] = True
    ignoring, matching = (
        [
            np.argwhere(sample_control(~mask, mask, seed, image=seen, fovea=(150.0, 150.0)).mask)[:, 1].mean() < 150
            for seed in range(20)
        ]
        for seen in (None, image)
    )
    assert np.mean(matching) > 0.9 > np.mean(ignoring)


def test_a_control_that_could_not_be_matched_weighs_nothing():
    assert weigh_control(0.9, 0.2) == 0.9
    assert weigh_control(0.4, 0.2) == 0
    assert weigh_control(0.9, 1.2) == 0
    assert weigh_control(0.0, math.nan) == 0
    mask = np.zeros((100, 100), bool)
    mask[40:60, 40:60] = True
    nowhere = sample_control(np.zeros_like(mask), mask, seed=0)
    assert nowhere.placed == 0
    assert math.isnan(nowhere.unlike)
