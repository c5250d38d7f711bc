import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageOps

from dr_core.data.fundus import MAX_BYTES, encode_jpeg, read_fundus
from dr_core.errors import InputError


def smooth_picture(height=90, width=120):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


PICTURE = smooth_picture()
DEEP = PICTURE.astype(np.uint16) * 257
GRAY = np.repeat(PICTURE[..., 1:2], 3, axis=2)


def encode(picture, kind, **options):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def encode_tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def encode_deep_png(samples):
    if samples.ndim == 3:
        samples = cv2.cvtColor(samples, cv2.COLOR_RGBA2BGRA if samples.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", samples)[1].tobytes()


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width, height):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


def difference(image, expected):
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert image.flags.c_contiguous
    return int(abs(image.astype(int) - expected.astype(int)).max())


# --- read rightly -------------------------------------------------------------------------------------------------

LOSSLESS = {
    "png": (encode(PICTURE, "PNG"), PICTURE),
    "png gray": (encode(GRAY[..., 0], "PNG"), GRAY),
    "png 16-bit": (encode_deep_png(DEEP), PICTURE),
    "png 16-bit gray": (encode_deep_png(DEEP[..., 1]), GRAY),
    "png bilevel": (encode(Image.fromarray(GRAY[..., 0] > 127), "PNG"), (GRAY > 127) * np.uint8(255)),
    "tiff": (encode_tiff(PICTURE), PICTURE),
    "tiff lzw": (encode(PICTURE, "TIFF", compression="tiff_lzw"), PICTURE),
    "tiff 16-bit": (encode_tiff(DEEP), PICTURE),
    "tiff 16-bit gray": (encode_tiff(DEEP[..., 1], photometric="minisblack"), GRAY),
    "tiff 16-bit big-endian": (encode_tiff(DEEP.astype(">u2"), byteorder=">"), PICTURE),
    "bigtiff": (encode_tiff(PICTURE, bigtiff=True), PICTURE),
    "tiff many pages": (encode_tiff(np.stack([PICTURE, 255 - PICTURE]), photometric="rgb"), PICTURE),
    "tiff 16-bit many pages": (encode_tiff(np.stack([DEEP, 65535 - DEEP]), photometric="rgb"), PICTURE),
    "png animated": (
        encode(PICTURE, "PNG", save_all=True, append_images=[Image.fromarray(255 - PICTURE)]),
        PICTURE,
    ),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_reads_every_lossless_kind_to_the_bit(name):
    data, expected = LOSSLESS[name]
    assert difference(read_fundus(data), expected) == 0


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}], ids=str)
def test_reads_jpeg_as_pillow_does(options):
    data = encode(PICTURE, "JPEG", quality=95, **options)
    assert difference(read_fundus(data), np.asarray(Image.open(io.BytesIO(data)))) <= 1


def test_reads_cmyk_and_gray_jpeg():
    assert difference(read_fundus(encode(Image.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=97)), PICTURE) < 10
    assert difference(read_fundus(encode(GRAY[..., 0], "JPEG", quality=97)), GRAY) < 10


def test_reads_palette():
    palette = Image.fromarray(PICTURE).quantize(64)
    assert difference(read_fundus(encode(palette, "PNG")), np.asarray(palette.convert("RGB"))) == 0


def test_transparent_pixels_are_composited_on_black():
    alpha = np.zeros((*PICTURE.shape[:2], 1), np.uint8)
    alpha[:45], alpha[45:60] = 255, 128
    expected = np.rint(PICTURE * (alpha / 255)).astype(np.uint8)
    assert difference(read_fundus(encode(np.dstack([PICTURE, alpha]), "PNG")), expected) <= 1
    deep_alpha = alpha.astype(np.uint16) * 257
    assert difference(read_fundus(encode_deep_png(np.dstack([DEEP, deep_alpha]))), expected) <= 1


def test_twelve_bits_stored_in_sixteen_use_the_depth_that_the_file_states():
    samples = (PICTURE.astype(np.uint32) * 4095 // 255).astype(np.uint16)
    data = encode_tiff(samples, extratags=[(281, 3, 3, (4095,) * 3, True)])
    assert difference(read_fundus(data), PICTURE) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "deep TIFF"])
