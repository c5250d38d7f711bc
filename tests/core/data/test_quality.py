from itertools import pairwise

import cv2
import numpy as np
import pytest

from dr_core.data.fundus import assess_quality, find_field_of_view, read_fundus
from dr_core.data.fundus.blockiness import measure_blockiness
from dr_core.data.fundus.checks import BLURRED, DARK, FIELD_MISSING, GRAY, INPUT_CHECKS, NOT_FUNDUS, OVEREXPOSED
from dr_core.data.phantom import draw_phantom


def warnings_of(image):
    image = np.ascontiguousarray(image, np.uint8)
    return assess_quality(image, find_field_of_view(image)).warnings


def brighten(image, gain):
    return (image * float(gain)).clip(0, 255).astype(np.uint8)


def blur(image, share_of_radius):
    return cv2.GaussianBlur(image, (0, 0), share_of_radius * image.shape[1] / 2)


@pytest.fixture(scope="module")
def eyes(small_eyes, shared_data):
    """Every tenth of the 143 small eyes, and the CC0 eye at 512 pixels."""
    cc0 = cv2.resize(read_fundus(shared_data / "cc0" / "retina.jpg"), (512, 512), interpolation=cv2.INTER_AREA)
    return [*map(read_fundus, small_eyes[::10]), cc0]


@pytest.fixture(scope="module")
def phantoms():
    return [draw_phantom(2, 512, seed).image for seed in range(12)]


@pytest.fixture(scope="module")
def phantom(phantoms):
    """The first of which nothing is unusual: cameras and photographs of phantoms are bad as often as real ones."""
    return next(image for image in phantoms if not names_of(image))


def test_phantoms_are_taken_for_eyes_and_many_have_no_warning(phantoms):
    warned = [warnings_of(image) for image in phantoms]
    assert np.mean([NOT_FUNDUS in warnings for warnings in warned]) < 0.1
    assert np.mean([warnings == () for warnings in warned]) > 0.4


def test_blur_darkness_and_glare_are_named(phantom):
    assert BLURRED in warnings_of(cv2.GaussianBlur(phantom, (0, 0), 7))
    assert DARK in warnings_of(brighten(phantom, 0.15))
    assert OVEREXPOSED in warnings_of(brighten(phantom, 3))


