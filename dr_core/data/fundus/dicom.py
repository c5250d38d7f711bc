"""Reading ophthalmic photographs from DICOM files: their pixels, and nothing that is said of the patient."""

import io
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pydicom
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from pydicom.errors import BytesLengthException, InvalidDicomError

from dr_core.data.fundus.budget import DECODER_DEFECTS, MAX_FRAMES, MAX_PARTS, check_size, damaged
from dr_core.data.fundus.deep import WHITE_16, find_white, shallow
from dr_core.data.fundus.dicom_display import display_gray, find_colors, needs_table, to_rgb_colors
from dr_core.data.fundus.jpeg import read_jpeg, strip_jpeg
from dr_core.data.fundus.newer import decode_jpeg_2000
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
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PresentationLUTShape",
    "PixelData",
]
"""All that is parsed. Names, dates, identifiers and private tags are skipped unread."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax that compresses the whole file: pydicom unpacks it without any limit."""

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
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
        display: The parsed tags, those of window and presentation among them.
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
    display: pydicom.Dataset

    @property
    def is_gray(self) -> bool:
        """Whether there is one sample a pixel."""
        return self.samples == 1

    @property
    def is_inverted(self) -> bool:
        """Whether the smallest sample is white."""
        return self.colors == "MONOCHROME1" or self.display.get("PresentationLUTShape", "") == "INVERSE"


class _CountedFile(io.BytesIO):
    """Bytes that may be read only so often: a file of millions of empty elements takes minutes to walk over."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MAX_PARTS:
            raise ValueError("too many elements")
        return super().read(size)


def read_dicom(name: str, data: bytes, notes: list[str] | None = None) -> npt.NDArray[np.uint8]:
    """Decode the first frame of a photograph.

    Uncompressed pixels, JPEG and JPEG 2000 are read. Gray samples pass the file's rescaling, window and presentation;
    16-bit samples are scaled to 8 bits. Of what colors the samples are, the code stream says, and not the label beside
    it, which many exports get wrong.

    Args:
        name: What to call it in messages.
        data: The file.
        notes: Takes a sentence where stream and label differ, and where there are more frames.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: It is damaged, no photograph, too small, too large, or stored in a way that is not read.
    """
    notes = [] if notes is None else notes
    if _DEFLATED in data:
        raise InputError(f"{name} is a deflated DICOM file; export it without compression or as JPEG.")
    try:
        pixels = _parse(name, data)
        check_size(name, pixels.columns, pixels.rows, deep=pixels.allocated == 16 or pixels.syntax in _JPEG_2000)
        if not 1 <= pixels.frames <= MAX_FRAMES:
            raise InputError(f"{name} must have 1 to {MAX_FRAMES} frames, not {pixels.frames}; export a photograph.")
        image = _decode(name, pixels, notes)
    except (*DECODER_DEFECTS, BytesLengthException, InvalidDicomError):
        raise damaged(name) from None
    if pixels.frames > 1:
        notes.append(f"Of the {pixels.frames} frames in this DICOM file the first was read.")
    return 255 - image if pixels.is_gray and pixels.is_inverted else image


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
        display=found,
    )


def _decode(name: str, pixels: _Pixels, notes: list[str]) -> npt.NDArray[np.uint8]:
    if pixels.syntax in _NATIVE and _is_plain(pixels):
        return _decode_native(name, pixels, notes)
    if pixels.syntax in _JPEG:
        return _decode_jpeg(name, pixels, notes)
    if pixels.syntax in _JPEG_2000:
        return _decode_jpeg_2000(name, pixels, notes)
    raise InputError(f"{name} is a DICOM file whose pixels are stored in a rare way; export it as JPEG.")


def _is_plain(pixels: _Pixels) -> bool:
    known = {1: ("MONOCHROME1", "MONOCHROME2"), 3: ("RGB", "YBR_FULL", "YBR_FULL_422")}
    is_known = pixels.colors in known.get(pixels.samples, ())
    is_halved = pixels.colors == "YBR_FULL_422" and (pixels.allocated != 8 or pixels.columns % 2 or pixels.planar)
    return is_known and not is_halved and pixels.allocated in (8, 16) and 0 < pixels.stored <= pixels.allocated


def _decode_native(name: str, pixels: _Pixels, notes: list[str]) -> npt.NDArray[np.uint8]:
    """Decode uncompressed samples; ValueError where there are too few bytes."""
    shaped = _halved_colors(pixels) if pixels.colors == "YBR_FULL_422" else _shape(pixels)
    if pixels.is_gray:
        return _display(name, shaped[..., 0], pixels)
    if pixels.allocated == 16 or pixels.stored < 8:
        deep = np.ascontiguousarray(shaped[..., ::-1], np.uint16)  # OpenCV's order
        stated = 2**pixels.stored - 1
        white = find_white(name, deep, stated) if pixels.allocated == 16 else stated
        shaped = shallow(deep, white)
    return to_rgb_colors(shaped, find_colors(shaped, pixels.colors, notes))


def _shape(pixels: _Pixels) -> np.ndarray:
    """Uncompressed samples as (H, W, C)."""
    order = ">" if pixels.syntax == _BIG_ENDIAN else "<"
    count = pixels.rows * pixels.columns * pixels.samples
    values = np.frombuffer(pixels.data, np.uint8 if pixels.allocated == 8 else f"{order}u2", count)
    if pixels.planar and pixels.samples == 3:
        values = np.moveaxis(values.reshape(3, pixels.rows, pixels.columns), 0, 2)
    return np.ascontiguousarray(values.reshape(pixels.rows, pixels.columns, pixels.samples))


def _halved_colors(pixels: _Pixels) -> np.ndarray:
    """Uncompressed Y Y Cb Cr, the colors of two pixels side by side shared, as (H, W, 3)."""
    pairs = np.frombuffer(pixels.data, np.uint8, pixels.rows * pixels.columns * 2).reshape(pixels.rows, -1, 4)
    shaped = np.empty((pixels.rows, pixels.columns, 3), np.uint8)
    shaped[..., 0] = pairs[..., :2].reshape(pixels.rows, pixels.columns)
    shaped[..., 1:] = np.repeat(pairs[..., 2:], 2, axis=1)
    return shaped


def _display(name: str, samples: np.ndarray, pixels: _Pixels) -> npt.NDArray[np.uint8]:
    """Bring gray samples (H, W) to what the file wants to be seen, uint8 (H, W, 3)."""
    if needs_table(pixels.display):
        gray = display_gray(samples, pixels.display, pixels.stored)
        return np.repeat(gray[..., None], 3, axis=2)
    stated = 2**pixels.stored - 1
    if samples.dtype.itemsize == 1 and pixels.stored == 8:
        return np.repeat(samples[..., None], 3, axis=2)
    deep = np.ascontiguousarray(samples, np.uint16)
    return shallow(deep, find_white(name, deep, stated) if pixels.allocated == 16 else stated)


# --- compressed pixels --------------------------------------------------------------------------------------------


def _decode_jpeg(name: str, pixels: _Pixels, notes: list[str]) -> npt.NDArray[np.uint8]:
    """Decode a JPEG; where it says nothing of its colors, what its samples look like counts, then the label."""
    frame = _first_frame(pixels)
    jpeg = strip_jpeg(frame)
    if jpeg.precision != 8:
        raise InputError(f"{name} is a DICOM file with a JPEG of {jpeg.precision} bits; export it with 8.")
    if jpeg.components == 1:
        return _display(name, read_jpeg(name, frame, stored=True)[..., 0], pixels)
    if jpeg.components != 3 or jpeg.states_colors:
        return read_jpeg(name, frame, stored=True)
    samples = read_jpeg(name, frame[:2] + _ADOBE_RGB + frame[2:], stored=True)
    if find_colors(samples, pixels.colors, notes) == "RGB":
        return samples
    return read_jpeg(name, frame, stored=True)


_ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""A segment that lets libjpeg give the samples as they are stored."""