def test_exif_orientation_is_applied_once(orientation, kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encode(PICTURE, "PNG", exif=exif)))))
    data = {
        "JPEG": lambda: encode(PICTURE, "JPEG", quality=97, exif=exif),
        "PNG": lambda: encode(PICTURE, "PNG", exif=exif),
        "TIFF": lambda: encode(PICTURE, "TIFF", tiffinfo={274: orientation}),
        "deep TIFF": lambda: encode_tiff(DEEP, extratags=[(274, 3, 1, orientation, True)]),
    }[kind]()
    assert difference(read_fundus(data), expected) <= (25 if kind == "JPEG" else 0)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_reduced_decoding_stays_at_or_above_the_longest_side(mode):
    data = encode(Image.fromarray(smooth_picture(800, 1200)).convert(mode), "JPEG")
    sides = {side: max(read_fundus(data, longest_side=side).shape) for side in (2000, 1200, 600, 599, 300, 150, 20)}
    assert sides == {2000: 1200, 1200: 1200, 600: 600, 599: 600, 300: 300, 150: 150, 20: 150}


def test_reduced_decoding_shows_the_same_picture():
    picture = smooth_picture(800, 1200)
    reduced = read_fundus(encode(picture, "JPEG", quality=97), longest_side=300)
    assert difference(reduced, cv2.resize(picture, (300, 200), interpolation=cv2.INTER_AREA)) < 12


def test_path_and_text_path_and_bytes_are_one(tmp_path):
    path = tmp_path / "eye.png"
    path.write_bytes(encode(PICTURE, "PNG"))
    assert difference(read_fundus(path), PICTURE) == 0
    assert difference(read_fundus(str(path)), PICTURE) == 0


def test_content_decides_not_the_name(tmp_path):
    path = tmp_path / "eye.jpg"
    path.write_bytes(encode(PICTURE, "PNG"))
    assert difference(read_fundus(path), PICTURE) == 0


