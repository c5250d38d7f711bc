"""Reading the formats of phones, archives and old scanners: BMP, WebP, JPEG 2000, HEIC and AVIF."""

import importlib.util
import io
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.WebPImagePlugin import WebPImageFile

from dr_core.data.fundus.budget import DECODER_DEFECTS, check_size, damaged
from dr_core.data.fundus.deep import WHITE_16, shallow
from dr_core.data.fundus.orientation import UPRIGHT, find_orientation, set_upright
from dr_core.data.fundus.strips import to_rgb
from dr_core.errors import InputError

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"hevc", b"hevx")
_AVIF_BRANDS = (b"avif", b"avis")


_HOLE = bytes(4000)
"""Zeros that no encoder of these formats writes in a row, and a lost sector of a disk does."""


def is_newer(data: bytes) -> bool:
    """Whether a file is of one of these formats."""
    return _find_reader(data) is not None


def read_newer(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a BMP, WebP, JPEG 2000, HEIC or AVIF picture.

    Their code has no sums and nearly every sequence of bits decodes to something: apart from a cut end and lost
    sectors, damage inside cannot be found.

    Args:
        name: What to call it in messages.
        data: The file.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, cut off, too small, too large, or of colors that are not read.
    """
    reader = _find_reader(data)
    if reader is None:
        raise damaged(name)
    if reader is not _read_bmp and _HOLE in data:
        raise damaged(name)
    try:
        return reader(name, data)
    except DECODER_DEFECTS:
        raise damaged(name) from None


def _find_reader(data: bytes) -> Callable[[str, bytes], npt.NDArray[np.uint8]] | None:
    if data[:2] == b"BM":
        return _read_bmp
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp
    if data[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or data[:4] == b"\xff\x4f\xff\x51":
        return _read_jpeg_2000
    if data[4:8] != b"ftyp":
        return None
    brands = (data[8:12], *(data[offset : offset + 4] for offset in range(16, min(data[3], 64), 4)))
    if any(brand in _AVIF_BRANDS for brand in brands):
        return _read_avif
    return _read_heic if any(brand in _HEIC_BRANDS for brand in brands) else None


def _read_bmp(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    picture = BmpImageFile(io.BytesIO(data))
    check_size(name, *picture.size)
    return to_rgb(picture)


def _read_webp(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Its header is read here first: the decoder takes memory for the whole picture when it opens the file."""
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise ValueError("cut off")
    check_size(name, *_webp_size(data))
    return _upright(name, WebPImageFile(io.BytesIO(data)))


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[offset : offset + 3], "little") + 1 for offset in (24, 27))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _read_avif(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    return _upright(name, AvifImageFile(io.BytesIO(data)))


def _read_heic(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Libheif turns the picture upright itself; its package is an extra, since what it bundles is under the GPL."""
    if importlib.util.find_spec("pillow_heif") is None:
        raise InputError(
            f"{name} is a HEIC picture, which needs the package pillow-heif; install it with: pip install pillow-heif, "
            "or save the photograph as JPEG."
        )
    import pillow_heif  # few files need it

    heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    check_size(name, *heif.size)
    return to_rgb(heif.to_pillow())


def _read_jpeg_2000(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    picture = Jpeg2KImageFile(io.BytesIO(data))
    check_size(name, *picture.size, deep=True)
    return decode_jpeg_2000(name, picture)


def decode_jpeg_2000(name: str, picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Decode an open JPEG 2000 picture whose size has been checked; uint8 (H, W, 3) RGB."""
    if picture.mode == "I;16":
        picture.load()
        return shallow(np.asarray(picture).astype(np.uint16), WHITE_16)  # Pillow scales it to 16 bits
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        raise InputError(f"{name} is a JPEG 2000 picture of rare colors; save it as JPEG or PNG.")
    return to_rgb(picture)


def _upright(name: str, picture: Image.Image) -> npt.NDArray[np.uint8]:
    check_size(name, *picture.size)
    exif = picture.info.get("exif", b"")
    return set_upright(to_rgb(picture), find_orientation(exif) if isinstance(exif, bytes) else UPRIGHT)
