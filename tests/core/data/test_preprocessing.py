import dataclasses

import cv2
import numpy as np
import pytest
import torch

from dr_core.data.contrast import graham_contrast, local_contrast
from dr_core.data.fundus import crop_to_field_of_view, find_field_of_view, read_fundus
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing, standardize_color
from dr_core.errors import InputError


def wide_eye():
    return np.pad(draw_phantom(2, 300, 1).image, ((0, 0), (80, 40), (0, 0)))


def test_squash_and_crop_give_the_models_size():
    for crop in ("squash", "field_of_view"):
        way = Preprocessing(size=96, crop=crop)
        assert way.to_model_view(wide_eye()).shape == (96, 96, 3)
        inputs = way(wide_eye())
        assert inputs.shape == (3, 96, 96)
        assert inputs.dtype == torch.float32


def test_crop_is_blind_to_the_black_around_the_eye():
    way = Preprocessing(size=96, crop="field_of_view")
    difference = way.to_model_view(wide_eye()).astype(int) - way.to_model_view(draw_phantom(2, 300, 1).image)
    assert np.abs(difference).mean() < 3


def test_mean_and_deviation_are_applied():
    way = Preprocessing(size=32, crop="squash", mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0))
    inputs = way(np.full((40, 40, 3), 255, np.uint8))
    assert torch.allclose(inputs.amax(dim=(1, 2)), torch.tensor([2.0, 1.0, 0.5]))


def test_local_contrast_is_the_same_for_another_light_and_color():
    pixels = torch.from_numpy(draw_phantom(3, 224, 2).image).permute(2, 0, 1)[None].float() / 255 * 0.9
    usual = local_contrast(pixels)
    tinted = local_contrast(pixels * torch.tensor([1.0, 0.8, 0.9])[:, None, None])
    assert float((usual - tinted).abs().mean()) < 0.12 * float(usual.abs().mean())
    assert float(usual[0, :, :3, :3].abs().max()) == 0  # the surround
    inside = usual.abs().sum() / (usual.abs().amax(dim=1) > 0).sum() / 3
    assert float(inside) == pytest.approx(1.0, rel=0.3)  # an eye's typical contrast is 1


def test_alike_colors_have_the_same_mean_and_spread():
    first, second = (standardize_color(draw_phantom(0, 160, seed).image) for seed in (1, 2))
    for image in (first, second):
        inside = image.max(axis=2) > 10
        assert image[inside].mean(axis=0) == pytest.approx([130, 75, 40], abs=6)
    assert standardize_color(np.zeros((8, 8, 3), np.uint8)).max() == 0


def test_the_display_is_the_view_or_its_contrast_around_gray():
    view = draw_phantom(3, 224, 2).image
    assert Preprocessing().to_display(view) is view
    shown = Preprocessing(contrast="local").to_display(view)
    assert (shown.shape, shown.dtype) == (view.shape, np.uint8)
    assert (shown[0, :3] == 0).all()  # the surround
    inside = shown.any(axis=2)
    assert shown[inside].mean() == pytest.approx(128, abs=6)
    vessels = inside & (view[..., 1] < np.percentile(view[inside][:, 1], 5))
    assert shown[vessels].mean() < 128


def test_graham_contrast_is_gray_where_nothing_changes_and_shows_what_does():
    pixels = torch.full((1, 3, 120, 120), 0.4)
    pixels[:, :, 60, 60] += 0.05
    shown = graham_contrast(pixels)
    peak = 1 / (2 * np.pi * 2**2)  # of the Gaussian, sigma 60 / 30 = 2
    assert float(shown[0, 0, 60, 60]) == pytest.approx(0.5 + 4 * 0.05 * (1 - peak), abs=2e-3)
    assert torch.allclose(shown[0, :, :40, 40:80], torch.tensor(0.5), atol=1e-6)
    dark = torch.zeros(1, 3, 120, 120)
    dark[:, :, 30:90, 30:90] = 0.9
    assert float(graham_contrast(dark)[0, 0, 0, 0]) == 0.5  # outside nine tenths of the radius
    assert Preprocessing(contrast="graham").to_display(draw_phantom(3, 224, 2).image).dtype == np.uint8


def test_plain_values_rebuild_it():
    way = Preprocessing(size=64, crop="squash", contrast="local")
    assert Preprocessing.from_dict(dataclasses.asdict(way)) == way


