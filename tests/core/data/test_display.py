import numpy as np

from dr_core.data.fundus import encode_jpeg, read_fundus


def test_encoding_for_the_screen_shrinks_and_never_enlarges():
    large = read_fundus(encode_jpeg(np.zeros((900, 1200, 3), np.uint8), 300))
    assert large.shape == (225, 300, 3)
    assert read_fundus(encode_jpeg(np.zeros((60, 80, 3), np.uint8), 300)).shape == (60, 80, 3)
