import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from dr_core.data.fundus import encode_jpeg, read_fundus
from dr_core.errors import InputError


def picture(height=60, width=80):
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=2).astype(np.uint8)


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def near(first, second, tolerance):
    return np.abs(first.astype(int) - second.astype(int)).mean() < tolerance


def test_plain_files_of_each_kind():
    image = Image.fromarray(picture())
    assert np.array_equal(read_fundus(encoded(image, "PNG")), picture())
    assert np.array_equal(read_fundus(encoded(image, "TIFF")), picture())
    assert near(read_fundus(encoded(image, "JPEG", quality=95)), picture(), 2)


def test_paths_are_read_like_bytes(tmp_path):
    (tmp_path / "eye.png").write_bytes(encoded(Image.fromarray(picture()), "PNG"))
    assert np.array_equal(read_fundus(tmp_path / "eye.png"), picture())
    assert np.array_equal(read_fundus(str(tmp_path / "eye.png")), picture())


def test_cmyk_jpeg_keeps_its_colors():
    content = encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95)
    assert near(read_fundus(content), picture(), 4)


def test_grayscale_becomes_three_equal_channels():
    gray = Image.fromarray(picture()[:, :, 0])
    result = read_fundus(encoded(gray, "PNG"))
    assert np.array_equal(result, np.repeat(picture()[:, :, :1], 3, axis=2))


def test_transparency_lies_on_black():
    rgba = np.dstack([picture(), np.full((60, 80), 255, np.uint8)])
    rgba[:30, :, 3] = 0
    result = read_fundus(encoded(Image.fromarray(rgba), "PNG"))
    assert result[:30].max() == 0
    assert np.array_equal(result[30:], picture()[30:])


def test_palette_and_palette_with_transparency():
    palette = Image.fromarray(picture()).quantize(64)
    assert near(read_fundus(encoded(palette, "PNG")), np.asarray(palette.convert("RGB")), 0.01)
    assert read_fundus(encoded(palette, "PNG", transparency=0)).shape == (60, 80, 3)


def test_sixteen_bits_gray_and_color():
    deep = picture().astype(np.uint16) * 257
    gray = read_fundus(encoded(Image.fromarray(deep[:, :, 0]), "PNG"))
    assert np.array_equal(gray[:, :, 0], picture()[:, :, 0])
    for photometric, values in (("rgb", deep), ("minisblack", deep[:, :, 0])):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, photometric=photometric)
        expected = picture() if values.ndim == 3 else np.repeat(picture()[:, :, :1], 3, axis=2)
        assert np.array_equal(read_fundus(buffer.getvalue()), expected)


def test_sixteen_bit_color_png():
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture().astype(np.uint16) * 257)
    assert near(read_fundus(png(80, 60, rows, depth=16)), picture(), 1.01)


def test_first_frame_of_an_animation():
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture())]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_fundus(content), picture())


def test_exif_orientation_is_honored():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    content = encoded(Image.fromarray(picture()), "JPEG", quality=95, exif=exif)
    assert near(read_fundus(content), np.rot90(picture(), -1), 2)


def test_reduced_decoding_keeps_the_least_size():
    content = encoded(Image.fromarray(np.repeat(np.repeat(picture(), 20, 0), 20, 1)), "JPEG")
    small = read_fundus(content, longest_side=300)
    assert 300 <= max(small.shape[:2]) < 800
    assert small.shape[0] / small.shape[1] == pytest.approx(60 / 80, abs=0.02)


def png(width, height, rows, depth=8):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


JPEG = encoded(Image.fromarray(picture(400, 600)), "JPEG")
PNG = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)), "PNG")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"this is a text file\n" * 40, "not a JPEG, PNG or TIFF"),
        (JPEG[: len(JPEG) // 2], "cut off"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "1 x 1 pixels"),
        (png(30_000, 30_000, b""), "more than 100 megapixels"),
        (png(9_000, 12_000, b""), "megapixels"),
        (PNG[: len(PNG) // 2], "cut off"),
        (encoded(Image.fromarray(picture()), "GIF"), "not a JPEG, PNG or TIFF"),
    ],
)
def test_each_bad_file_gets_its_sentence(content, sentence):
    with pytest.raises(InputError, match=sentence):
        read_fundus(content)


def test_missing_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(InputError, match="There is no file"):
            read_fundus(path)


def test_pillows_guard_stays_as_it_was():
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(InputError):
        read_fundus(png(30_000, 30_000, b""))
    assert before == Image.MAX_IMAGE_PIXELS


def test_encoding_for_the_screen_shrinks_and_never_enlarges():
    large = read_fundus(encode_jpeg(np.zeros((900, 1200, 3), np.uint8), 300))
    assert large.shape == (225, 300, 3)
    assert read_fundus(encode_jpeg(picture(), 300)).shape == (60, 80, 3)