@pytest.mark.parametrize("values", [{"size": 4}, {"crop": "circle"}, {"contrast": "more"}])
def test_bad_settings_say_what_must_be(values):
    with pytest.raises(InputError, match="must be"):
        Preprocessing(**values)


# --- crop and size: the fast way against the plain one ---


def draw_eye(height=960, width=1280, center=(630, 480), radius=440):
    """A textured disc on black."""
    texture = np.random.default_rng(0).integers(0, 90, (height, width, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(texture, (0, 0), 6) * 2 + np.array([80, 40, 10], np.uint8)
    y, x = np.mgrid[:height, :width]
    image[np.hypot(x - center[0], y - center[1]) > radius] = 0
    return image


def mean_difference(view, expected):
    assert view.dtype == np.uint8
    assert view.shape == expected.shape
    return float(abs(view.astype(float) - expected).mean())


def area_average(image, size):
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("size", [64, 100, 224, 512])
@pytest.mark.parametrize("shape", [(960, 1280), (961, 1283), (333, 500)])
def test_squash_is_the_area_average_of_the_whole_image(size, shape):
    image = cv2.resize(draw_eye(), shape[::-1])
    view = Preprocessing(size=size, crop="squash").to_model_view(image)
    if min(shape) >= size:
        assert mean_difference(view, area_average(image, size)) < 0.5
    else:
        assert mean_difference(view, cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)) == 0


@pytest.mark.parametrize("size", [64, 100, 224, 512])
@pytest.mark.parametrize("shape", [(960, 1280), (840, 1001)])
def test_field_of_view_is_the_area_average_of_the_crop(size, shape):
    image = draw_eye(*shape, center=(shape[1] / 2 - 7.3, shape[0] / 2 + 1.6))
    field = find_field_of_view(image)
    view = Preprocessing(size=size).to_model_view(image)
    assert mean_difference(view, area_average(crop_to_field_of_view(image, field), size)) < 1.5


@pytest.mark.parametrize("size", [32, 64, 100, 224])
def test_the_view_is_not_shifted_against_the_crop(size):
    """The halved way may begin a quarter of a resulting pixel beside the crop, not more."""
    image = draw_eye(840, 1001, center=(493.3, 421.7))
    crop = area_average(crop_to_field_of_view(image, find_field_of_view(image)), size)
    view = Preprocessing(size=size).to_model_view(image)
    assert abs(center_of_light(view) - center_of_light(crop)).max() < 0.3


def center_of_light(view):
    light = view.sum(axis=2, dtype=float)
    line = np.arange(len(view))
    return np.array([(light.sum(axis=axis) * line).sum() for axis in (0, 1)]) / light.sum()


def test_a_known_field_is_not_searched_again():
    image = draw_eye()
    field = find_field_of_view(image)
    preprocessing = Preprocessing(size=128)
    np.testing.assert_array_equal(preprocessing.to_model_view(image, field), preprocessing.to_model_view(image))
    beside = dataclasses.replace(field, center_x=field.center_x + 100)
    assert mean_difference(preprocessing.to_model_view(image, beside), preprocessing.to_model_view(image)) > 5


def test_cut_eye_is_padded_and_small_eye_is_enlarged():
    cut = draw_eye(700, 1280, center=(630, 350))
    view = Preprocessing().to_model_view(cut)
    assert not view[:20].any()
    assert not view[-20:].any()
    assert view[112].max(axis=1).min() > 40
    small = Preprocessing(size=512).to_model_view(cv2.resize(draw_eye(), (256, 192)))
    assert small.shape == (512, 512, 3)
    assert small[256, 10:-10].max(axis=1).min() > 40


def test_without_a_field_the_whole_image_is_shown():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    view = Preprocessing(size=100).to_model_view(image)
    assert not view[:12].any()
    assert not view[-12:].any()
    assert view[14:-14].min(axis=0).any()


def test_real_eyes_fill_the_view(full_size_eyes):
    for path in full_size_eyes[:4]:
        view = Preprocessing(size=224).to_model_view(read_fundus(path, longest_side=1000))
        middle = view[112].max(axis=1)
        assert middle[3:-3].min() > 40, path.name
        assert not view[:3].any(), path.name  # cut at the top by the camera
