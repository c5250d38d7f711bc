import math

import pytest
import torch

from dr_core.corruption import CORRUPTIONS, IMAGENET_C, corrupt
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError


@pytest.fixture(scope="module")
def eyes():
    images = [draw_phantom(grade, 64, grade).image for grade in (1, 2, 4)]
    return torch.stack([torch.from_numpy(image.copy()).permute(2, 0, 1) for image in images])


def test_there_are_nineteen_of_imagenet_c_eight_fundus_and_twelve_of_the_clinic():
    assert len(IMAGENET_C) == 19
    assert len(CORRUPTIONS) == 19 + 8 + 12
    assert all(entry.description.endswith(".") for entry in CORRUPTIONS.values())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_does_not_depend_on_its_batch_and_a_seed_gives_the_same_bytes(eyes, name):
    for severity in (0.5, 3, 4.6):
        for seed in (7, [7, 8, 9]):
            whole = corrupt(eyes, name, severity, seed)
            assert whole.dtype == torch.uint8 and whole.shape == eyes.shape
            for place in range(3):
                alone = corrupt(eyes[place : place + 1], name, severity, seed if seed == 7 else seed[place])
                # Sums over other batch sizes may round a float32 to the neighboring gray level.
                assert (whole[place].int() - alone[0].int()).abs().max() <= 1
            assert torch.equal(whole, corrupt(eyes, name, severity, seed))


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "glass_blur", "snow", "frost", "fog", "spatter"])
def test_a_batch_that_is_taken_in_parts_equals_its_images_alone(eyes, name):
    large = torch.nn.functional.interpolate(eyes.float(), size=(224, 224)).byte().repeat(2, 1, 1, 1)
    for seed in (7, range(6)):
        whole = corrupt(large, name, 2.5, seed)
        for place in range(6):
            own = seed if isinstance(seed, int) else seed[place]
            assert torch.equal(whole[place], corrupt(large[place : place + 1], name, 2.5, own)[0])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_zero_is_the_identity_and_five_damages(eyes, name):
    before = eyes.clone()
    assert torch.equal(corrupt(eyes, name, 0, 1), eyes)
    assert (corrupt(eyes, name, 5, 1).float() - eyes).abs().mean() > 0.3
    assert torch.equal(eyes, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_has_no_jump_at_a_level(eyes, name):
    below, at = corrupt(eyes, name, 2.999, 3).float(), corrupt(eyes, name, 3, 3).float()
    assert (below - at).abs().mean() < 1.0


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [32, 2048])
def test_tiny_and_large_images(name, side):
    image = torch.from_numpy(draw_phantom(2, 64, 1).image.copy()).permute(2, 0, 1)[None]
    image = torch.nn.functional.interpolate(image.float(), size=(side, side), mode="bilinear").byte()
    damaged = corrupt(image, name, 3, 0)
    assert damaged.shape == image.shape
    assert not torch.equal(damaged, image)


@pytest.mark.parametrize("severity", [-0.1, 5.1, math.nan])
def test_severity_out_of_range(eyes, severity):
    with pytest.raises(InputError, match="between 0 and 5"):
        corrupt(eyes, "fog", severity, 0)


def test_unknown_name_says_the_nearest(eyes):
    with pytest.raises(InputError, match="nearest is 'gaussian_blur'"):
        corrupt(eyes, "gausian_blurr", 1, 0)


def test_what_is_no_batch_of_uint8_rgb(eyes):
    for images, words in (
        (eyes.float() / 255, "uint8"),
        (eyes[:, :1], "repeat a gray channel"),
        (eyes[0], r"\(N, 3, H, W\)"),
        (eyes[..., :8, :8], "16 pixels"),
        (eyes.numpy(), "torch tensor, not ndarray"),
    ):
        with pytest.raises(InputError, match=words):
            corrupt(images, "fog", 1, 0)
    with pytest.raises(InputError, match="one an image"):
        corrupt(eyes, "fog", 1, [1, 2])
