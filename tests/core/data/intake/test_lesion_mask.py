import io

import numpy as np
import pytest
from PIL import Image

from dr_core.data.intake.lesion_mask import OPTIC_DISC, decode_mask, is_mask, split_name, split_names
from dr_core.errors import InputError


def encoded(picture, form="TIFF"):
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def square():
    mask = np.zeros((40, 60), bool)
    mask[5:9, 10:20] = True
    return mask


@pytest.mark.parametrize(
    ("name", "eye", "lesion"),
    [
        ("IDRiD_01_MA.tif", "IDRiD_01", "microaneurysms"),
        ("IDRiD_01_he.TIF", "IDRiD_01", "haemorrhages"),
        ("my eye_EX.png", "my eye", "hard_exudates"),
        ("a.b_SE.png", "a.b", "soft_exudates"),
        ("IDRiD_01_OD.tif", "IDRiD_01_OD", None),
        ("IDRiD_01.jpg", "IDRiD_01", None),
        ("_MA.tif", "_MA", None),
        ("MA.tif", "MA", None),
    ],
)
def test_the_name_tells_eye_and_lesion(name, eye, lesion):
    assert split_name(name) == (eye, lesion)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["IDRiD_01.jpg", "IDRiD_01_OD.tif", "IDRiD_01_EX.tif"], [None, OPTIC_DISC, "hard_exudates"]),
        (["a.jpg", "A_od.png"], [None, OPTIC_DISC]),
        (["12_OD.jpg", "12_OS.jpg"], [None, None]),  # right and left eye
        (["12_OD.jpg"], [None]),
    ],
)
def test_a_disc_is_a_mask_only_beside_its_photograph(names, parts):
    assert [part for _, part in split_names(names)] == parts


def test_two_levels_are_a_mask_and_a_photograph_is_none(square):
    photograph = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    assert is_mask("m.png", encoded(Image.fromarray(square), "PNG"))
    assert is_mask("m.tif", encoded(Image.fromarray(square), "TIFF"))
    assert not is_mask("p.png", encoded(Image.fromarray(photograph), "PNG"))
    assert not is_mask("p.jpg", encoded(Image.fromarray(photograph), "JPEG"))
    assert not is_mask("m.png", b"\x89PNG and no more")


@pytest.mark.parametrize("on", [1, 76, 255])
def test_two_levels_are_off_and_on_whatever_on_is(square, on):
    found = decode_mask("m.tif", encoded(Image.fromarray(square.astype(np.uint8) * on)), square.shape)
    assert np.array_equal(found.pixels, square)
    assert found.gray_levels == 2


def test_palette_bits_and_colors_are_read_alike(square):
    gray = Image.fromarray(square.astype(np.uint8))
    palette = gray.copy()
    palette.putpalette([0, 0, 0, 255, 0, 0])
    colored = np.dstack([square * 255, square * 0, square * 0, np.full(square.shape, 255)]).astype(np.uint8)
    for picture, form in [
        (palette, "TIFF"),
        (Image.fromarray(square), "TIFF"),
        (Image.fromarray(colored), "PNG"),
    ]:
        assert np.array_equal(decode_mask("m", encoded(picture, form), square.shape).pixels, square)


def test_gray_levels_count_from_half_of_the_brightest(square):
    gray = np.zeros(square.shape, np.uint8)
    gray[0, :4] = [49, 50, 51, 100]
    found = decode_mask("m.png", encoded(Image.fromarray(gray), "PNG"), square.shape)
    assert found.gray_levels == 5
    assert found.pixels[0, :4].tolist() == [False, True, True, True]


def test_an_empty_mask_is_empty(square):
    found = decode_mask("m.tif", encoded(Image.fromarray(np.zeros(square.shape, np.uint8))), square.shape)
    assert not found.pixels.any()


def test_a_mask_of_another_eye_is_told_from_a_resized_one(square):
    content = encoded(Image.fromarray(square.astype(np.uint8)))
    with pytest.raises(InputError, match="60 × 40 pixels, the photograph 50 × 50: it belongs to another eye"):
        decode_mask("m.tif", content, (50, 50))
    with pytest.raises(InputError, match="it was made smaller or larger"):
        decode_mask("m.tif", content, (80, 120))


@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\x00" + bytes(30)])
def test_a_damaged_mask_is_a_sentence(content):
    with pytest.raises(InputError, match=r"The mask m.tif cannot be read"):
        decode_mask("m.tif", content, (50, 50))


def test_a_cut_off_mask_is_a_sentence(square):
    content = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 2, (40, 60), np.uint8)), "PNG")
    with pytest.raises(InputError, match="cannot be read"):
        decode_mask("m.png", content[: len(content) // 2], square.shape)
