import numpy as np
import pytest

from dr_core.data.textures import TEXTURE_CLASSES, draw_texture
from dr_core.errors import InputError


@pytest.mark.parametrize("label", range(len(TEXTURE_CLASSES)))
def test_every_class_draws_varied_images_of_a_seed(label):
    first, again, other = draw_texture(label, 64, 1), draw_texture(label, 64, 1), draw_texture(label, 64, 2)
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


@pytest.mark.parametrize(("label", "size"), [(len(TEXTURE_CLASSES), 64), (-1, 64), (0, 8), (0, 4000)])
def test_bad_arguments_say_what_must_be(label, size):
    with pytest.raises(InputError, match="must be"):
        draw_texture(label, size, 0)
