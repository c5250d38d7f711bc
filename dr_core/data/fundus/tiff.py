"""Reading TIFF."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL.TiffImagePlugin import TiffImageFile

from dr_core.data.fundus.budget import DECODER_DEFECTS, MAX_FRAMES, MAX_PARTS, MAX_PIXELS, MAX_SIDE, check_size
from dr_core.data.fundus.deep import decode_deep, find_white, shallow
from dr_core.data.fundus.strips import to_rgb
from dr_core.errors import InputError

_SUBFILE, _WIDTH, _HEIGHT, _SUB_DIRECTORIES, _TILE_WIDTH, _TILE_HEIGHT = 254, 256, 257, 330, 322, 323
_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _PLANES = 258, 259, 262, 281, 284
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _JPEG_TABLES = 273, 279, 324, 325, 347
"""TIFF tags; MaxSampleValue tells the real depth of, say, 12-bit samples that are stored in 16."""

_OLD_JPEG, _JPEG = 6, 7
"""Compressions whose decoder, libjpeg, only warns of damage."""

_DEFLATED = (8, 32946)
"""Compressions with a sum at the end of each part, before which libtiff stops reading."""

_STEP, _MAX_PART_BYTES = 2**20, 8 * MAX_PIXELS
"""Bytes that are inflated at once, and of one part at most."""

_TRANSPARENCY_MASK = 4
"""Bit of NewSubfileType: this page is no picture."""

_MAX_TAGS, _MAX_TILE_SIDE = 1000, 4096

_TEXT_TYPES = (1, 2, 6, 7)
"""Types of a byte a value; they are kept as bytes, and cost nothing."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    """A page of a TIFF: where its directory lies, its size in pixels, and whether it is a picture."""

    offset: int
    width: int
    height: int
    is_picture: bool
    further: tuple[int, ...]


def read_tiff(name: str, data: bytes, notes: list[str] | None = None) -> npt.NDArray[np.uint8]:
    """Decode the largest page of a TIFF, the first of several equally large ones.

    Args:
        name: What to call it in messages.
        data: The file.
        notes: Takes a sentence where there was a choice.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, cut off, too small, too large, or a kind of TIFF that cannot be decoded.
    """
    undecodable = InputError(
        f"{name} is damaged or a kind of TIFF that cannot be decoded; save it as JPEG, PNG or TIFF of 8 bits."
    )
    try:
        data = put_largest_first(data, notes)
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
        _check_parts(data, tags)
        if bits <= 8:
            return to_rgb(picture)
        deep = decode_deep(data, upright=True)
    except DECODER_DEFECTS:
        raise undecodable from None
    return shallow(deep, find_white(name, deep, white))


def put_largest_first(data: bytes, notes: list[str] | None = None) -> bytes:
    """Let a TIFF begin with its largest page: a thumbnail may stand before it.

    Args:
        data: The file, TIFF or BigTIFF.
        notes: Takes a sentence where there was a choice.

    Returns:
        The file, whose header names the directory of that page.

    Raises:
        ValueError: A directory asks for more than a picture can need, or there are too many pages.
        struct.error: A directory is cut off.
    """
    pages = [page for page in _walk_pages(data) if page.is_picture]
    if not pages:
        raise ValueError("no picture")
    largest = max(pages, key=lambda page: page.width * page.height)
    if len(pages) > 1 and notes is not None:
        number = pages.index(largest) + 1
        size = f"{largest.width} x {largest.height} pixels"
        notes.append(f"Of the {len(pages)} pictures in this TIFF the largest, number {number} of {size}, was read.")
    order, big = _form(data)
    head = struct.pack(order + ("Q" if big else "I"), largest.offset)
    start = 8 if big else 4
    return data[:start] + head + data[start + len(head) :]


def _form(data: bytes) -> tuple[str, bool]:
    """Byte order as `struct` writes it, and whether it is a BigTIFF."""
    return "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")


def _walk_pages(data: bytes) -> Iterator[_Page]:
    """Pages and their sub-directories, in the order of the file; raises as `put_largest_first` does."""
    order, big = _form(data)
    (first,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    waiting, seen = [first], {0}
    while waiting:
        offset = waiting.pop(0)
        if offset in seen:
            continue
        seen.add(offset)
        if len(seen) > MAX_FRAMES:
            raise ValueError("too many pages")
        page = _read_page(data, offset)
        yield page
        waiting = [*page.further, *waiting]


def _read_page(data: bytes, directory: int) -> _Page:
    """Read a directory's size, and refuse it where it asks for more than a picture can need.

    Pillow makes a Python number of every value of a tag, and a Python object of every strip; libtiff takes memory for a
    whole tile, however small the picture is.
    """
    order, big = _form(data)
    offset_form, count_form, entry_form = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    (tags,) = struct.unpack_from(order + count_form, data, directory)
    if tags > _MAX_TAGS:
        raise ValueError("too many tags")
    entry = directory + struct.calcsize(order + count_form)
    value_at = struct.calcsize(order + entry_form)
    found = {_WIDTH: 0, _HEIGHT: 0, _SUBFILE: 0}
    further: list[int] = []
    for _ in range(tags):
        tag, kind, count = struct.unpack_from(order + entry_form, data, entry)
        if kind not in _TEXT_TYPES and count > MAX_PARTS:
            raise ValueError("too many values")
        (value,) = struct.unpack_from(order + {3: "H", 16: "Q"}.get(kind, "I"), data, entry + value_at)
        if tag in (_TILE_WIDTH, _TILE_HEIGHT) and value > _MAX_TILE_SIDE:
            raise ValueError("tiles too large")
        if tag in found:
            found[tag] = value
        if tag == _SUB_DIRECTORIES and count <= MAX_FRAMES:
            offset = entry + value_at if count == 1 else value
            further += struct.unpack_from(f"{order}{count}{'Q' if kind in (16, 18) else 'I'}", data, offset)
        entry += value_at + (8 if big else 4)
    further += struct.unpack_from(order + offset_form, data, entry)
    return _Page(
        offset=directory,
        width=found[_WIDTH],
        height=found[_HEIGHT],
        is_picture=not found[_SUBFILE] & _TRANSPARENCY_MASK,
        further=tuple(further),
    )


def _check_parts(data: bytes, tags: Any) -> None:  # noqa: ANN401 - Pillow's directory has no types
    """Decode each strip or tile once with warnings as errors and sums checked, which libtiff leaves out.

    Raises:
        ValueError, zlib.error: One is damaged, or the compression is one that nothing can check.
    """
    compression = tags.get(_COMPRESSION)
    if compression == _OLD_JPEG:
        raise ValueError("JPEG of an old kind, whose damage shows nowhere")
    if compression not in (_JPEG, *_DEFLATED):
        return
    starts = tags.get(_STRIPS) or tags.get(_TILES) or ()
    lengths = tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES) or ()
    tables = bytes(tags.get(_JPEG_TABLES, b""))[:-2]  # without its end marker
    pixels_left = 2 * (int(tags[_WIDTH]) * int(tags[_HEIGHT]) + _MAX_TILE_SIDE**2)
    for start, length in zip(starts, lengths, strict=True):
        part = data[start : start + length]
        if len(part) < length or pixels_left < 0:
            raise ValueError("cut off, or larger than its page")
        pixels_left -= _check_jpeg(tables + part[2:] if tables else part) if compression == _JPEG else _inflate(part)


def _check_jpeg(stream: bytes) -> int:
    """Decode a JPEG with warnings as errors; its number of pixels."""
    height, width, colors, _ = simplejpeg.decode_jpeg_header(stream, strict=False)
    if max(height, width) > MAX_SIDE:
        raise ValueError("too large a part")
    simplejpeg.decode_jpeg(stream, colorspace="CMYK" if colors in ("CMYK", "YCCK") else "GRAY", strict=True)
    return int(height * width)


def _inflate(part: bytes) -> int:
    """Inflate to the end, where the sum stands; an eighth of the number of bytes, as the most that a pixel takes."""
    inflating, count, waiting = zlib.decompressobj(), 0, part
    while not inflating.eof:
        found = len(inflating.decompress(waiting, _STEP))
        waiting, count = inflating.unconsumed_tail, count + found
        if not found or count > _MAX_PART_BYTES:
            raise ValueError("cut off, or too large a part")
    return count // 8
