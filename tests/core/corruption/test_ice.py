import numpy as np
import pytest

from dr_core.corruption.ice import SIDE, cut_ice, render_ice


def test_a_sheet_is_bright_bluish_and_the_same_each_time():
    sheet = render_ice(0)
    assert sheet.shape == (SIDE, SIDE, 3) and sheet.min() >= 0 and sheet.max() <= 1
    assert sheet.mean() == pytest.approx(0.53, abs=0.03)
    assert sheet[..., 2].mean() > sheet[..., 0].mean()
    assert np.array_equal(render_ice.__wrapped__(0), sheet)


@pytest.mark.parametrize("size", [(32, 48), (SIDE, SIDE), (700, 1024)])
def test_a_piece_has_the_size_asked_for(size):
    first, again, other = (cut_ice(*size, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (3, *size) and first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, again) and not np.array_equal(first, other)
