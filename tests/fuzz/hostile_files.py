"""Hostile files for the readers: small valid ones of every kind, damaged in ways that reach deep into a decoder."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from unittest.mock import patch

import cv2
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from dr_core.data.fundus import read_fundus, reading
from dr_core.data.intake import lesion_mask
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.errors import InputError

SHAPE = (48, 64)

OPHTHALMIC_PHOTOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.1"

NATIVE, JPEG, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def draw_picture() -> np.ndarray:
    """A picture with some structure, uint8 (48, 64, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def encode(picture: np.ndarray, kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Write a file with Pillow."""
    file = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(file, kind, **options)
    return file.getvalue()


def encode_dicom(pixels: bytes, syntax: str, picture: np.ndarray, frames: int = 1, **tags: object) -> bytes:
    """Write a DICOM photograph of 8 or 16 bits.

    Args:
        pixels: Content of PixelData.
        syntax: UID of the transfer syntax.
        picture: Gives rows, columns, samples and bits.
        frames: Number of frames.
        tags: Further tags by keyword.
    """
    content = Dataset()
    content.SOPClassUID, content.SOPInstanceUID = OPHTHALMIC_PHOTOGRAPHY, "1.2.3"
    content.PatientName, content.PatientID, content.PatientBirthDate = "Muster^Erika", "4711-SECRET", "19580214"
    content.Rows, content.Columns = picture.shape[:2]
    content.SamplesPerPixel = 1 if picture.ndim == 2 else 3
    content.PhotometricInterpretation = "MONOCHROME2" if picture.ndim == 2 else "RGB"
    content.PlanarConfiguration, content.PixelRepresentation = 0, 0
    content.BitsAllocated = content.BitsStored = 8 * picture.itemsize
    content.HighBit, content.NumberOfFrames = content.BitsStored - 1, frames
    for keyword, value in tags.items():
        setattr(content, keyword, value)
    content.PixelData = pixels
    content["PixelData"].VR = "OW" if picture.itemsize == 2 else "OB"
    content["PixelData"].is_undefined_length = syntax not in (NATIVE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = syntax
    content.file_meta.MediaStorageSOPClassUID, content.file_meta.MediaStorageSOPInstanceUID = (
        content.SOPClassUID,
        "1.2.3",
    )
    file = io.BytesIO()
    content.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _tiff(samples: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def seeds() -> dict[str, list[bytes]]:
    """Valid files by the reader that is fed with them."""
    picture = draw_picture()
    deep, gray = picture.astype(np.uint16) * 257, picture[..., 0]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    palette = {"palette": Image.Palette.ADAPTIVE}
    jpegs = [
        encode(picture, "JPEG", exif=exif),
        encode(picture, "JPEG", progressive=True),
        encode(picture, "JPEG", "CMYK"),
        encode(picture, "JPEG", "L", restart_marker_blocks=2),
    ]
    pngs = [
        encode(picture, "PNG", exif=exif),
        encode(picture, "PNG", "RGBA"),
        encode(picture, "PNG", "P"),
        encode(picture, "PNG", "1"),
        cv2.imencode(".png", deep)[1].tobytes(),
        encode(picture, "PNG", save_all=True, append_images=[Image.fromarray(255 - picture)]),
    ]
    tiffs = [
        encode(picture, "TIFF", tiffinfo={274: 6}),
        *(encode(picture, "TIFF", compression=way) for way in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        encode(picture, "TIFF", "1", compression="group4"),
        _tiff(deep),
        _tiff(deep, tile=(16, 16), compression="zlib"),
        _tiff(picture, bigtiff=True),
    ]
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG2000")
    dicoms = [
        encode_dicom(picture.tobytes(), NATIVE, picture),
        encode_dicom(deep[..., 0].tobytes(), NATIVE, deep[..., 0]),
        encode_dicom(encapsulate([jpegs[0]]), JPEG, picture, PhotometricInterpretation="YBR_FULL_422"),
        encode_dicom(encapsulate([jpegs[0], jpegs[1]]), JPEG, picture, 2, PhotometricInterpretation="YBR_FULL_422"),
        encode_dicom(encapsulate([stream.getvalue()]), JPEG_2000, picture),
    ]
    mask = (gray > 127).astype(np.uint8) * 255
    masks = [
        encode(mask, "TIFF", "1"),
        encode(mask, "TIFF", "P", **palette),
        encode(mask, "PNG", "1"),
        encode(picture, "PNG", "RGBA"),
        _tiff(mask.astype(np.int32)),
    ]
    return {"jpeg": jpegs, "png": pngs, "tiff": tiffs, "dicom": dicoms, "mask": masks}


@contextmanager
def decoding_here() -> Iterator[None]:
    """Run every decoder in this process: what it raises, takes and breaks is seen."""

    def decode(decoder: Callable[..., object], name: str, data: bytes, **options: object) -> object:
        return decoder(name, data, **options)

    with patch.object(reading, "decode_apart", decode), patch.object(lesion_mask, "decode_apart", decode):
        yield


def _read_photograph(data: bytes) -> None:
    with decoding_here():
        read_fundus(data)


def _read_masks(data: bytes) -> None:
    for shape in (SHAPE, None):
        with decoding_here(), suppress(InputError):
            decode_mask("m", data, shape)


READERS: dict[str, Callable[[bytes], object]] = {
    **dict.fromkeys(("jpeg", "png", "tiff", "dicom"), _read_photograph),
    "mask": _read_masks,
}
"""What each kind is fed to."""

_NASTY = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 9999, 10_000, 31_000, 65_535)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Damage a file: bytes, numbers, lengths, order, joints; checksums of a PNG are made right again."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not result:
            break
        rng.choice(_DAMAGES)(result, rng)
    fixed = bytes(result)
    return _fix_checksums(fixed) if fixed[:4] == b"\x89PNG" and rng.random() < 0.8 else fixed


def _place(data: bytearray, rng: random.Random) -> int:
    """Mostly near the header, where the numbers are."""
    return rng.randrange(min(len(data), rng.choice((32, 200, 700, len(data)))))


def _set_byte(data: bytearray, rng: random.Random) -> None:
    data[_place(data, rng)] = rng.randrange(256)


def _flip_bit(data: bytearray, rng: random.Random) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _set_number(data: bytearray, rng: random.Random) -> None:
    place, value = _place(data, rng), rng.choice(_NASTY)
    form = rng.choice(("<H", ">H", "<I", ">I"))
    number = struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    data[place : place + len(number)] = number


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.randrange(1, 40)]


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    part = data[start : start + rng.randrange(1, 200)]
    data[start:start] = part * rng.choice((1, 2, 50))


def _move(data: bytearray, rng: random.Random) -> None:
    source, target = _place(data, rng), _place(data, rng)
    data[target : target + 16] = data[source : source + 16]


def _append(data: bytearray, rng: random.Random) -> None:
    data += rng.choice((b"PK\x03\x04", b"\xff\xd8\xff", b"<script>", b"\xff\xd9", bytes(64))) * rng.randrange(1, 4)


_DAMAGES = (_set_byte, _set_byte, _flip_bit, _set_number, _set_number, _cut, _remove, _repeat, _move, _append)


def _fix_checksums(data: bytes) -> bytes:
    """Otherwise every damaged PNG is refused at its first checksum."""
    parts, position = [data[:8]], 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        body = data[position + 4 : position + 8 + length]
        parts += [data[position : position + 4], body, struct.pack(">I", zlib.crc32(body))]
        position += 12 + length
    return b"".join([*parts, data[position:]])


def make_input(kind: str, number: int, files: dict[str, list[bytes]]) -> bytes:
    """The hostile file of this number; the same number gives the same bytes."""
    rng = random.Random(f"{kind}-{number}")
    return damage(rng.choice(files[kind]), rng)
