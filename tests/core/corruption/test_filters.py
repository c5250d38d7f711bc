"""OpenCV on the CPU and the tensor operations of other devices do the same."""

import pytest
import torch

from dr_core.corruption import filters


@pytest.fixture(scope="module")
def noise():
    return torch.rand(2, 3, 40, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
@pytest.mark.parametrize("radius", [2, 60])
def test_gaussian_blur(noise, mode, radius):
    sigma = radius / 4
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    expected = filters.convolve_separable(noise, (kernel / kernel.sum()).float(), mode)
    torch.testing.assert_close(filters.blur_gaussian(noise, sigma, mode=mode), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [5, 17])
def test_convolution(noise, side):
    kernel = torch.rand(side, side, generator=torch.Generator().manual_seed(1))
    kernel = kernel + kernel.flip(0, 1)
    kernel /= kernel.sum()
    kernel = kernel.numpy()
    expected = filters.convolve_fourier(noise, torch.from_numpy(kernel))
    torch.testing.assert_close(filters.convolve(noise, kernel), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [1.0, 1.07, 1.3, 4.5])
def test_zoom(noise, factor):
    expected = filters.interpolate_center(noise, factor)
    torch.testing.assert_close(filters.zoom_center(noise, factor), expected, atol=3e-5, rtol=0)
