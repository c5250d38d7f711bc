"""Small files that ask for much, and files that are two things at once."""

import io
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dr_core.data.fundus import KINDS, encode_jpeg, read_fundus
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.errors import InputError
from tests.fuzz.hostile_files import decoding_here, draw_picture, encode

ROOT = Path(__file__).parents[2]
PICTURE = draw_picture()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side, bits=8, color=2, extra=b""):
    row = bytes(1 + side * bits * {0: 1, 2: 3, 6: 4}[color] // 8)
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def many_scans(count):
    data = encode(PICTURE, "JPEG", progressive=True)
    scan, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[scan:end] * count + b"\xff\xd9"


def tiff_with(tag, kind, count, value):
    data = bytearray(encode(PICTURE, "TIFF"))
    directory = struct.unpack_from("<I", data, 4)[0]
    entry = (
        directory
        + 2
        + 12
        * next(
            place
            for place in range(struct.unpack_from("<H", data, directory)[0])
            if struct.unpack_from("<H", data, directory + 2 + 12 * place)[0] == 273
        )
    )
    struct.pack_into("<HHII", data, entry, tag, kind, count, value)
    return bytes(data)


def tiff_side(height):
    data = encode(PICTURE, "TIFF", tiffinfo={274: 6})
    return data.replace(struct.pack("<HHII", 257, 4, 1, 48), struct.pack("<HHII", 257, 4, 1, height))


BOMBS = {
    "pixels over the budget": (lambda: png_bomb(10_100, 1, 0), "at most 100 million"),
    "deep pixels over the budget": (lambda: png_bomb(6_400, 16, 0), "at most 40 million"),
    "inks over the budget": (
        lambda: (lambda f: (Image.new("CMYK", (6400, 6400)).save(f, "JPEG"), f.getvalue())[1])(io.BytesIO()),
        "at most 40 million",
    ),
    "scans": (lambda: many_scans(300), "stored in 310 scans"),
    "empty chunks": (lambda: png_bomb(64, extra=chunk(b"teSt", b"") * 300_000), "damaged"),
    "empty segments": (lambda: b"\xff\xd8" + b"\xff\xfe\0\x02" * 1_000_000 + encode(PICTURE, "JPEG")[2:], "damaged"),
    "endless fill bytes": (lambda: b"\xff\xd8" + b"\xff" * 20_000_000, "damaged"),
    "fill bytes in the pixels": (lambda: encode(PICTURE, "JPEG")[:-2] + b"\xff" * 20_000_000 + b"\0", "damaged"),
    "a million strips": (lambda: tiff_with(273, 4, 1_000_000, 8) + bytes(4_000_000), "kind of TIFF"),
    "a million rows": (lambda: tiff_side(1_000_000), "at most 30000 pixels on a side"),
    "a gigantic tile": (lambda: tiff_with(322, 4, 1, 2**30), "kind of TIFF"),
    "a zip file as text": (
        lambda: png_bomb(64, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 1))),
        None,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_read_in_no_time(name):
    make, sentence = BOMBS[name]
    data = make()
    began = time.process_time()
    with decoding_here():
        if sentence is None:
            assert read_fundus(data).shape == (64, 64, 3)
        else:
            with pytest.raises(InputError, match=sentence):
                read_fundus(data)
    assert time.process_time() - began < 2


MEASURE = """
import sys
from pathlib import Path
from dr_core.data.fundus import read_fundus
shape = read_fundus(Path(sys.argv[1]).read_bytes()).shape
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(*shape[:2], int(peak) // 1024)
"""


def test_the_largest_picture_that_is_read_stays_below_a_gigabyte(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_bomb(10_000))
    command = [sys.executable, "-c", MEASURE, str(path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout.split()
    assert told[:2] == ["10000", "10000"]
    assert 300 < int(told[2]) < 1024  # MiB; the picture alone takes 286


def test_a_mask_bomb_is_refused_by_its_size():
    with pytest.raises(InputError, match="cannot be read"):
        decode_mask("m.png", png_bomb(12_000, 1, 0), (48, 64))


def zip_file():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("run.html", "<script>alert(1)</script>")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_what_hides_behind_a_picture_does_not_pass_on(kind):
    options = {} if kind == "TIFF" else {"comment": b"<script>"} if kind == "JPEG" else {}
    data = encode(PICTURE, kind, **options) + zip_file()
    assert zipfile.is_zipfile(io.BytesIO(data))
    image = read_fundus(data)
    assert np.array_equal(image, read_fundus(encode(PICTURE, kind)))
    shown = encode_jpeg(image, 64)
    assert not zipfile.is_zipfile(io.BytesIO(shown))
    assert b"script" not in shown


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04", b"%PDF-1.7\n", b"<svg xmlns='http://www.w3.org/2000/svg'>", b"GIF89a"]
)
def test_a_picture_behind_something_else_is_that_something(start):
    with pytest.raises(InputError, match=f"must be a {KINDS} file"):
        read_fundus(start + encode(PICTURE, "JPEG"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_of_exif_only_the_orientation_counts_and_damaged_exif_nothing(kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 8, "camera " * 500, {1: "N", 2: (48.0, 8.0, 0.0)}
    whole = encode(PICTURE, kind, exif=exif)
    plain = read_fundus(encode(PICTURE, kind))
    assert np.array_equal(read_fundus(whole), np.rot90(plain))
    if kind == "JPEG":
        place = whole.index(b"Exif") + 8
        broken = bytearray(whole)
        broken[place : place + 8] = b"\xff" * 8
        assert read_fundus(bytes(broken)).shape in (plain.shape, np.rot90(plain).shape)
    for orientation in (0, 9, 65_535):
        exif[0x0112] = orientation
        assert np.array_equal(read_fundus(encode(PICTURE, kind, exif=exif)), plain)
