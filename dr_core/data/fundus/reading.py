"""Read a fundus photograph from a file or from uploaded bytes, whatever camera or software wrote it."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from dr_core.errors import InputError

MAX_PIXELS = 100_000_000
"""Pixel budget of one photograph; twice the largest fundus camera, and 300 MB once decoded."""

MAX_BYTES = 256 * 2**20
"""File size budget of one photograph."""

MIN_SIDE = 32
"""Fewest pixels on a side; below that nothing of an eye is left."""

_REMEDY = "save it as JPEG, PNG or TIFF"

DECODER_DEFECTS = (
    *(OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError),
    *(AttributeError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError, UserWarning),
)
"""What Pillow's decoders raise on damaged bytes; a UserWarning only where warnings are made errors. Pillow's
file classes are used directly, not through `Image.open`: no other format can slip in, and its pixel limit, a setting of
the whole process, stays as it is."""

_UNSUPPORTED_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"RIFF", "a WebP picture or a video"),
    (4, b"ftyp", "a HEIC or AVIF picture or a video"),
    (0, b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (128, b"DICM", "a DICOM file"),
)
"""Offset, bytes and name of formats that are often taken for a photograph that can be read."""


def read_fundus(source: str | Path | bytes, *, longest_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Read one photograph as its camera showed it.

    EXIF orientation is applied; other metadata and color profiles are ignored. 16-bit samples are scaled to 8 bits,
    CMYK, gray and palette pictures become RGB, transparency is composited on black, and of an animation or a
    multi-page file the first picture is taken. The content decides on the format, not the file's name.

    Args:
        source: Path of a JPEG, PNG or TIFF file, or its bytes.
        longest_side: When given, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where the result's longest side
            stays at or above this many pixels (up to 5 times as fast). Other formats come at full size.

    Returns:
        uint8 (H, W, 3), RGB, in [0, 255].

    Raises:
        InputError: The source is missing, empty, no supported format, damaged, cut off, too small or too large.
    """
    name, data = _load_bytes(source)
    if data[:3] == b"\xff\xd8\xff":
        image = _read_jpeg(name, data, longest_side)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        image = _read_png(name, data)
    elif data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        image = _read_tiff(name, data)
    else:
        raise InputError(
            f"{name} must be a JPEG, PNG or TIFF file, not {_describe(data)}; "
            f"choose the photograph itself, or {_REMEDY}."
        )
    return np.ascontiguousarray(image)


def _load_bytes(source: str | Path | bytes) -> tuple[str, bytes]:
    """Give the name to use in messages, and the bytes."""
    if isinstance(source, bytes):
        name, data = "The photograph", source
    else:
        path = Path(source)
        name = f"`{path}`"
        if path.is_dir():
            raise InputError(f"{name} must be one photograph, not a folder; name a file in it.")
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= MAX_BYTES else bytes(MAX_BYTES + 1)
        except (FileNotFoundError, ValueError):  # ValueError: a null character in the path
            raise InputError(f"{name} does not exist; check the spelling of the path.") from None
        except OSError as error:
            raise InputError(f"{name} cannot be read ({error.strerror}); check the file's permissions.") from error
    if not data:
        raise InputError(f"{name} is empty (0 bytes); copy or upload it again.")
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} must have at most {MAX_BYTES >> 20} MB; save it as JPEG.")
    return name, data


def _describe(data: bytes) -> str:
    """Name in words what the bytes are when they are no supported photograph."""
    for offset, signature, description in _UNSUPPORTED_SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return description
    try:
        text = data[:512].decode("utf-8", errors="strict" if len(data) <= 512 else "ignore")
    except UnicodeDecodeError:
        return "a file of unknown format"
    printable = sum(character.isprintable() or character.isspace() for character in text)
    return "a text file" if text and printable == len(text) else "a file of unknown format"


