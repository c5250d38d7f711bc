import dataclasses
import math

import pytest
import torch

from dr_core.data.augment import FUNDUS, FUNDUS_VIEWS, MOCO_V2, AugmentConfig, augment, sample_parameters


def images(n=6, side=48):
    return torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_no_ranges_is_the_identity():
    config = AugmentConfig(flip=False)
    result = augment(images(), sample_parameters(config, 6, seed=1))
    assert torch.allclose(result, images().float() / 255, atol=2e-5)


@pytest.mark.parametrize("config", [FUNDUS, MOCO_V2])
def test_the_seed_decides_and_values_stay_in_range(config):
    first, again, other = (augment(images(), sample_parameters(config, 6, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (6, 3, 48, 48)
    assert first.min() >= 0
    assert first.max() <= 1


def test_a_flip_mirrors_and_a_half_turn_turns():
    parameters = sample_parameters(AugmentConfig(flip=False), 2, seed=0)
    geometry = parameters.geometry.clone()
    geometry[0, :, :2] = torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
    geometry[1, :, :2] = -torch.eye(2)
    result = augment(images(2), dataclasses.replace(parameters, geometry=geometry))
    expected = images(2).float() / 255
    assert torch.allclose(result[0], expected[0].flip(-1), atol=2e-5)
    assert torch.allclose(result[1], expected[1].flip(-1, -2), atol=2e-5)


def test_an_image_without_color_is_gray_and_keeps_its_luma():
    config = AugmentConfig(flip=False, gray_chance=1.0)
    result = augment(images(), sample_parameters(config, 6, seed=0))
    assert torch.allclose(result[:, 0], result[:, 2], atol=1e-5)
    luma = (images().float() / 255 * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1)
    assert torch.allclose(result[:, 0], luma, atol=1e-4)


def test_hue_leaves_gray_alone_and_turns_color():
    config = AugmentConfig(flip=False, hue=0.2)
    gray = torch.full((4, 3, 8, 8), 120, dtype=torch.uint8)
    assert torch.allclose(augment(gray, sample_parameters(config, 4, seed=0)), gray / 255, atol=1e-3)
    red = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    red[:, 0] = 200
    assert (augment(red, sample_parameters(config, 4, seed=0))[:, 1:] > 0.02).any()


def test_a_crop_shows_the_share_of_the_area_it_names():
    ramp = torch.arange(64, dtype=torch.uint8).expand(8, 3, 64, 64).contiguous()
    result = augment(ramp, sample_parameters(AugmentConfig(flip=False, crop_area=(0.25, 0.25)), 8, seed=3)) * 255
    span = result[:, 0, 32].amax(dim=1) - result[:, 0, 32].amin(dim=1)
    assert torch.allclose(span, torch.full((8,), 31.5), atol=0.6)


def test_the_black_surround_stays_black_under_noise():
    black = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    result = augment(black, sample_parameters(AugmentConfig(noise=0.2), 4, seed=0))
    assert result.max() < 0.01


def test_moco_views_never_stick_out_and_cover_what_torchvisions_do():
    """16.5 % were larger than the image before; the mean share of torchvision's views is .539."""
    import torch
    from torchvision.transforms import RandomResizedCrop

    geometry = sample_parameters(MOCO_V2, 4000, seed=0).geometry
    width, height = geometry[:, 0, 0].abs(), geometry[:, 1, 1]
    assert width.max() <= 1
    assert height.max() <= 1
    assert ((1 - width) + 1e-6 >= geometry[:, 0, 2].abs()).all()
    torch.manual_seed(0)
    image = torch.zeros(1, 1000, 1000)
    crops = [RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3])[2:] for _ in range(4000)]
    shares = torch.tensor([h * w / 1e6 for h, w in crops])
    error = (2 * shares.var() / 4000).sqrt()
    assert abs((width * height).mean() - shares.mean()) < 4 * error


def test_views_of_fundus_eyes_keep_hue_color_and_half_of_the_field():
    parameters = sample_parameters(FUNDUS_VIEWS, 500, seed=3)
    again = sample_parameters(FUNDUS_VIEWS, 500, seed=3)
    assert all(torch.equal(getattr(parameters, name), getattr(again, name)) for name in ("geometry", "color", "noise"))
    area = torch.linalg.det(parameters.geometry[:, :, :2]).abs()
    assert float(area.min()) >= 0.5 - 1e-6
    assert float(area.max()) <= 1 + 1e-6
    turned = torch.atan2(parameters.geometry[:, 1, 0], parameters.geometry[:, 0, 0])
    assert len(torch.histc(turned, 12, -math.pi, math.pi).nonzero()) == 12  # any angle
    assert float(parameters.blur_sigma.max()) <= 0.6
    red, green = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])
    assert ((parameters.color @ red).argmax(dim=1) == 0).all()  # red stays red, and is never gray
    assert ((parameters.color @ green).argmax(dim=1) == 1).all()
    turned_hue = sample_parameters(MOCO_V2, 500, seed=3).color @ red
    assert float(turned_hue.std(dim=1).min()) < 1e-6  # MoCo v2 takes some images' color away