def test_pillows_pixel_limit_is_neither_obeyed_nor_changed(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert difference(read_fundus(encode(PICTURE, "PNG")), PICTURE) == 0
    assert Image.MAX_IMAGE_PIXELS == 100


def test_full_size_eye_decodes_like_pillow(full_size_eyes):
    image, expected = read_fundus(full_size_eyes[0]), np.asarray(Image.open(full_size_eyes[0]))
    assert image.shape == (2848, 4288, 3)
    assert difference(image[1400:1450].copy(), expected[1400:1450]) <= 1
    assert difference(image[:, 1000:1010].copy(), expected[:, 1000:1010]) <= 1


# --- refused in one sentence --------------------------------------------------------------------------------------

BROKEN = {
    "text named .jpg": (b"grade,eye\n0,right\n" * 9, "not a text file"),
    "bytes of no format": (bytes(range(256)), "not a file of unknown format"),
    "empty": (b"", "is empty"),
    "gif": (encode(GRAY[..., 0], "GIF"), "not a GIF picture"),
    "pdf": (encode(PICTURE, "PDF"), "not a PDF document"),
    "dicom without a photograph": (bytes(128) + b"DICM" + bytes(50), "holds no photograph"),
    "one pixel png": (encode(PICTURE[:1, :1], "PNG"), "at least 32 x 32 pixels, not 1 x 1"),
    "one pixel jpeg": (encode(PICTURE[:1, :1], "JPEG"), "at least 32 x 32 pixels, not 1 x 1"),
    "31 pixel tiff": (encode_tiff(PICTURE[:31]), "at least 32 x 32 pixels, not 120 x 31"),
    "huge png": (png_header(30000, 30000), "at most 100 million pixels, not 30000 x 30000"),
    "png header alone": (encode(PICTURE, "PNG")[:33], "damaged or cut off"),
    "png without pixels": (png_header(300, 300), "damaged or cut off"),
    "jpeg signature alone": (b"\xff\xd8\xff", "damaged or cut off"),
    "jpeg with no frame": (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "damaged or cut off"),
    "tiff signature alone": (b"II*\x00", "damaged or a kind of TIFF"),
    "float tiff": (encode_tiff(PICTURE.astype(np.float32), photometric="rgb"), "a kind of TIFF"),
    "planar deep tiff": (
        encode_tiff(np.moveaxis(DEEP, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
        "a kind of TIFF",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_input_is_one_sentence_with_a_remedy(name, tmp_path):
    data, words = BROKEN[name]
    path = tmp_path / "eye.jpg"
    path.write_bytes(data)
    for source, called in ((data, "The photograph"), (path, f"`{path}`")):
        with pytest.raises(InputError, match=words) as caught:
            read_fundus(source)
        message = str(caught.value)
        assert message.startswith(called)
        assert "; " in message  # the remedy
        assert message.endswith(".")
        assert "\n" not in message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "data",
    [
        encode(PICTURE, "JPEG"),
        encode(PICTURE, "JPEG", progressive=True),
        encode(Image.fromarray(PICTURE).convert("CMYK"), "JPEG"),
        encode(PICTURE, "PNG"),
        encode_deep_png(DEEP),
        encode_tiff(PICTURE),
        encode(PICTURE, "TIFF", compression="tiff_lzw"),
        encode_tiff(DEEP),
    ],
    ids=["jpeg", "progressive", "cmyk", "png", "deep png", "tiff", "lzw tiff", "deep tiff"],
)
def test_a_cut_off_file_is_refused(data, share):
    with pytest.raises(InputError, match="damaged"):
        read_fundus(data[: int(share * len(data))])


def test_a_thumbnail_inside_a_cut_off_jpeg_does_not_hide_the_cut():
    thumbnail = encode(PICTURE[:40, :40], "JPEG")
    data = encode(PICTURE, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = data[:2] + segment + data[2:]
    assert read_fundus(whole).shape == PICTURE.shape
    with pytest.raises(InputError, match="cut off"):
        read_fundus(whole[:-200])


def test_huge_jpeg_and_tiff_are_refused_by_their_headers():
    data = bytearray(encode(PICTURE, "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 30000, 30000)
    tiff = bytearray(encode_tiff(PICTURE))
    for tag in (256, 257):
        entry = tiff.index(struct.pack("<H", tag), 8)
        tiff[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 30000)
    for huge in (bytes(data), bytes(tiff)):
        with pytest.raises(InputError, match="not 30000 x 30000"):
            read_fundus(huge)


def test_a_file_over_the_byte_budget_is_not_even_read(tmp_path):
    path = tmp_path / "eye.tif"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a sparse file: takes no space
    with pytest.raises(InputError, match="at most 256 MB"):
        read_fundus(path)


def test_missing_path_and_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="does not exist; check the spelling"):
        read_fundus(tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match="not a folder"):
        read_fundus(Path(tmp_path))
    with pytest.raises(InputError, match="does not exist"):
        read_fundus("eye\0.jpg")


def test_random_damage_never_escapes_as_another_error():
    random = np.random.default_rng(7)
    originals = [encode(PICTURE, "JPEG"), encode(PICTURE, "PNG"), encode(PICTURE, "TIFF"), encode_tiff(DEEP)]
    for trial in range(200):
        data = bytearray(originals[trial % len(originals)])
        for _ in range(int(random.integers(1, 8))):
            data[int(random.integers(4, min(len(data), 700)))] = int(random.integers(256))
        try:
            image = read_fundus(bytes(data))
        except InputError:
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 3


# --- display ------------------------------------------------------------------------------------------------------


def test_encode_jpeg_reduces_and_never_enlarges():
    picture = smooth_picture(600, 900)
    assert read_fundus(encode_jpeg(picture, 300)).shape == (200, 300, 3)
    assert read_fundus(encode_jpeg(picture, 2000)).shape == (600, 900, 3)
    shown = read_fundus(encode_jpeg(picture, 450))
    assert difference(shown, cv2.resize(picture, (450, 300), interpolation=cv2.INTER_AREA)) < 25
