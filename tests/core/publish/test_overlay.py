import numpy as np
import pytest

from dr_core.publish import overlay


@pytest.fixture
def view():
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def test_without_relevance_the_eye_is_only_dimmed(view):
    drawn = overlay.render_overlay(view, np.zeros((8, 8)), overlay.shared_scale_end([np.zeros((8, 8))]))
    assert np.abs(drawn - 0.5 * view.astype(float)).max() <= 0.5


def test_the_ends_of_the_scale_have_the_ends_of_the_ramps(view):
    heatmap = np.full((8, 8), 3.0)
    assert (overlay.render_overlay(view, heatmap, 3.0) == [255, 48, 48]).all()
    assert (overlay.render_overlay(view, -heatmap, 3.0) == [0, 0, 128]).all()
    assert (overlay.render_overlay(view, 9 * heatmap, 3.0) == [255, 48, 48]).all(), "beyond the end it is cut"


def test_half_the_strength_by_hand():
    color = overlay.blend([200.0, 100.0, 40.0], 0.5)
    opacity = 0.5**0.35
    ramp = np.mean([[0x5C, 0x11, 0x11], [0xAD, 0x21, 0x21]], axis=0)
    assert color == pytest.approx(opacity * ramp + (1 - opacity) * 0.5 * np.array([200, 100, 40]))


def test_one_scale_over_all_models():
    weak, strong = np.zeros((10, 10)), np.zeros((10, 10))
    weak[:5], strong[:5] = 1.0, -4.0
    assert overlay.scale_end(weak) == 1
    assert overlay.shared_scale_end([weak, strong]) == 4


def test_a_small_picture_is_enlarged_by_a_whole_number(view):
    drawn = overlay.render_overlay(view, np.eye(8), 1.0, least_side=20)
    assert drawn.shape == (24, 24, 3)
    assert (drawn[::3, ::3] == overlay.render_overlay(view, np.eye(8), 1.0)).all()


def test_the_gradient_has_the_ramp_and_its_middle_is_nothing():
    assert (
        overlay.ramp_gradient() == "linear-gradient(90deg, #000000 0.0%, #5c1111 33.3%, #ad2121 66.7%, #ff3030 100.0%)"
    )
    assert overlay.ramp_gradient(signed=True).startswith("linear-gradient(90deg, #000080 0.0%, #000000 50.0%, #5c1111")
