import io
import zipfile

import numpy as np
import pytest

from dr_core.data.annotation import Stroke, draw_strokes, pack_masks
from dr_core.data.intake.lesion_mask import decode_mask

SHAPE = (40, 60)


def stroke(*corners, lesion="haemorrhages", erases=False):
    """Corners in pixels: the middles of the pixels that the outline runs through."""
    scaled = tuple(((x + 0.5) / SHAPE[1], (y + 0.5) / SHAPE[1]) for x, y in corners)
    return Stroke(lesion=lesion, erases=erases, corners=scaled)


def test_a_stroke_takes_in_its_inside_and_the_pixels_of_its_outline():
    drawn = draw_strokes(None, [stroke((10, 5), (19, 5), (19, 8), (10, 8))], SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[5:9, 10:20] = True
    assert np.array_equal(drawn, expected)


def test_strokes_are_drawn_in_their_order_over_a_mask():
    mask = np.zeros(SHAPE, bool)
    mask[30:35, 40:50] = True
    square = ((10, 5), (19, 5), (19, 14), (10, 14))
    inner = ((12, 7), (14, 7), (14, 9), (12, 9))
    marked = [stroke(*square), stroke(*inner, erases=True)]
    drawn = draw_strokes(mask, marked, SHAPE)
    assert drawn.sum() == 50 + 100 - 9
    assert draw_strokes(mask, marked[::-1], SHAPE).sum() == 50 + 100
    assert mask.sum() == 50  # what was given stays


@pytest.mark.parametrize("far", [3.0, 1e300, -1e300])
def test_a_corner_outside_the_photograph_does_no_harm(far):
    corners = ((0.1, 0.1), (0.4, 0.1), (far, far))
    drawn = draw_strokes(None, [Stroke(lesion="", erases=False, corners=corners)], SHAPE)
    assert drawn.shape == SHAPE
    assert drawn[6, 6]


def test_masks_come_back_pixel_for_pixel():
    random = np.random.default_rng(0)
    masks = {"microaneurysms": random.random((300, 451)) < 0.01, "hard_exudates": np.zeros((300, 451), bool)}
    masks["soft_exudates"] = draw_strokes(
        None, [Stroke(lesion="", erases=False, corners=((0.2, 0.2), (0.5, 0.3), (0.3, 0.5)))], (300, 451)
    )
    content = pack_masks("../a/eye", masks)
    assert content == pack_masks("../a/eye", masks)
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        assert members.namelist() == [".._a_eye_MA.tif", ".._a_eye_SE.tif"]  # no folder, and no empty mask
        for name, lesion in zip(members.namelist(), ("microaneurysms", "soft_exudates"), strict=True):
            assert np.array_equal(decode_mask(name, members.read(name), (300, 451)).pixels, masks[lesion])
