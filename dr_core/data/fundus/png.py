"""Reading PNG."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL.PngImagePlugin import PngImageFile

from dr_core.data.fundus.budget import CUT_OFF, DECODER_DEFECTS, MAX_PARTS, check_size, damaged
from dr_core.data.fundus.deep import WHITE_16, decode_deep, find_white, shallow
from dr_core.data.fundus.orientation import find_orientation, set_upright
from dr_core.data.fundus.strips import to_rgb

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks that make pixels; texts, profiles, times and further frames are left out."""


@dataclass(frozen=True, kw_only=True)
class PlainPng:
    """A PNG without its metadata.

    Attributes:
        data: The file with the chunks that make pixels alone.
        orientation: EXIF's, 1..8.
        significant_bits: The real depth of its samples by the chunk `sBIT`; 0 where that is missing.
    """

    data: bytes
    orientation: int
    significant_bits: int


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
        plain = strip_png(data)
        width, height, bits = struct.unpack_from(">IIB", plain.data, 16)
    except CUT_OFF:
        raise damaged(name) from None
    check_size(name, width, height, deep=bits == 16)
    try:
        if bits == 16:
            deep = decode_deep(plain.data, upright=False)
        else:
            image = to_rgb(PngImageFile(io.BytesIO(plain.data)))
    except DECODER_DEFECTS:
        raise damaged(name) from None
    if bits == 16:
        stated = 2**plain.significant_bits - 1 if plain.significant_bits else WHITE_16
        image = shallow(deep, find_white(name, deep, stated))
    return set_upright(image, plain.orientation)


def strip_png(data: bytes) -> PlainPng:
    """Take the chunks that make pixels, and what is told of orientation and depth.

    The sums of the chunks that make pixels are checked here: decoders go on without, or only warn.

    Args:
        data: The file.

    Raises:
        ValueError: It ends too early, a chunk is damaged, or there are more chunks than anything writes.
        struct.error: A chunk is cut off.
    """
    kept, exif, depth, position = [data[:8]], b"", b"", 8
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data) or (len(kept) == 1) != (kind == b"IHDR"):
            raise ValueError("cut off, or without its header")
        if kind in _PIXEL_CHUNKS:
            chunk = data[position:end]
            if zlib.crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                raise ValueError("a chunk is damaged")
            kept.append(chunk)
        elif kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif kind == b"sBIT":
            depth = data[position + 8 : min(end - 4, position + 12)]
        if kind == b"IEND":
            bits = max(depth, default=0)
            plain = b"".join(kept)
            return PlainPng(
                data=plain, orientation=find_orientation(exif), significant_bits=bits if 0 < bits < 16 else 0
            )
        position = end
    raise ValueError("too many chunks")