def draw_page():
    page = np.full((700, 500, 3), 255, np.uint8)
    for row in range(30, 700, 24):
        cv2.putText(page, "the quick brown fox jumps over the dog", (15, row), 0, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return page


def checks(period, dark, light):
    y, x = np.indices((480, 640)) // period
    return np.where(((x + y) % 2)[..., None], light, dark)


def sky():
    return np.array([90, 150, 230]) * np.linspace(1, 0.6, 480)[:, None, None] * np.ones((1, 640, 1))


def skin():
    grain = np.random.default_rng(0).normal(0, 4, (480, 640, 1))
    return (np.array([222, 170, 140]) + grain + 20 * np.sin(np.linspace(0, 3, 640))[:, None]).clip(0, 255)


def disc(color):
    image = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(image, (320, 240), 200, color, -1, cv2.LINE_AA)
    return image


NO_EYES = {
    "gray ramp": np.linspace(0, 255, 640)[:, None] * np.ones((480, 1, 3)),
    "orange ramp": np.linspace(0, 1, 640)[:, None] * np.array([230, 120, 40]) * np.ones((480, 1, 1)),
    "fine checks": checks(8, (0, 0, 0), (255, 255, 255)),
    "large orange checks": checks(20, (120, 50, 20), (200, 110, 40)),
    "page of text": draw_page(),
    "page of text on cream": draw_page() * np.array([1, 0.9, 0.7]),
    "blue sky": sky(),
    "skin": skin(),
    "white": np.full((300, 300, 3), 255),
    "white disc": disc((255, 255, 255)),
    "blue disc": disc((60, 90, 220)),
    "blank orange disc": disc((200, 100, 40)),
    "gray noise": np.repeat(np.random.default_rng(1).normal(120, 40, (300, 300, 1)).clip(0, 255), 3, axis=2),
    "noise": np.random.default_rng(0).integers(0, 256, (300, 300, 3)),
}


@pytest.mark.parametrize("name", NO_EYES)
def test_a_photograph_that_is_no_eye_is_warned_of(name):
    assert NOT_FUNDUS in warnings_of(NO_EYES[name])


def names_of(image):
    image = np.ascontiguousarray(image, np.uint8)
    return {check.name for check in assess_quality(image, find_field_of_view(image)).findings}


def compress(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def write_on(image):
    return cv2.putText(image.copy(), "12 MAR 2024 OD", (120, 300), 0, 1.0, (255, 255, 255), 2, cv2.LINE_AA)


def join(image):
    side = image.shape[0]
    canvas = np.zeros((3 * side // 2, 8 * side // 5, 3), np.uint8)
    canvas[:side, :side] = image
    canvas[-side:, -side:] = np.maximum(canvas[-side:, -side:], image)
    return canvas


UNUSUAL = {
    "gray": lambda eye: np.repeat(eye[..., 1:2], 3, axis=2),
    "inverted": lambda eye: 255 - eye,
    "not_round": lambda eye: cv2.resize(eye, (720, 512)),
    "cropped": lambda eye: eye[200:, 60:],
    "montage": join,
    "written": write_on,
    "compressed": lambda eye: compress(eye, 20),
    "dark": lambda eye: brighten(eye, 0.15),
    "overexposed": lambda eye: brighten(eye, 3),
    "blurred": lambda eye: cv2.GaussianBlur(eye, (0, 0), 7),
    "field_missing": lambda eye: eye[120:392, 120:392],
    "no_fundus": lambda eye: eye[..., ::-1],
}


@pytest.mark.parametrize("name", INPUT_CHECKS)
def test_what_is_unusual_about_an_eye_is_named(phantom, name):
    assert name not in names_of(phantom)
    assert name in names_of(UNUSUAL[name](phantom))


def test_an_eye_is_as_far_from_what_models_know_as_its_worst_finding(phantom):
    gray = np.ascontiguousarray(UNUSUAL["gray"](phantom))
    assert assess_quality(gray, find_field_of_view(gray)).level.name == "outside"
    packed = np.ascontiguousarray(compress(phantom, 20))
    assert assess_quality(packed, find_field_of_view(packed)).level.name == "doubtful"
    assert assess_quality(phantom, find_field_of_view(phantom)).level.name == "within"


@pytest.mark.parametrize("level", [0, 3, 7])
def test_black_frame_has_no_field_of_view(level):
    noise = np.random.default_rng(0).integers(0, level + 1, (400, 500, 3))
    assert warnings_of(noise)[:1] == (FIELD_MISSING,)
    assert DARK in warnings_of(noise)


def test_black_frame_says_nothing_of_sharpness_or_content():
    frame = np.zeros((400, 500, 3), np.uint8)
    quality = assess_quality(frame, find_field_of_view(frame))
    assert quality.warnings == (FIELD_MISSING, DARK)
    assert quality.field_of_view_share == 0
    assert quality.sharpness == 0


# --- real eyes ----------------------------------------------------------------------------------------------------


def test_real_eyes_pass_without_a_warning(small_eyes):
    warned = {path.name: warnings_of(read_fundus(path)) for path in small_eyes[::6]}
    assert not {name: warnings for name, warnings in warned.items() if warnings}


def test_same_eye_same_verdict_at_4288_and_512_pixels(full_size_eyes, small_eyes):
    for large, small in zip(full_size_eyes[::7], small_eyes[:20:7], strict=True):
        assert large.stem == small.stem
        first, second = (
            assess_quality(image, find_field_of_view(image))
            for image in (read_fundus(large, longest_side=2000), read_fundus(small))
        )
        assert first.warnings == second.warnings == ()
        assert first.sharpness == pytest.approx(second.sharpness, rel=0.15)
        assert first.vessel_contrast == pytest.approx(second.vessel_contrast, rel=0.1)
        assert first.luminance == pytest.approx(second.luminance, abs=4)
    full = read_fundus(full_size_eyes[0])
    assert not warnings_of(full)
    assert BLURRED in warnings_of(cv2.GaussianBlur(full, (0, 0), 20))
    assert DARK in warnings_of(brighten(full, 0.25))


@pytest.mark.parametrize("share_of_radius", [0.01, 0.03, 0.08])
def test_blur_that_hides_vessels_is_warned_of(eyes, share_of_radius):
    small = [cv2.resize(eye, (256, 256), interpolation=cv2.INTER_AREA) for eye in eyes]  # faster to blur
    assert all(BLURRED in warnings_of(blur(eye, share_of_radius)) for eye in small)


def test_blur_that_nobody_sees_is_not(eyes):
    assert not any(BLURRED in warnings_of(blur(eye, 0.002)) for eye in eyes)


def test_exposure(eyes):
    assert all(DARK in warnings_of(brighten(eye, 0.25)) for eye in eyes)
    assert all(OVEREXPOSED in warnings_of(brighten(eye, 4)) for eye in eyes)
    assert np.mean([OVEREXPOSED in warnings_of(brighten(eye, 2)) for eye in eyes]) > 0.7
    assert not any(DARK in warnings_of(brighten(eye, 0.9)) for eye in eyes)


def test_wrong_colors_are_warned_of(eyes):
    for eye in eyes:
        gray = np.repeat(cv2.cvtColor(eye, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        assert {GRAY, NOT_FUNDUS} & set(warnings_of(gray))
        assert NOT_FUNDUS in warnings_of(eye[..., ::-1])


def test_an_eye_cut_to_an_inner_square_is_still_taken_for_an_eye(eyes):
    verdicts = [warnings_of(eye[100:412, 100:412]) for eye in eyes]
    assert all(FIELD_MISSING in verdict for verdict in verdicts)
    assert np.mean([NOT_FUNDUS in verdict for verdict in verdicts]) < 0.1


def test_noise_does_not_make_an_eye_worse(eyes):
    random = np.random.default_rng(0)
    for eye in eyes[::2]:
        assert not warnings_of((eye + random.normal(0, 6, eye.shape)).clip(0, 255))


def test_steps_over_the_borders_of_blocks_are_counted_exactly():
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    image[56:, :, 1] //= 2
    green, ratios = image[..., 1].astype(int), []
    for plane in (green, green.T):
        steps = [abs(after - before).mean() for before, after in pairwise(plane)]
        by_place = [np.mean(steps[place : len(steps) // 8 * 8 : 8]) for place in range(8)]
        ratios.append((max(by_place) + 0.3) / (np.median(by_place) + 0.3))
    assert measure_blockiness(image) == pytest.approx(min(ratios), rel=1e-12)
