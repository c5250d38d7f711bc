import io

import numpy as np
import pytest
from PIL import Image

from dr_core.data.annotation import MOST_CORNERS, MOST_STROKES, Stroke, draw_strokes
from dr_ui.eyes import drawing
from dr_ui.parts.viewer import encode_map, outline_of


def decoded(content):
    pixels = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    return (pixels[..., 0] * 256 + pixels[..., 1]) * np.where(pixels[..., 2] > 127, -1, 1)


def test_a_map_keeps_sixteen_bits_and_signs():
    heatmap = np.random.default_rng(0).normal(size=(32, 32))
    back = decoded(encode_map(heatmap)) / 65535 * np.abs(heatmap).max()
    assert np.abs(back - heatmap).max() <= np.abs(heatmap).max() / 65535


def test_an_empty_map_is_all_zero():
    assert not decoded(encode_map(np.zeros((8, 8)))).any()


def test_an_outline_lies_on_its_mask():
    mask = np.zeros((100, 200), bool)
    mask[20:40, 50:90] = True
    mask[60:63, 150:153] = True
    large, small = outline_of(mask, (0, 0, 200, 100))
    corners = np.array(large).reshape(-1, 2) * 200
    assert corners.min(axis=0).tolist() == [50.5, 20.5]
    assert corners.max(axis=0).tolist() == [89.5, 39.5]
    assert len(small) >= 6
    shifted = np.array(outline_of(mask, (10, -50, 200, 200))[0]).reshape(-1, 2) * 200
    assert np.allclose(shifted.min(axis=0), [40.5, 70.5])


def sent(*strokes, eye="a"):
    return {"eye": eye, "strokes": list(strokes)}


SQUARE = {"label": "HE", "erases": False, "points": [[0, 0], [1, 0], [0.5, 1]]}


@pytest.mark.parametrize(
    "message",
    [
        None,
        "text",
        [],
        {},
        {"eye": "a"},
        {"strokes": []},
        sent(7),
        sent(SQUARE, eye=5),
        sent(SQUARE | {"label": "XX"}),
        sent(SQUARE | {"points": [[0, 0], [1, 1]]}),
        sent(SQUARE | {"points": [[0, 0], [1, "x"], [1, 1]]}),
        sent(SQUARE | {"points": [[0, 0], [1], [1, 1]]}),
        sent(SQUARE | {"points": [[0, 0], [1, float("nan")], [1, 1]]}),
        sent(SQUARE | {"points": [[0, 0]] * (MOST_CORNERS + 1)}),
        sent(SQUARE | {"points": 7}),
        sent(*[SQUARE] * (MOST_STROKES + 1)),
    ],
)
def test_nonsense_from_a_browser_is_no_drawing(message):
    assert drawing.parse(message) is None


def test_strokes_are_taken_and_sent_back_as_they_came():
    erased = SQUARE | {"label": "", "erases": True}
    eye, strokes = drawing.parse(sent(SQUARE, erased))
    assert eye == "a"
    assert [(stroke.lesion, stroke.erases) for stroke in strokes] == [("haemorrhages", False), ("", True)]
    assert drawing.parse(sent(*drawing.to_message(strokes))) == (eye, strokes)


def test_a_traced_outline_drawn_again_is_the_mask():
    mask = np.zeros((100, 200), bool)
    mask[20:40, 50:90] = True
    mask[40:46, 60:70] = True
    (ring,) = outline_of(mask, (0, 0, 200, 100))
    corners = tuple(map(tuple, np.array(ring).reshape(-1, 2)))
    stroke = Stroke(lesion="haemorrhages", erases=False, corners=corners)
    assert np.array_equal(draw_strokes(None, [stroke], mask.shape), mask)
