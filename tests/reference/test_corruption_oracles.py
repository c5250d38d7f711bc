"""Shot noise and glass blur against slower code that is closer to the definition."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from dr_core.corruption.blur import _shuffle
from dr_core.corruption.draws import Draws
from dr_core.corruption.noise import add_shot


@pytest.mark.parametrize("photons", [60, 12, 3, 7.3])
def test_shot_noise_is_the_quantile_of_the_draw(photons):
    gray = torch.arange(256, dtype=torch.float32).reshape(1, 1, 16, 16).expand(2, 3, 16, 16)
    draws = Draws(seeds=(4, 5), name="shot_noise", device=torch.device("cpu"))
    counts = (add_shot(gray / 255, 1 / photons, draws) * photons).round()
    expected = poisson.ppf(draws.uniform("noise", 3, 16, 16).double().numpy(), gray.double().numpy() / 255 * photons)
    assert np.array_equal(counts.numpy(), expected.clip(min=0))


@pytest.mark.parametrize(("reach", "rounds"), [(1, 2), (2, 3), (4, 2)])
def test_glass_moves_pixels_one_after_the_other_as_the_original(reach, rounds):
    height, width = 21, 17
    order = _shuffle(height, width, reach, rounds, np.random.default_rng(3))
    generator, pixels = np.random.default_rng(3), np.arange(height * width).reshape(height, width)
    for _ in range(rounds):
        drawn = generator.integers((2 * reach) ** 2, size=height * width, dtype=np.uint8).reshape(height, width)
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = divmod(int(drawn[row, column]), 2 * reach)
                pixels[row, column] = pixels[row + down - reach, column + right - reach]
    assert np.array_equal(order, pixels.ravel())
