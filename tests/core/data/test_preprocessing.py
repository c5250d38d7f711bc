import dataclasses

import numpy as np
import pytest
import torch

from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing, local_contrast, standardize_color
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


def test_plain_values_rebuild_it():
    way = Preprocessing(size=64, crop="squash", contrast="local")
    assert Preprocessing.from_dict(dataclasses.asdict(way)) == way


@pytest.mark.parametrize("values", [{"size": 4}, {"crop": "circle"}, {"contrast": "more"}])
def test_bad_settings_say_what_must_be(values):
    with pytest.raises(InputError, match="must be"):
        Preprocessing(**values)
