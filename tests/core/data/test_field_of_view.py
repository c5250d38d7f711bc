import cv2
import numpy as np
import pytest

from dr_core.data.fundus import crop_to_field_of_view, find_field_of_view, mark_field_of_view, read_fundus


def eye(height, width, x, y, radius, rim=8):
    """A disc of a retina's colors on a surround that is not quite black."""
    image = np.full((height, width, 3), rim, np.uint8)
    cv2.circle(image, (round(x), round(y)), round(radius), (190, 90, 40), -1, cv2.LINE_AA)
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "x", "y", "radius"),
    [
        (600, 600, 300, 300, 290),
        (712, 1072, 500, 356, 428),  # cut at top and bottom
        (480, 640, 300, 250, 200),
        (512, 512, 256, 256, 270),  # a little larger than the frame on all sides
        (1200, 900, 450, 600, 520),  # cut at the sides
    ],
)
def test_center_and_radius_within_a_hundredth(height, width, x, y, radius):
    field = find_field_of_view(eye(height, width, x, y, radius))
    assert field.found
    assert abs(field.center_x - x) < 0.01 * radius
    assert abs(field.center_y - y) < 0.01 * radius
    assert abs(field.radius - radius) < 0.01 * radius


def test_notch_reflection_and_dark_side_do_not_move_the_circle():
    image = eye(700, 900, 450, 350, 320)
    cv2.rectangle(image, (755, 250), (785, 290), (150, 80, 40), -1)  # a notch that sticks out
    cv2.ellipse(image, (160, 350), (30, 120), 0, 0, 360, (60, 60, 200), -1)  # a blue reflection at the rim
    image[:, 600:] = (image[:, 600:] * np.linspace(1, 0.3, 300)[None, :, None]).astype(np.uint8)
    field = find_field_of_view(image)
    assert field.found
    assert np.hypot(field.center_x - 450, field.center_y - 350) < 0.02 * 320
    assert abs(field.radius - 320) < 0.02 * 320


def test_pictures_without_a_rim_have_no_field_of_view():
    bright = np.full((300, 400, 3), 120, np.uint8)
    bright[:, :200] = 160
    for image in (np.zeros((300, 400, 3), np.uint8), bright, np.full((64, 64, 3), 255, np.uint8)):
        field = find_field_of_view(image)
        assert not field.found
        assert field.radius == max(image.shape[:2]) / 2


def test_share_of_a_whole_disc():
    field = find_field_of_view(eye(500, 800, 400, 250, 200))
    assert field.share == pytest.approx(np.pi * 200**2 / (500 * 800), rel=0.02)


def test_crop_is_square_and_black_beyond_the_frame():
    image = eye(400, 700, 350, 200, 240)
    crop = crop_to_field_of_view(image, find_field_of_view(image))
    assert crop.shape[0] == crop.shape[1] == pytest.approx(480, abs=6)
    assert crop[:30].max() == 0
    assert np.array_equal(crop[crop.shape[0] // 2, 240], image[200, 350]) or crop[240, 240, 0] > 150


def test_the_mark_is_drawn_into_a_copy():
    image = eye(600, 600, 300, 300, 250)
    before = image.copy()
    marked = mark_field_of_view(image, find_field_of_view(image), 300)
    assert marked.shape == (300, 300, 3)
    assert np.array_equal(image, before)
    assert (np.abs(marked.astype(int) - cv2.resize(image, (300, 300), interpolation=cv2.INTER_AREA)) > 40).any()


def test_every_real_eye_has_its_field_found(shared_data):
    small = sorted((shared_data / "idrid512").glob("*images/*.jpg"))
    assert len(small) == 143
    for path in small:
        field = find_field_of_view(read_fundus(path))
        assert field.found, path.name
        assert 250 < field.radius < 262, path.name  # these copies were cropped to the field's width of 512 pixels
