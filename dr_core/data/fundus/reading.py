"""Read a fundus photograph from a file or from uploaded bytes, whatever camera or software wrote it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dr_core.data.fundus.budget import MAX_BYTES
from dr_core.data.fundus.jpeg import read_jpeg
from dr_core.data.fundus.raster import read_png, read_tiff
from dr_core.errors import InputError

_UNSUPPORTED_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"RIFF", "a WebP picture or a video"),
    (4, b"ftyp", "a HEIC or AVIF picture or a video"),
    (0, b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
)
"""Offset, bytes and name of formats that are often taken for a photograph that can be read."""


def read_fundus(source: str | Path | bytes, *, longest_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Read one photograph as its camera showed it.

    EXIF orientation is applied; other metadata, tags about the patient and color profiles are never read. 16-bit
    samples are scaled to 8 bits, CMYK, gray and palette pictures become RGB, transparency is composited on black, and
    of an animation or a file of many pages or frames the first picture is taken. The content decides on the format,
    not the file's name. What a file may cost is bounded (`dr_core.data.fundus.budget`).

    Args:
        source: Path of a JPEG, PNG, TIFF or DICOM file, or its bytes.
        longest_side: When given, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where the result's longest side
            stays at or above this many pixels (up to 5 times as fast). Other formats come at full size.

    Returns:
        uint8 (H, W, 3), RGB, in [0, 255].

    Raises:
        InputError: The source is missing, empty, no supported format, damaged, cut off, too small or too large.
    """
    name, data = _load_bytes(source)
    if data[128:132] == b"DICM":  # asked first: some DICOM files start as a TIFF, too
        from dr_core.data.fundus.dicom import read_dicom  # pydicom takes 0.3 s to import, and few files need it

        image = read_dicom(name, data)
    elif data[:3] == b"\xff\xd8\xff":
        image = read_jpeg(name, data, longest_side)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        image = read_png(name, data)
    elif data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        image = read_tiff(name, data)
    else:
        raise InputError(
            f"{name} must be a JPEG, PNG, TIFF or DICOM file, not {_describe(data)}; "
            "choose the photograph itself, or save it as JPEG, PNG or TIFF."
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