def _decode_jpeg_2000(name: str, pixels: _Pixels, notes: list[str]) -> npt.NDArray[np.uint8]:
    frame = _first_frame(pixels)
    picture = Jpeg2KImageFile(io.BytesIO(frame))
    check_size(name, *picture.size, deep=True)
    if picture.mode == "I;16":
        picture.load()
        levels = np.asarray(picture).astype(np.uint16)  # scaled to 16 bits by Pillow
        if needs_table(pixels.display):
            return _display(name, levels >> (16 - pixels.stored), pixels)
        return shallow(levels, WHITE_16)
    image = decode_jpeg_2000(name, picture)
    if picture.mode == "L":
        return _display(name, image[..., 0], pixels)
    if _transforms_colors(frame):
        return image
    return to_rgb_colors(image, find_colors(image, pixels.colors, notes))


def _transforms_colors(stream: bytes) -> bool:
    """Whether a JPEG 2000 stream says that its decoder turns the components into RGB: the byte of its segment COD.

    Raises:
        ValueError: There is no such segment.
        struct.error: A segment is cut off.
    """
    position = stream.index(b"\xff\x4f\xff\x51") + 2
    for _ in range(MAX_PARTS):
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker == _CODING_STYLE:
            return bool(stream[position + 8])
        if marker == _START_OF_TILE:
            break
        position += 2 + length
    raise ValueError("no coding style")


_CODING_STYLE, _START_OF_TILE = 0xFF52, 0xFF90

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
