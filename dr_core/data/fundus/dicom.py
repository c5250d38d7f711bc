"""Reading ophthalmic photographs from DICOM files: their pixels, and nothing that is said of the patient."""

import io
import struct
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pydicom
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from pydicom.errors import BytesLengthException, InvalidDicomError

from dr_core.data.fundus.budget import DECODER_DEFECTS, MAX_FRAMES, MAX_PARTS, check_size, damaged
from dr_core.data.fundus.jpeg import read_jpeg
from dr_core.data.fundus.raster import shallow
from dr_core.data.fundus.strips import to_rgb
from dr_core.errors import InputError

_PHOTOGRAPHS = (
    "1.2.840.10008.5.1.4.1.1.77.1.5.1",  # Ophthalmic Photography, 8 bits
    "1.2.840.10008.5.1.4.1.1.77.1.5.2",  # Ophthalmic Photography, 16 bits
    "1.2.840.10008.5.1.4.1.1.77.1.5.5",  # Wide Field Ophthalmic Photography, stereographic projection
    "1.2.840.10008.5.1.4.1.1.77.1.5.6",  # the same, 3D coordinates
    "1.2.840.10008.5.1.4.1.1.77.1.4",  # Visible Light Photographic
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture, in which older cameras put their pictures
    "1.2.840.10008.5.1.4.1.1.7.4",  # Secondary Capture, many frames, true color
)
"""SOP classes that hold photographs; a CT or an OCT is none."""

_TAGS = [
    "SOPClassUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PixelData",
]
"""All that is parsed. Names, dates, identifiers and private tags are skipped unread."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax that compresses the whole file: pydicom unpacks it without any limit."""

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


@dataclass(frozen=True, kw_only=True)
class _Pixels:
    """Pixels as a DICOM file stores them.

    Attributes:
        syntax: UID of the transfer syntax.
        colors: Photometric interpretation.
        samples: Samples of a pixel, 1 or 3.
        planar: Whether the colors lie one after the other.
        frames: Number of frames.
        rows: Height in pixels.
        columns: Width in pixels.
        allocated: Bits that a sample takes, 8 or 16.
        stored: Bits of these that are used.
        data: The pixels of all frames.
    """

    syntax: str
    colors: str
    samples: int
    planar: bool
    frames: int
    rows: int
    columns: int
    allocated: int
    stored: int
    data: bytes


