import cv2
import numpy as np
import pytest

from dr_core.data.fundus import crop_to_field_of_view, find_field_of_view, mark_field_of_view, read_fundus

# Center x, center y and radius in pixels, read by eye: on enlarged strips of the original with a ruler, shown at a
# hidden random offset, the edge was read at five places (left and right at row 1400, left at row 150, left and right
# at row 2650) and a circle fitted to the five. The circles miss the readings by 2 pixels at most.
BY_HAND = {
    1: (1995, 1412, 1705),
    2: (1981, 1421, 1705),
    3: (1982, 1420, 1704),
    4: (2006, 1421, 1898),
    5: (1980, 1421, 1705),
    6: (1992, 1413, 1706),
    7: (1979, 1422, 1704),
    8: (1991, 1413, 1705),
    9: (1990, 1412, 1704),
    10: (1990, 1412, 1704),
    11: (1979, 1423, 1704),
    12: (2007, 1422, 1900),
    13: (1990, 1412, 1704),
    14: (1990, 1412, 1705),
    15: (1989, 1411, 1704),
    16: (1990, 1411, 1705),
    17: (1990, 1411, 1705),
    18: (1990, 1412, 1704),
    19: (1990, 1411, 1705),
    20: (1990, 1411, 1705),
}


def draw_eye(height=600, width=800, center=(400, 300), radius=260, color=(170, 90, 40), surround=0):
    """An orange disc with dark vessels, drawn 4 times as large and reduced: a soft edge as of a camera."""
    image = np.full((4 * height, 4 * width, 3), surround, np.uint8)
    x, y = (int(4 * value) for value in center)
    cv2.circle(image, (x, y), int(4 * radius), color, -1)
    for angle in np.linspace(0, 2 * np.pi, 9)[:-1]:
        tip = (int(x + 3 * radius * np.cos(angle)), int(y + 3 * radius * np.sin(angle)))
        cv2.line(image, (x, y), tip, tuple(value // 2 for value in color), max(1, radius // 12))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def error(field, center=(400, 300), radius=260):
    """Largest error of center and radius as a share of the radius."""
    assert field.found
    shift = np.hypot(field.center_x - center[0], field.center_y - center[1])
    return max(shift, abs(field.radius - radius)) / radius


def test_center_radius_and_shares_of_a_plain_disc():
    field = find_field_of_view(draw_eye())
    assert error(field) < 0.005
    assert field.share == pytest.approx(np.pi * 260**2 / (600 * 800), rel=0.01)
    assert field.visible == pytest.approx(1, abs=0.01)


def notch(image):
    cv2.rectangle(image, (630, 140), (680, 180), (170, 90, 40), -1)


def cut_at_top_and_bottom(image):
    image[:110] = image[-110:] = 0


def reflections(image):
    cv2.ellipse(image, (400, 300), (285, 285), 0, 20, 60, (10, 40, 160), 12)
    cv2.circle(image, (300, 250), 60, (255, 255, 240), -1)


def imprinted_date(image):
    cv2.putText(image, "2024-05-17 OD", (10, 590), 0, 0.7, (255, 255, 255), 2)


def gray_surround(image):
    image[image.max(axis=2) < 20] = 18


def dark_rim(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    image[:] = image * (1.15 - np.hypot(x - 400, y - 300) / 260).clip(0.25, 1)[..., None]


def half_in_shadow(image):
    image[:, :400] //= 4


def noise(image):
    image[:] = (image + np.random.default_rng(1).normal(0, 12, image.shape)).clip(0, 255)


@pytest.mark.parametrize(
    "spoil",
    [notch, cut_at_top_and_bottom, reflections, imprinted_date, gray_surround, dark_rim, half_in_shadow, noise],
)
def test_finds_the_disc_in_spite_of(spoil):
    image = draw_eye()
    spoil(image)
    assert error(find_field_of_view(image)) < 0.01


def test_all_at_once():
    image = draw_eye()
    for spoil in (dark_rim, notch, reflections, imprinted_date, gray_surround, noise):
        spoil(image)
    assert error(find_field_of_view(image)) < 0.01


def test_disc_wider_than_the_image_is_high():
    image = draw_eye(height=440, center=(400, 220))
    field = find_field_of_view(image)
    assert error(field, center=(400, 220)) < 0.01
    assert 0.85 < field.visible < 0.97


def test_square_that_touches_the_disc_and_square_cut_into_it():
    image = draw_eye()
    assert error(find_field_of_view(image[40:560, 140:660]), center=(260, 260)) < 0.01
    assert error(find_field_of_view(image[80:520, 180:620]), center=(220, 220)) < 0.01


def test_position_is_a_matter_of_pixels_not_of_luck():
    for center in ((380.5, 310.25), (421, 287), (350, 300)):
        assert error(find_field_of_view(draw_eye(center=center)), center=center) < 0.006


@pytest.mark.parametrize("scale", [0.15, 0.5, 2, 5.36])
def test_same_disc_at_every_resolution(scale):
    image = cv2.resize(draw_eye(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    field = find_field_of_view(image)
    expected = ((400.5 * scale - 0.5), (300.5 * scale - 0.5))
    assert error(field, center=expected, radius=260 * scale) < 0.01


def test_nothing_is_found_where_nothing_is():
    ramp = np.tile(np.linspace(0, 255, 400).astype(np.uint8)[:, None], (300, 1, 3))
    checks = np.kron(np.indices((10, 10)).sum(axis=0) % 2, np.ones((40, 40)))[..., None] * np.full(3, 255)
    page = np.full((500, 400, 3), 250, np.uint8)
    for row in range(20, 500, 24):
        cv2.putText(page, "the quick brown fox jumps", (10, row), 0, 0.8, (0, 0, 0), 1)
    dim = np.random.default_rng(0).integers(0, 9, (300, 400, 3))
    frames = (np.zeros((300, 400, 3)), np.full((300, 400, 3), 255), dim, ramp, checks, page)
    for image in frames:
        field = find_field_of_view(image.astype(np.uint8))
        assert not field.found
        assert (field.share, field.visible) == (0, 0)
        height, width = image.shape[:2]
        assert (field.center_x, field.center_y) == ((width - 1) / 2, (height - 1) / 2)
        assert field.radius == max(height, width) / 2


def test_same_image_same_field_and_the_image_is_left_alone():
    image = draw_eye()
    before = image.copy()
    assert find_field_of_view(image) == find_field_of_view(image)
    np.testing.assert_array_equal(image, before)


# --- crop ---------------------------------------------------------------------------------------------------------


def test_crop_is_the_square_around_the_disc():
    image = draw_eye()
    crop = crop_to_field_of_view(image, find_field_of_view(image))
    assert abs(crop.shape[0] - 520) <= 2
    assert crop.shape[0] == crop.shape[1]
    lit = crop.max(axis=2) > 50
    assert lit[260, 3:-3].all()
    assert lit[3:-3, 260].all()
    assert not lit[:40, :40].any()


def test_crop_pads_with_black_where_the_image_ends():
    image = draw_eye(height=440, center=(400, 220))
    crop = crop_to_field_of_view(image, find_field_of_view(image))
    padding = (crop.shape[0] - 440) // 2
    assert padding > 30
    assert not crop[: padding - 2].any()
    assert not crop[-padding + 2 :].any()
    assert crop[padding + 2, 260].any()


def test_crop_of_a_mask_has_the_same_place():
    image = draw_eye()
    field = find_field_of_view(image)
    mask = (image[..., 0] > 60).astype(np.uint8)
    cropped = crop_to_field_of_view(mask, field)
    np.testing.assert_array_equal(cropped, crop_to_field_of_view(image, field)[..., 0] > 60)


def test_crop_without_a_field_is_the_whole_image_in_a_square():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    crop = crop_to_field_of_view(image, find_field_of_view(image))
    assert crop.shape == (400, 400, 3)
    np.testing.assert_array_equal(crop[50:350], image)
    assert not crop[:50].any()
    assert not crop[350:].any()


def test_the_mark_is_drawn_into_a_copy():
    image = draw_eye()
    before = image.copy()
    marked = mark_field_of_view(image, find_field_of_view(image), 400)
    assert marked.shape == (300, 400, 3)
    assert np.array_equal(image, before)
    assert (np.abs(marked.astype(int) - cv2.resize(image, (400, 300), interpolation=cv2.INTER_AREA)) > 40).any()


# --- real eyes ----------------------------------------------------------------------------------------------------


def test_full_size_eyes_agree_with_the_measurement_by_hand(full_size_eyes):
    for path in full_size_eyes:
        image = read_fundus(path, longest_side=2000)
        scale = 4288 / image.shape[1]
        field = find_field_of_view(image)
        x, y, radius = BY_HAND[int(path.stem[-2:])]
        center = ((x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5)
        assert error(field, center=center, radius=radius / scale) < 0.005, path.name


def test_first_eye_at_full_size_agrees_too(full_size_eyes):
    x, y, radius = BY_HAND[1]
    assert error(find_field_of_view(read_fundus(full_size_eyes[0])), center=(x, y), radius=radius) < 0.005


def test_every_small_eye_fills_its_square(small_eyes):
    """These were cut to the disc's width and padded to a square: the disc's diameter is the side."""
    assert len(small_eyes) == 143
    for path in small_eyes:
        assert error(find_field_of_view(read_fundus(path)), center=(255.5, 255.5), radius=256) < 0.02, path.name


def test_cc0_eye(shared_data):
    field = find_field_of_view(read_fundus(shared_data / "cc0" / "retina.jpg"))
    assert error(field, center=(704, 703), radius=695) < 0.01
