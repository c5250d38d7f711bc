import io

import numpy as np
import pytest
from PIL import Image

from dr_ui.parts.viewer import encode_map, outline_of, parse_region


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


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "text",
        [],
        {},
        {"eye": "b", "points": [[0, 0], [1, 0], [1, 1]]},
        {"eye": "a"},
        {"eye": "a", "points": [[0, 0], [1, 1]]},
        {"eye": "a", "points": [[0, 0], [1, "x"], [1, 1]]},
        {"eye": "a", "points": [[0, 0], [1], [1, 1]]},
        {"eye": "a", "points": [[0, 0], [1, float("nan")], [1, 1]]},
        {"eye": "a", "points": [[0, 0]] * 1001},
        {"eye": "a", "points": 7},
    ],
)
def test_nonsense_from_a_browser_is_no_region(sent):
    assert parse_region(sent, "a") is None


def test_a_region_of_this_eye_is_taken():
    assert parse_region({"eye": "a", "points": [[0, 0], [1, 0], [0.5, 1]]}, "a") == ((0, 0), (1, 0), (0.5, 1))
