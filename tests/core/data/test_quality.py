import cv2
import numpy as np
import pytest

from dr_core.data.fundus import assess_quality, find_field_of_view, read_fundus
from dr_core.data.phantom import draw_phantom


def warnings_of(image):
    return " ".join(assess_quality(image, find_field_of_view(image)).warnings)


@pytest.fixture(scope="module")
def phantom():
    return draw_phantom(2, 512, 8).image


def test_a_good_picture_has_no_warning(phantom):
    assert warnings_of(phantom) == ""


def test_blur_darkness_and_glare_are_named(phantom):
    assert "blurred" in warnings_of(cv2.GaussianBlur(phantom, (0, 0), 7))
    assert "dark" in warnings_of((phantom * 0.15).astype(np.uint8))
    assert "overexposed" in warnings_of(np.clip(phantom * 3.0, 0, 255).astype(np.uint8))


def test_what_is_no_eye_is_doubted():
    x = np.linspace(0, 255, 400, dtype=np.uint8)
    sky = np.dstack([np.tile(x // 3, (300, 1)), np.tile(x // 2, (300, 1)), np.full((300, 400), 220, np.uint8)])
    page = np.full((300, 400, 3), 240, np.uint8)
    cv2.putText(page, "report", (40, 150), cv2.FONT_HERSHEY_SIMPLEX, 3, (0, 0, 0), 6)
    for image in (sky, page):
        assert "may not be a fundus photograph" in warnings_of(image)
        assert "No round field of view" in warnings_of(image)


def test_a_black_frame_says_so():
    assert "No round field of view" in warnings_of(np.zeros((300, 400, 3), np.uint8))
    assert "dark" in warnings_of(np.zeros((300, 400, 3), np.uint8))


def test_real_eyes_pass_and_resolution_does_not_matter(shared_data):
    paths = sorted(shared_data.glob("idrid/A. Segmentation/1. Original Images/*/IDRiD_0[1-4].jpg"))
    assert len(paths) == 4
    for path in paths:
        image = read_fundus(path)
        small = cv2.resize(image, (512, 340), interpolation=cv2.INTER_AREA)
        assert warnings_of(image) == warnings_of(small) == "", path.name
