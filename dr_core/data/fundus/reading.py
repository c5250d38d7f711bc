"""Read a fundus photograph from a file or from uploaded bytes, whatever camera or software wrote it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dr_core.data.decoder_process import Decoded, decode_apart
from dr_core.data.fundus.budget import CUT_OFF, MAX_BYTES, damaged
from dr_core.data.fundus.jpeg import read_jpeg, strip_jpeg
from dr_core.data.fundus.newer import is_newer, read_newer
from dr_core.data.fundus.png import read_png
from dr_core.data.fundus.tiff import read_tiff
from dr_core.errors import InputError
from dr_core.files import read_regular

_UNSUPPORTED_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"RIFF", "a sound or a video"),
    (4, b"ftyp", "a video, or a picture of a rare kind"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
)
"""Offset, bytes and name of formats that are often taken for a photograph that can be read."""


KINDS = "JPEG, PNG, TIFF, DICOM, HEIC, AVIF, WebP, JPEG 2000 or BMP"
"""Formats that are read, for people."""


@dataclass(frozen=True, kw_only=True)
class FundusFile:
    """A photograph, and what was understood of its file.

    Attributes:
        image: Uint8 (H, W, 3), RGB, in [0, 255].
        notes: A sentence for each choice that was made, such as which page of a TIFF was read.
    """

    image: npt.NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def read_fundus(source: str | Path | bytes, *, longest_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Read one photograph as its camera showed it.

    EXIF orientation is applied; other metadata, tags about the patient and color profiles are never read. 16-bit
    samples are scaled to 8 bits, CMYK, gray and palette pictures become RGB, transparency is composited on black, and
    of an animation or a DICOM file of many frames the first picture is taken, of a TIFF the largest. The content
    decides on the format, not the file's name. What a file may cost is bounded (`dr_core.data.fundus.budget`).

    Args:
        source: Path of a file of one of `KINDS`, or its bytes.
        longest_side: When given, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where the result's longest side
            stays at or above this many pixels (up to 5 times as fast). Other formats come at full size.

    Returns:
        uint8 (H, W, 3), RGB, in [0, 255].

    Raises:
        InputError: The source is missing, empty, no supported format, damaged, cut off, too small or too large.
    """
    return open_fundus(source, longest_side=longest_side).image


def open_fundus(source: str | Path | bytes, *, longest_side: int | None = None) -> FundusFile:
    """Read one photograph as `read_fundus` does, with a note of each choice that its file left."""
    name, data = _load_bytes(source)
    if data[128:132] == b"DICM":  # asked first: some DICOM files start as another format, too
        return _open_apart(name, data)
    if data[:3] == b"\xff\xd8\xff":
        notes: list[str] = []
        image = read_jpeg(name, data, longest_side, notes=notes)
        return FundusFile(image=np.ascontiguousarray(image), notes=tuple(notes))
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return FundusFile(image=np.ascontiguousarray(read_png(name, data)))
    if _is_tiff(data) or is_newer(data):
        return _open_apart(name, data)
    raise InputError(
        f"{name} must be a {KINDS} file, not {_describe(data)}; "
        "choose the photograph itself, or save it as JPEG, PNG or TIFF."
    )


def _open_apart(name: str, data: bytes) -> FundusFile:
    decoded = decode_apart(decode_photograph, name, data)
    return FundusFile(image=decoded.arrays[0], notes=decoded.notes)


def decode_photograph(name: str, data: bytes) -> Decoded:
    """Decode, in this process, a photograph of a format whose headers do not bound what it takes.

    Args:
        name: What to call it in messages.
        data: A DICOM, TIFF, HEIC, AVIF, WebP, JPEG 2000 or BMP file.

    Returns:
        Uint8 (H, W, 3) RGB, and a note of each choice that the file left.

    Raises:
        InputError: As `read_fundus`.
    """
    notes: list[str] = []
    if data[128:132] == b"DICM":
        from dr_core.data.fundus.dicom import read_dicom  # pydicom takes 0.3 s to import, and few files need it

        image = read_dicom(name, data, notes)
    else:
        image = read_tiff(name, data, notes) if _is_tiff(data) else read_newer(name, data)
    return Decoded(arrays=(np.ascontiguousarray(image),), notes=tuple(notes))


def _is_tiff(data: bytes) -> bool:
    return data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def find_shape(path: Path) -> tuple[int, int]:
    """Height and width of an upright photograph; of a JPEG from its header alone.

    Raises:
        InputError: As `read_fundus`.
    """
    name, data = _load_bytes(path)
    if data[:3] != b"\xff\xd8\xff":
        height, width, _ = read_fundus(data).shape
        return height, width
    try:
        jpeg = strip_jpeg(data)
    except CUT_OFF:
        raise damaged(name) from None
    return (jpeg.width, jpeg.height) if jpeg.orientation >= 5 else (jpeg.height, jpeg.width)


def _load_bytes(source: str | Path | bytes) -> tuple[str, bytes]:
    """Give the name to use in messages, and the bytes."""
    if isinstance(source, bytes):
        name, data = "The photograph", source
    else:
        path = Path(source)
        name = f"`{path}`"
        if path.is_dir():
            raise InputError(f"{name} must be one photograph, not a folder; name a file in it.")
        data = read_regular(path, MAX_BYTES, name)
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
