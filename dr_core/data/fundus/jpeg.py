"""Reading JPEG."""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from dr_core.data.fundus.budget import (
    CUT_OFF,
    DECODER_DEFECTS,
    MAX_PARTS,
    MAX_SCANNED_PIXELS,
    MAX_SCANS,
    check_size,
    damaged,
)
from dr_core.data.fundus.orientation import UPRIGHT, find_orientation, set_upright
from dr_core.data.fundus.strips import strip_ends
from dr_core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """A JPEG without its metadata.

    Attributes:
        data: The file up to its end marker, without EXIF, color profiles, comments and what else does not make pixels.
        width: In pixels, as stored.
        height: In pixels, as stored.
        components: Number of color components.
        scans: Number of scans.
        orientation: EXIF's, 1..8.
        precision: Bits of a sample.
        states_colors: Whether the stream itself says what its three components are.
        quality: As libjpeg counts it, 1 (coarsest) to 100, by the quantization table of the first component.
    """

    data: bytes
    width: int
    height: int
    components: int
    scans: int
    orientation: int
    precision: int
    states_colors: bool
    quality: int


def read_jpeg(
    name: str,
    data: bytes,
    longest_side: int | None = None,
    *,
    stored: bool = False,
    notes: list[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Decode with libjpeg-turbo, whose every warning is an error here: a scan that is damaged is never a picture.

    libjpeg fills what it cannot decode with gray, or goes on with shifted blocks, and only warns; Pillow and OpenCV
    drop the warning. A changed bit that is valid code of the same length cannot be found: a JPEG has no sums.

    Args:
        name: What to call it in messages.
        data: The file.
        longest_side: As in `read_fundus`.
        stored: Whether the pixels are given as they are stored, whatever EXIF says.
        notes: Takes a sentence where the compression is so heavy that small lesions may be lost.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, cut off, too small or too large.
    """
    try:
        jpeg = strip_jpeg(data)
    except CUT_OFF:
        raise damaged(name) from None
    check_size(name, jpeg.width, jpeg.height, deep=jpeg.components == 4)
    if jpeg.precision != 8:
        raise InputError(f"{name} is a JPEG of {jpeg.precision} bits a sample; save it as one of 8 bits.")
    if jpeg.scans > MAX_SCANS or jpeg.scans * jpeg.width * jpeg.height > MAX_SCANNED_PIXELS:
        raise InputError(f"{name} is stored in {jpeg.scans} scans, too many for its size; save it as a plain JPEG.")
    reduction = 1
    while longest_side and reduction < 8 and max(jpeg.width, jpeg.height) // (2 * reduction) >= longest_side:
        reduction *= 2
    try:
        image = _decode(jpeg, reduction)
    except DECODER_DEFECTS:
        raise damaged(name) from None
    if notes is not None and jpeg.quality < _LEAST_QUALITY:
        notes.append(
            f"The photograph is heavily compressed (JPEG of quality {jpeg.quality} of 100); small lesions may be lost, "
            "and blocks may look like lesions."
        )
    return set_upright(image, UPRIGHT if stored else jpeg.orientation)


_NEXT_MARKER = re.compile(rb"\xff+([\x02-\xcf\xd9-\xfe])")
_MARKER_AFTER_SCAN = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""In the coded pixels 0xFF is followed by 0 or by a restart marker; anything else ends the scan."""

_START_OF_SCAN, _END, _APP0, _APP1, _APP14 = 0xDA, 0xD9, 0xE0, 0xE1, 0xEE


def strip_jpeg(data: bytes) -> Jpeg:
    """Keep what makes pixels, count scans, and find the end of the picture.

    Args:
        data: The file; what cameras write behind the end marker does not count.

    Raises:
        ValueError: The bytes or the scans end before the picture does, or are no JPEG.
        struct.error, IndexError: A segment is cut off.
    """
    segments = list(_walk(data))
    frames = [segment for segment in segments if _is_frame(segment.marker)]
    scans = [segment for segment in segments if segment.marker == _START_OF_SCAN]
    if len(frames) != 1 or not scans:
        raise ValueError("no picture, or more than one")
    _check_scans(data, frames[0], scans)
    _check_holes(data, frames[0], segments)
    first_scan = scans[0].start
    kept = [_plain_segment(data, s) for s in segments if s.start < first_scan and _makes_pixels(s.marker)]
    exif = next((data[s.start + 4 : s.end] for s in segments if _is_exif(data, s)), b"")
    precision, height, width, components = struct.unpack_from(">BHHB", data, frames[0].start + 4)
    plain = b"".join([data[:2], *kept, data[first_scan : segments[-1].end]])
    return Jpeg(
        data=plain,
        width=width,
        height=height,
        components=components,
        scans=len(scans),
        orientation=find_orientation(exif),
        precision=precision,
        states_colors=_states_colors(data, frames[0], [s for s in segments if s.start < first_scan]),
        quality=_find_quality(data, [s for s in segments if s.start < first_scan]),
    )


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment; `start` is the place of its marker, `end` the place after it."""

    marker: int
    start: int
    end: int


def _walk(data: bytes) -> Iterator[_Segment]:
    """Walk over the segments up to the end marker; raises as `strip_jpeg` does."""
    position, is_scan = 2, False
    for _ in range(MAX_PARTS):
        found = (_MARKER_AFTER_SCAN.search if is_scan else _NEXT_MARKER.match)(data, position)
        if found is None:
            raise ValueError("no marker where one must be")
        marker, start = found[1][0], found.end() - 2
        if marker == _END:
            yield _Segment(marker, start, start + 2)
            return
        position = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        yield _Segment(marker, start, position)
        is_scan = is_scan or marker == _START_OF_SCAN
    raise ValueError("too many segments")


def _is_frame(marker: int) -> bool:
    return 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)


def _makes_pixels(marker: int) -> bool:
    return marker in (_APP0, _APP14) or marker < _APP0


def _is_exif(data: bytes, segment: _Segment) -> bool:
    return segment.marker == _APP1 and data[segment.start + 4 : segment.start + 10] == b"Exif\0\0"


def _states_colors(data: bytes, frame: _Segment, headers: Sequence[_Segment]) -> bool:
    """Whether a header names the colors, or the components are named R, G, B or sampled unlike, as only YCbCr is."""
    starts = [data[s.start + 4 : s.start + 9] for s in headers if s.marker in (_APP0, _APP14)]
    if b"JFIF\0" in starts or b"Adobe" in starts:
        return True
    names = data[frame.start + 10 : frame.end : 3]
    return names == b"RGB" or len(set(data[frame.start + 11 : frame.end : 3])) > 1


_QUANTIZATION, _STANDARD_STEPS, _LEAST_QUALITY = 0xDB, 3688, 30
"""Marker of quantization tables, sum of the standard's own table for luminance (ITU-T T.81, table K.1), and the quality
below which a note is given; cameras and archives write 75 to 95."""


def _find_quality(data: bytes, headers: Sequence[_Segment]) -> int:
    """Quality as libjpeg counts it, by how much coarser the first table is than the standard's; 100 without a table.

    Source: libjpeg's `jpeg_quality_scaling`: a quality Q scales the table by 5000 / Q % below 50, by 200 - 2 Q % above.
    """
    table = next((data[s.start + 4 : s.end] for s in headers if s.marker == _QUANTIZATION), b"")
    if len(table) < 1 + 64:
        return 100
    is_wide = table[0] >> 4 != 0
    steps = sum(struct.unpack(">64H", table[1:129])) if is_wide and len(table) >= 129 else sum(table[1:65])
    percent = max(1.0, 100 * steps / _STANDARD_STEPS)
    return round(min(100.0, max(1.0, 5000 / percent if percent > 100 else (200 - percent) / 2)))


_COEFFICIENTS, _UNKNOWN = 64, 255


def _check_scans(data: bytes, frame: _Segment, scans: Sequence[_Segment]) -> None:
    """Make sure that the scans bring every coefficient of every component to its last bit.

    A progressive JPEG that is cut off between two scans and closed with an end marker is valid code of a coarser
    picture: nothing else tells.

    Raises:
        ValueError: Some are missing.
        struct.error, IndexError: A header is cut off.
    """
    if data[frame.start + 1] not in _DCT_FRAMES:
        return
    (count,) = struct.unpack_from(">B", data, frame.start + 9)
    names = [data[frame.start + 10 + 3 * number] for number in range(count)]
    missing_bits = {name: [_UNKNOWN] * _COEFFICIENTS for name in names}
    for scan in scans:
        listed = data[scan.start + 4]
        first, last, bits = struct.unpack_from(">BBB", data, scan.start + 5 + 2 * listed)
        for number in range(listed):
            found = missing_bits.get(data[scan.start + 5 + 2 * number])
            if found is not None and last < _COEFFICIENTS:
                found[first : last + 1] = [bits & 15] * (last + 1 - first)
    if any(any(bits) for bits in missing_bits.values()):
        raise ValueError("scans are missing")


def _check_holes(data: bytes, frame: _Segment, segments: Sequence[_Segment]) -> None:
    """Refuse zeros in the coded pixels that decode, but to no picture: what a lost sector of a disk leaves.

    With the usual tables the code 00 is a coefficient of -1, so that zeros are blocks in which all 63 are -1. Where an
    encoder made tables of its own, 0 may end a block, and zeros are a flat part of the picture.

    Raises:
        ValueError: There are such zeros.
    """
    first_scan = next(segment for segment in segments if segment.marker == _START_OF_SCAN)
    if data[frame.start + 1] not in (0xC0, 0xC1) or _HOLE not in data[first_scan.end :]:
        return
    headers = (segment for segment in segments if segment.marker == _TABLES and segment.start < first_scan.start)
    tables: dict[int, int] = {}
    for header in headers:
        position = header.start + 4
        while position + 17 < header.end:
            tables[data[position]] = data[position + 17]
            position += 17 + sum(data[position + 1 : position + 17])
    table_of_first_component = _OF_COEFFICIENTS | (data[first_scan.start + 6] & 15)
    if tables.get(table_of_first_component, 0) & 15:
        raise ValueError("a hole in the coded pixels")


_TABLES, _OF_COEFFICIENTS, _HOLE = 0xC4, 0x10, bytes(200)
"""Marker of code tables, the bit that tells a table of coefficients, and zeros that take more than one block."""

_DCT_FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive frames with Huffman codes."""


def _plain_segment(data: bytes, segment: _Segment) -> bytes:
    """A segment as it is; of a JFIF header only that it is one: libjpeg warns of versions that it does not know."""
    is_jfif = segment.marker == _APP0 and data[segment.start + 4 : segment.start + 9] == b"JFIF\0"
    if segment.marker == _APP0 and not is_jfif:
        return b""
    return _JFIF if is_jfif else data[segment.start : segment.end]


_JFIF = b"\xff\xe0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def _decode(jpeg: Jpeg, reduction: int) -> npt.NDArray[np.uint8]:
    """Decode at 1/1, 1/2, 1/4 or 1/8 of the size; ValueError at libjpeg's first warning."""
    size = {"min_height": -(-jpeg.height // reduction), "min_width": -(-jpeg.width // reduction)}
    result: npt.NDArray[np.uint8]
    if jpeg.components == 1:
        gray = simplejpeg.decode_jpeg(jpeg.data, colorspace="GRAY", strict=True, **size)
        result = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
        return result
    if jpeg.components == 4:
        return _ink_to_rgb(simplejpeg.decode_jpeg(jpeg.data, colorspace="CMYK", strict=True, **size))
    result = simplejpeg.decode_jpeg(jpeg.data, strict=True, **size)
    return result


def _ink_to_rgb(inks: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Bring Adobe's inverted CMYK, 255 where there is no ink, uint8 (H, W, 4), to RGB."""
    rgb = np.empty((*inks.shape[:2], 3), np.uint8)
    for top, bottom in strip_ends(inks.shape[1], inks.shape[0]):
        part = inks[top:bottom]
        cv2.multiply(part[..., :3], np.repeat(part[..., 3:], 3, axis=2), rgb[top:bottom], scale=1 / 255)
    return rgb
