"""Reading PNG and TIFF."""

import io
import struct

import cv2
import numpy as np
import numpy.typing as npt
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from dr_core.data.fundus.budget import DECODER_DEFECTS, MAX_PARTS, check_size, damaged
from dr_core.data.fundus.jpeg import decode_opencv
from dr_core.data.fundus.orientation import find_orientation, set_upright
from dr_core.data.fundus.strips import on_black, strip_ends, to_rgb
from dr_core.errors import InputError

# --- PNG ----------------------------------------------------------------------------------------------------------

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks that make pixels; texts, profiles, times and further frames are left out."""


def read_png(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a PNG; of an animation its first picture.

    Args:
        name: What to call it in messages.
        data: The file.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, cut off, too small or too large.
    """
    try:
        plain, exif = strip_png(data)
        width, height, bits = struct.unpack_from(">IIB", plain, 16)
    except (struct.error, ValueError):
        raise damaged(name) from None
    check_size(name, width, height, deep=bits == 16)
    try:
        image = (
            decode_deep(plain, white=2**16 - 1, upright=False)
            if bits == 16
            else to_rgb(PngImageFile(io.BytesIO(plain)))
        )
    except DECODER_DEFECTS:
        raise damaged(name) from None
    return set_upright(image, find_orientation(exif))


def strip_png(data: bytes) -> tuple[bytes, bytes]:
    """Take the chunks that make pixels, and EXIF.

    Args:
        data: The file.

    Returns:
        A PNG without metadata, and the content of its EXIF chunk, empty where there is none.

    Raises:
        ValueError: It ends too early, or has more chunks than anything writes.
        struct.error: A chunk is cut off.
    """
    kept, exif, position = [data[:8]], b"", 8
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data) or (len(kept) == 1) != (kind == b"IHDR"):
            raise ValueError("cut off, or without its header")
        if kind in _PIXEL_CHUNKS:
            kept.append(data[position:end])
        elif kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        if kind == b"IEND":
            return b"".join(kept), exif
        position = end
    raise ValueError("too many chunks")


# --- TIFF ---------------------------------------------------------------------------------------------------------


def read_tiff(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Decode the first page of a TIFF.

    Args:
        name: What to call it in messages.
        data: The file.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, cut off, too small, too large, or a kind of TIFF that cannot be decoded.
    """
    undecodable = InputError(
        f"{name} is damaged or a kind of TIFF that cannot be decoded; save it as JPEG, PNG or TIFF of 8 bits."
    )
    try:
        check_directory(data)
        picture = TiffImageFile(io.BytesIO(data))
        tags = picture.tag_v2
        bits = max(tags.get(_BITS_PER_SAMPLE, (1,)))
        white = max(np.atleast_1d(tags.get(_MAX_SAMPLE_VALUE, 2**bits - 1)).tolist())
        is_plain = tags.get(_PHOTOMETRIC) in (1, 2) and tags.get(_PLANES, 1) == 1
    except DECODER_DEFECTS:
        raise undecodable from None
    check_size(name, *picture.size, deep=bits > 8)
    if bits > 8 and not (is_plain and bits <= 16 and 0 < white < 2**bits):
        raise undecodable
    try:
        return decode_deep(data, white=white, upright=True) if bits > 8 else to_rgb(picture)
    except DECODER_DEFECTS:
        raise undecodable from None


_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _PLANES = 258, 262, 281, 284
"""TIFF tags; MaxSampleValue tells the real depth of, say, 12-bit samples that are stored in 16."""

_MAX_TAGS, _MAX_TILE_SIDE = 1000, 4096

_TEXT_TYPES = (1, 2, 6, 7)
"""Types of a byte a value; they are kept as bytes, and cost nothing."""


def check_directory(data: bytes) -> None:
    """Refuse a TIFF whose first directory asks for more than a picture can need.

    Pillow makes a Python number of every value of a tag, and a Python object of every strip; libtiff takes memory for a
    whole tile, however small the picture is.

    Args:
        data: The file, TIFF or BigTIFF.

    Raises:
        ValueError: There are too many tags, values of a tag, or pixels in a tile.
        struct.error: The directory is cut off.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset_form, count_form, entry_form = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    (directory,) = struct.unpack_from(order + offset_form, data, 8 if big else 4)
    (tags,) = struct.unpack_from(order + count_form, data, directory)
    if tags > _MAX_TAGS:
        raise ValueError("too many tags")
    entry = directory + struct.calcsize(order + count_form)
    value_at = struct.calcsize(order + entry_form)
    for _ in range(tags):
        tag, kind, count = struct.unpack_from(order + entry_form, data, entry)
        if kind not in _TEXT_TYPES and count > MAX_PARTS:
            raise ValueError("too many values")
        (value,) = struct.unpack_from(order + {3: "H", 16: "Q"}.get(kind, "I"), data, entry + value_at)
        if tag in (_TILE_WIDTH, _TILE_HEIGHT) and value > _MAX_TILE_SIDE:
            raise ValueError("tiles too large")
        entry += value_at + (8 if big else 4)


def decode_deep(data: bytes, *, white: int, upright: bool) -> npt.NDArray[np.uint8]:
    """Decode samples of 9 to 16 bits with OpenCV (Pillow cuts color samples to 8 bits and ignores their real depth).

    Args:
        data: The file.
        white: Sample value of full brightness; 65535 divides by 257.
        upright: Whether OpenCV applies the file's orientation.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        ValueError: It cannot be decoded.
    """
    deep = decode_opencv(
        data, cv2.IMREAD_UNCHANGED if upright else cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if deep.dtype != np.uint16:
        raise ValueError("not the bits that the header told")
    return shallow(deep.astype(np.uint16, copy=False), white)


def shallow(deep: npt.NDArray[np.uint16], white: int) -> npt.NDArray[np.uint8]:
    """Scale uint16 (H, W) or (H, W, 3 or 4) in OpenCV's order BGR(A) to uint8 (H, W, 3) RGB, strip by strip."""
    rgb = np.empty((*deep.shape[:2], 3), np.uint8)
    for top, bottom in strip_ends(deep.shape[1], deep.shape[0]):
        samples = cv2.convertScaleAbs(deep[top:bottom], alpha=255 / white)
        if samples.ndim == 2:
            strip = cv2.cvtColor(samples, cv2.COLOR_GRAY2RGB)
        elif samples.shape[2] == 4:
            strip = on_black(samples[..., 2::-1], samples[..., 3:])
        else:
            strip = cv2.cvtColor(samples, cv2.COLOR_BGR2RGB)
        rgb[top:bottom] = strip
    return rgb