class _CountedFile(io.BytesIO):
    """Bytes that may be read only so often: a file of millions of empty elements takes minutes to walk over."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MAX_PARTS:
            raise ValueError("too many elements")
        return super().read(size)


def read_dicom(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    """Decode the first frame of a photograph.

    Uncompressed pixels, JPEG and JPEG 2000 are read; 16-bit samples are scaled to 8 bits.

    Args:
        name: What to call it in messages.
        data: The file.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, no photograph, too small, too large, or stored in a way that is not read.
    """
    if _DEFLATED in data:
        raise InputError(f"{name} is a deflated DICOM file; export it without compression or as JPEG.")
    try:
        pixels = _parse(name, data)
        check_size(name, pixels.columns, pixels.rows, deep=pixels.allocated == 16 or pixels.syntax in _JPEG_2000)
        if not 1 <= pixels.frames <= MAX_FRAMES:
            raise InputError(f"{name} must have 1 to {MAX_FRAMES} frames, not {pixels.frames}; export a photograph.")
        image = _decode(name, pixels)
    except (*DECODER_DEFECTS, BytesLengthException, InvalidDicomError):
        raise damaged(name) from None
    return 255 - image if pixels.colors == "MONOCHROME1" else image


def _parse(name: str, data: bytes) -> _Pixels:
    found = pydicom.dcmread(_CountedFile(data), specific_tags=list(_TAGS))
    if str(found.get("SOPClassUID", "")) not in _PHOTOGRAPHS or "PixelData" not in found:
        raise InputError(f"{name} is a DICOM file but holds no photograph; export the color photograph of the eye.")
    if found.get("PixelRepresentation", 0) != 0:
        raise InputError(f"{name} is a DICOM file with signed samples; export it as JPEG.")
    return _Pixels(
        syntax=str(found.file_meta.TransferSyntaxUID),
        colors=str(found.PhotometricInterpretation),
        samples=int(found.get("SamplesPerPixel", 1)),
        planar=found.get("PlanarConfiguration", 0) == 1,
        frames=int(found.get("NumberOfFrames", 1) or 1),
        rows=int(found.Rows),
        columns=int(found.Columns),
        allocated=int(found.BitsAllocated),
        stored=int(found.get("BitsStored", found.BitsAllocated)),
        data=found.PixelData,
    )


def _decode(name: str, pixels: _Pixels) -> npt.NDArray[np.uint8]:
    if pixels.syntax in _NATIVE and _is_plain(pixels):
        return _decode_native(pixels)
    if pixels.syntax in _JPEG:
        frame = _first_frame(pixels)
        return read_jpeg(name, _tell_colors(frame) if pixels.colors == "RGB" else frame, stored=True)
    if pixels.syntax in _JPEG_2000:
        picture = Jpeg2KImageFile(io.BytesIO(_first_frame(pixels)))
        check_size(name, *picture.size, deep=True)
        return _decode_jpeg_2000(picture, pixels)
    raise InputError(f"{name} is a DICOM file whose pixels are stored in a rare way; export it as JPEG.")


def _is_plain(pixels: _Pixels) -> bool:
    known = {1: ("MONOCHROME1", "MONOCHROME2"), 3: ("RGB", "YBR_FULL")}
    is_known = pixels.colors in known.get(pixels.samples, ())
    return is_known and pixels.allocated in (8, 16) and 0 < pixels.stored <= pixels.allocated


def _decode_native(pixels: _Pixels) -> npt.NDArray[np.uint8]:
    """Decode uncompressed samples; ValueError where there are too few bytes."""
    order = ">" if pixels.syntax == _BIG_ENDIAN else "<"
    count = pixels.rows * pixels.columns * pixels.samples
    values = np.frombuffer(pixels.data, np.uint8 if pixels.allocated == 8 else f"{order}u2", count)
    if pixels.planar and pixels.samples == 3:
        values = np.moveaxis(values.reshape(3, pixels.rows, pixels.columns), 0, 2)
    shaped = np.ascontiguousarray(values.reshape(pixels.rows, pixels.columns, pixels.samples))
    if pixels.samples == 3:  # OpenCV's order, which `shallow` takes
        shaped = shaped[..., ::-1]
    if pixels.allocated == 16 or pixels.stored < 8:
        rgb = shallow(np.ascontiguousarray(shaped.squeeze(), np.uint16), 2**pixels.stored - 1)
    else:
        rgb = np.repeat(shaped, 3, axis=2) if pixels.samples == 1 else shaped[..., ::-1]
    if pixels.colors == "YBR_FULL":
        rgb = cv2.cvtColor(np.ascontiguousarray(rgb[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
    return rgb


def _decode_jpeg_2000(picture: Jpeg2KImageFile, pixels: _Pixels) -> npt.NDArray[np.uint8]:
    if picture.mode == "I;16":
        picture.load()
        return shallow(np.asarray(picture).astype(np.uint16), 2**16 - 1)
    if picture.mode not in ("L", "RGB") or pixels.colors == "YBR_FULL":
        raise ValueError("colors that are not read")
    return to_rgb(picture)


_ITEM, _END_OF_SEQUENCE = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)


def _first_frame(pixels: _Pixels) -> bytes:
    """Join the fragments of the first frame of compressed pixels.

    Raises:
        ValueError: The fragments are cut off, or cannot be told apart.
        struct.error: A header of a fragment is cut off.
    """
    fragments: list[bytes] = []
    starts: list[int] = []
    position = 0
    while position < len(pixels.data) and len(fragments) <= MAX_PARTS:
        *tag, length = struct.unpack_from("<HHI", pixels.data, position)
        if tuple(tag) == _END_OF_SEQUENCE:
            break
        start = position + 8
        if tuple(tag) != _ITEM or start + length > len(pixels.data):
            raise ValueError("no fragment where one must be")
        fragments.append(pixels.data[start : start + length])
        starts.append(position)
        position = start + length
    table, fragments, starts = fragments[0], fragments[1:], starts[1:]
    if pixels.frames == 1:
        return b"".join(fragments)
    if len(fragments) == pixels.frames:
        return fragments[0]
    (second,) = struct.unpack_from("<4xI", table)  # offsets count from the first fragment
    return b"".join(part for part, start in zip(fragments, starts, strict=True) if start - starts[0] < second)


_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


def _tell_colors(jpeg: bytes) -> bytes:
    """Mark a JPEG as RGB where it says nothing itself; libjpeg would take it for YCbCr."""
    is_told = b"JFIF\0" in jpeg[:64] or b"Adobe\0" in jpeg[:4096]
    return jpeg if is_told else jpeg[:2] + _ADOBE_RGB + jpeg[2:]
