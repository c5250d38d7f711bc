"""The same picture is known by its pixels, one that looks alike by its hash."""

import numpy as np
import pytest

from dr_core.data.duplicates import digest_pictures, find_near, hash_pictures
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def views():
    drawn = [draw_phantom(grade, 128, seed).image for seed, grade in enumerate((0, 2, 4))]
    return np.stack([Preprocessing(size=96).to_model_view(image).transpose(2, 0, 1) for image in drawn])


def test_one_pixel_makes_another_digest_and_the_same_hash(views):
    changed = views.copy()
    changed[0, 0, 48, 48] ^= 1
    assert digest_pictures(views)[1:] == digest_pictures(changed)[1:]
    assert digest_pictures(views)[0] != digest_pictures(changed)[0]
    assert find_near(hash_pictures(views), hash_pictures(changed)) == [(0, 0), (1, 1), (2, 2)]


def test_distance_is_counted_in_bits():
    hashes = np.array([[0, 0, 0, 0], [2**9 - 1, 0, 0, 0], [15, 0, 0, 15]], np.uint64)
    assert find_near(hashes[:1], hashes, most=8) == [(0, 0), (0, 2)]
    assert find_near(hashes[:1], hashes, most=9) == [(0, 0), (0, 1), (0, 2)]


def test_a_step_from_dark_to_bright_is_the_bit_of_its_column():
    image = np.zeros((1, 3, 17, 17), np.uint8)
    image[..., 9:] = 200
    bits = np.unpackbits(hash_pictures(image).view(np.uint8)).reshape(16, 16)
    assert bits.sum(axis=0).tolist() == [0] * 8 + [16] + [0] * 7