def _check_size(name: str, width: int, height: int) -> None:
    """Refuse a picture by its header, before any pixel is decoded."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} must have at most {MAX_PIXELS // 10**6} million pixels, not {width} x {height}; make it smaller."
        )
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name} must have at least {MIN_SIDE} x {MIN_SIDE} pixels, not {width} x {height}; "
            "use the camera's original."
        )


def _damaged(name: str) -> InputError:
    return InputError(f"{name} is damaged or cut off and cannot be decoded; copy or upload the original again.")


# --- JPEG ---------------------------------------------------------------------------------------------------------


def _read_jpeg(name: str, data: bytes, longest_side: int | None) -> npt.NDArray[np.uint8]:
    """Decode with OpenCV: the same libjpeg-turbo as Pillow's, without its two copies (45 against 120 ms at 12 MP)."""
    try:
        width, height, components = _scan_jpeg(data)
    except (struct.error, ValueError):
        raise _damaged(name) from None
    _check_size(name, width, height)
    reduction = 1
    while longest_side and reduction < 8 and max(width, height) // (2 * reduction) >= longest_side:
        reduction *= 2
    flags = {
        1: cv2.IMREAD_COLOR_RGB,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    try:
        if components == 4:
            return _decode_cmyk(data, (width // reduction, height // reduction))
        image = _decode_opencv(data, flags[reduction])
    except DECODER_DEFECTS:
        raise _damaged(name) from None
    return image.astype(np.uint8, copy=False) if reduction == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _scan_jpeg(data: bytes) -> tuple[int, int, int]:
    """Walk the header, and look for the end of the picture: libjpeg fills a cut-off one with gray and only warns.

    Returns:
        Width, height and number of color components.

    Raises:
        ValueError: The bytes end before the picture does, or are no JPEG header.
        struct.error: A segment is cut off.
    """
    frame: tuple[int, int, int] | None = None
    position = 2
    while True:
        sync, marker, length = struct.unpack_from(">BBH", data, position)
        if sync == marker == 0xFF:  # padding between segments
            position += 1
            continue
        if sync != 0xFF or length < 2:
            raise ValueError("no marker where one must be")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">xHHB", data, position + 4)
            frame = (width, height, components)
        position += 2 + length
        if marker == 0xDA:  # start of scan; after it 0xFFD9 can only be the end of the image
            break
    if frame is None or data.find(b"\xff\xd9", position) < 0:
        raise ValueError("no frame, or no end of the image")
    return frame


def _decode_cmyk(data: bytes, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Decode inks with Pillow, which knows Adobe's inverted CMYK and YCCK, at about `size` (width, height)."""
    picture = JpegImageFile(io.BytesIO(data))
    picture.draft("CMYK", size)
    return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def _decode_opencv(data: bytes, flags: int) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Decode, channels in OpenCV's order BGR(A); ValueError where it cannot."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(error.err) from None
    if image is None:
        raise ValueError("no picture in the data")
    return image


# --- PNG and TIFF -------------------------------------------------------------------------------------------------


def _read_png(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise _damaged(name)
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    _check_size(name, width, height)
    if b"IEND" not in data[33:]:
        raise _damaged(name)
    try:
        picture = PngImageFile(io.BytesIO(data))
        if bits == 16:
            return _decode_deep(data, white=2**16 - 1, orientation=picture.getexif().get(Base.Orientation, 1))
        return _composite(ImageOps.exif_transpose(picture))
    except DECODER_DEFECTS:
        raise _damaged(name) from None


def _read_tiff(name: str, data: bytes) -> npt.NDArray[np.uint8]:
    undecodable = InputError(f"{name} is damaged or a kind of TIFF that cannot be decoded; {_REMEDY} of 8 bits.")
    try:
        picture = TiffImageFile(io.BytesIO(data))
        tags = picture.tag_v2
        bits = max(tags.get(_BITS_PER_SAMPLE, (1,)))
        white = max(np.atleast_1d(tags.get(_MAX_SAMPLE_VALUE, 2**bits - 1)).tolist())
        is_plain = tags.get(_PHOTOMETRIC) in (1, 2) and tags.get(_PLANES, 1) == 1
    except DECODER_DEFECTS:
        raise undecodable from None
    _check_size(name, *picture.size)
    if bits > 8 and not (is_plain and bits <= 16 and 0 < white < 2**bits):
        raise undecodable
    try:
        return _decode_deep(data, white=white) if bits > 8 else _composite(picture)
    except DECODER_DEFECTS:
        raise undecodable from None


_BITS_PER_SAMPLE, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _PLANES = 258, 262, 281, 284
"""TIFF tags; MaxSampleValue tells the real depth of, say, 12-bit samples that are stored in 16."""


def _composite(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Bring 8-bit samples of any mode to RGB, transparency on black."""
    if picture.has_transparency_data:
        rgba = np.asarray(picture.convert("RGBA"))
        return _on_black(rgba[..., :3], rgba[..., 3:])
    return np.asarray(picture.convert("RGB"))


def _on_black(rgb: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return cv2.multiply(rgb, np.broadcast_to(alpha, rgb.shape), scale=1 / 255)


def _decode_deep(data: bytes, *, white: int, orientation: int = 1) -> npt.NDArray[np.uint8]:
    """Decode samples of 9 to 16 bits with OpenCV (Pillow cuts color samples to 8 bits and ignores their real depth).

    Args:
        data: The file.
        white: Sample value of full brightness; 65535 divides by 257.
        orientation: EXIF orientation 1..8 that is left to apply; OpenCV itself applies a TIFF's.
    """
    deep = _decode_opencv(data, cv2.IMREAD_UNCHANGED)
    if deep.dtype != np.uint16:
        raise ValueError("not the bits that the header told")
    samples = cv2.convertScaleAbs(deep, alpha=255 / white)
    if samples.ndim == 2:
        rgb = cv2.cvtColor(samples, cv2.COLOR_GRAY2RGB)
    elif samples.shape[2] == 4:
        rgb = _on_black(samples[..., 2::-1], samples[..., 3:])
    else:
        rgb = cv2.cvtColor(samples, cv2.COLOR_BGR2RGB)
    transpose = _TRANSPOSE.get(orientation)
    return rgb if transpose is None else np.asarray(Image.fromarray(rgb).transpose(transpose))


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""
