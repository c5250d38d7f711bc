"""Photographs as they come: whole ones in every kind that is read, and damaged ones that must not be answered.

Each member is a file with one right outcome, whichever way it comes in: the picture, or a sentence.
"""

import io
import struct
import zlib
from dataclasses import dataclass, field

import cv2
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from dr_core.data.phantom import draw_phantom
from tests.fuzz.hostile_files import JPEG, JPEG_2000, NATIVE, encode_dicom

EYE = draw_phantom(3, 96, 1).image
GRAY = cv2.cvtColor(EYE, cv2.COLOR_RGB2GRAY)
IN_GRAY = np.repeat(GRAY[..., None], 3, axis=2)
YBR = cv2.cvtColor(EYE, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
SUFFIXES = {"BMP": "bmp", "WEBP": "webp", "AVIF": "avif", "JPEG2000": "jp2"}
FULL_QUALITY = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}, "JPEG2000": {}}
JPEG_LOSSLESS, JPEG_LOSSLESS_1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"


@dataclass(frozen=True)
class Member:
    """A file, and what must come of it.

    Attributes:
        name: File name.
        data: Its content.
        picture: Uint8 (H, W, 3) that must come; None where it must be refused.
        within: Mean difference of a level up to which it is that picture; 0 where it is exactly that.
        sentence: What the refusal, or the note, must speak of.
    """

    name: str
    data: bytes = field(repr=False)
    picture: np.ndarray | None = field(default=None, repr=False)
    within: float = 0.0
    sentence: str = ""


def encode(picture, kind, **options):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def png_16(samples, significant=0):
    """A PNG of 16 bits a sample, with a chunk sBIT that says how many of them count."""
    data = cv2.imencode(".png", np.ascontiguousarray(samples[..., ::-1]))[1].tobytes()
    chunk = b"sBIT" + bytes([significant] * 3)
    extra = struct.pack(">I", 3) + chunk + struct.pack(">I", zlib.crc32(chunk)) if significant else b""
    return data[:33] + extra + data[33:]


def lossless_jpeg(gray):
    """A lossless JPEG (SOF3) of one component, a sample predicted by its left neighbor. Source: ITU-T T.81, annex H."""
    height, width = gray.shape
    signed = gray.astype(int)
    predicted = np.empty_like(signed)
    predicted[:, 1:], predicted[1:, 0], predicted[0, 0] = signed[:, :-1], signed[:-1, 0], 128
    bits = []
    for difference in (signed - predicted).ravel():
        size = int(abs(difference)).bit_length()
        bits.append(f"{size:04b}")
        if size:
            bits.append(f"{difference if difference > 0 else difference + 2**size - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes([0]) + bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))
    return b"".join(
        [
            b"\xff\xd8\xff\xc3\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00",
            b"\xff\xc4" + struct.pack(">H", len(table) + 2) + table,
            b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00" + scan + b"\xff\xd9",
        ]
    )


def scan_of(data):
    """Where the coded pixels of a JPEG begin and end."""
    return data.index(b"\xff\xda") + 14, len(data) - 2


def zero(data, share, count=700):
    start, end = scan_of(data)
    place = start + int(share * (end - start - count))
    return data[:place] + bytes(count) + data[place + count :]


def cut_and_close(data, share):
    start, end = scan_of(data)
    return data[: start + int(share * (end - start))] + b"\xff\xd9"


def without_app0(data):
    """A JPEG without the header JFIF, by which it says that it is YCbCr."""
    length = struct.unpack_from(">H", data, 4)[0]
    return data[:2] + data[4 + length :] if data[2:4] == b"\xff\xe0" else data


def _whole():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(EYE, 1)  # as the sensor stores it; orientation 6 turns it back
    small, big = Image.fromarray(EYE).resize((48, 48)), Image.fromarray(EYE)
    palette = big.quantize(200)
    deep = EYE.astype(np.uint16)
    lossy = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}, "AVIF": {"quality": 95}}
    yield from (Member(f"lossy.{kind.lower()}", encode(EYE, kind, **how), EYE, 4) for kind, how in lossy.items())
    jpeg = lossy["JPEG"]
    yield Member("progressive.jpg", encode(EYE, "JPEG", progressive=True, **jpeg), EYE, 4)
    yield Member("restarts.jpg", encode(EYE, "JPEG", restart_marker_rows=1, **jpeg), EYE, 4)
    heavy = [
        (10, "heavily compressed (JPEG of quality"),
        (25, "heavily compressed (JPEG of quality 25 of 100)"),
        (40, ""),
    ]
    for quality, sentence in heavy:
        yield Member(f"quality_{quality}.jpg", encode(EYE, "JPEG", quality=quality), EYE, 12, sentence)
    yield Member("gray.jpg", encode(GRAY, "JPEG", quality=95), IN_GRAY, 2)
    yield Member("inks.jpg", encode(big.convert("CMYK"), "JPEG", quality=95), EYE, 4)
    yield Member("turned.jpg", encode(turned, "JPEG", exif=exif, **jpeg), EYE, 4)
    yield Member("trailer.jpg", encode(EYE, "JPEG", **jpeg) + b"SEFT" * 99, EYE, 4)
    yield Member("second.jpg", 2 * encode(EYE, "JPEG", **jpeg), EYE, 4)
    yield Member("named_png.png", encode(EYE, "JPEG", **jpeg), EYE, 4)
    yield Member("plain.png", encode(EYE, "PNG"), EYE)
    yield Member("turned.png", encode(turned, "PNG", exif=exif), EYE)
    yield Member("opaque.png", encode(big.convert("RGBA"), "PNG"), EYE)
    yield Member("palette.png", encode(palette, "PNG"), np.asarray(palette.convert("RGB")))
    yield Member("gray.png", encode(GRAY, "PNG"), IN_GRAY)
    yield Member("deep.png", png_16(deep * 257), EYE)
    yield Member("12_bits.png", png_16(deep * 16, 12), EYE, 1)
    yield Member("12_bits_scaled.png", png_16(deep * 257, 12), EYE, 1)
    yield Member("10_bits.png", png_16(deep * 4, 10), EYE, 1)
    for way in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield Member(f"{way}.tif", encode(EYE, "TIFF", compression=way), EYE)
    yield Member("jpeg.tif", encode(EYE, "TIFF", compression="jpeg", quality=95), EYE, 5)
    yield Member("big.tif", tiff(EYE, bigtiff=True), EYE)
    yield Member("deep.tif", tiff(deep * 257), EYE)
    pages = encode(small, "TIFF", save_all=True, append_images=[big])
    yield Member("thumbnail_first.tif", pages, EYE, sentence="Of the 2 pictures in this TIFF the largest, number 2")
    yield Member("plain.bmp", encode(EYE, "BMP"), EYE)
    yield Member("lossless.webp", encode(EYE, "WEBP", lossless=True), EYE)
    yield Member("plain.jp2", encode(EYE, "JPEG2000"), EYE)
    yield Member("no_transform.jp2", encode(EYE, "JPEG2000", mct=0), EYE)


def dicom(pixels, syntax=NATIVE, picture=EYE, **tags):
    data = pixels.tobytes() if isinstance(pixels, np.ndarray) else encapsulate([pixels])
    return encode_dicom(data, syntax, picture, **tags)


def _window(center, width):
    """Gray through a linear window of DICOM. Source: PS3.3 C.11.2.1.2.1."""
    levels = GRAY.astype(np.float64) * 16
    shown = np.clip(((levels - (center - 0.5)) / (width - 1) + 0.5) * 4095, 0, 4095)
    shown[levels <= center - 0.5 - (width - 1) / 2] = 0
    shown[levels > center - 0.5 + (width - 1) / 2] = 4095
    return np.repeat(np.rint(shown * 255 / 4095).astype(np.uint8)[..., None], 3, axis=2)


def _table():
    """A VOI table that shows gray as its square, 256 values of 8 bits."""
    values = (np.arange(256) ** 2 // 255).astype(np.uint16)
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [256, 0, 8], values.tolist()
    for keyword in ("LUTDescriptor", "LUTData"):
        item[keyword].VR = "US"
    return values, [item]


def _dicoms():
    halved = YBR.copy()
    halved[:, :, 1:] = np.repeat(YBR[:, ::2, 1:], 2, axis=1)
    pairs = np.concatenate([YBR[:, ::2, :1], YBR[:, 1::2, :1], YBR[:, ::2, 1:]], axis=2)
    expected = cv2.cvtColor(np.ascontiguousarray(halved[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
    twelve = (GRAY.astype(np.uint16) * 16, {"BitsStored": 12, "HighBit": 11})
    values, table = _table()
    jpeg_420, jpeg_444 = encode(EYE, "JPEG", quality=95), encode(EYE, "JPEG", quality=95, subsampling=0)
    through_420 = np.asarray(Image.open(io.BytesIO(jpeg_420)))
    plain = [
        ("rgb", dicom(EYE), EYE, 0),
        ("planar", dicom(np.moveaxis(EYE, 2, 0).copy(), PlanarConfiguration=1), EYE, 0),
        ("ybr", dicom(YBR, PhotometricInterpretation="YBR_FULL"), EYE, 2),
        ("ybr_422", dicom(pairs, PhotometricInterpretation="YBR_FULL_422"), expected, 1),
        ("ybr_called_rgb", dicom(YBR, PhotometricInterpretation="RGB"), EYE, 2),
        ("rgb_called_ybr", dicom(EYE, PhotometricInterpretation="YBR_FULL"), EYE, 0),
        ("gray", dicom(GRAY, picture=GRAY), IN_GRAY, 0),
        ("monochrome1", dicom(255 - GRAY, picture=GRAY, PhotometricInterpretation="MONOCHROME1"), IN_GRAY, 0),
        ("inverse", dicom(255 - GRAY, picture=GRAY, PresentationLUTShape="INVERSE"), IN_GRAY, 0),
        ("12_bits", dicom(twelve[0], picture=twelve[0], **twelve[1]), IN_GRAY, 1),
        (
            "window",
            dicom(twelve[0], picture=twelve[0], WindowCenter="1500", WindowWidth="2000", **twelve[1]),
            _window(1500, 2000),
            1,
        ),
        ("voi_table", dicom(GRAY, picture=GRAY, VOILUTSequence=table), values[IN_GRAY].astype(np.uint8), 1),
        ("falling", dicom(255 - GRAY, picture=GRAY, RescaleSlope="-1", RescaleIntercept="255"), IN_GRAY, 1),
        ("jpeg_420_called_rgb", dicom(jpeg_420, JPEG), through_420, 1),
        ("jpeg_420_bare", dicom(without_app0(jpeg_420), JPEG), through_420, 1),
        ("jpeg_444_bare", dicom(without_app0(jpeg_444), JPEG, PhotometricInterpretation="YBR_FULL_422"), EYE, 4),
        ("jpeg_444_bare_called_rgb", dicom(without_app0(jpeg_444), JPEG), EYE, 4),
        ("jpeg_gray", dicom(encode(GRAY, "JPEG", quality=95), JPEG, GRAY), IN_GRAY, 2),
        ("lossless_57", dicom(lossless_jpeg(GRAY), JPEG_LOSSLESS, GRAY), IN_GRAY, 0),
        ("lossless_70", dicom(lossless_jpeg(GRAY), JPEG_LOSSLESS_1, GRAY), IN_GRAY, 0),
    ]
    for label in ("RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL", "YBR_FULL_422"):
        for name, options in (("transformed", {"mct": 1}), ("plain", {"mct": 0})):
            data = dicom(encode(EYE, "JPEG2000", **options), JPEG_2000, PhotometricInterpretation=label)
            plain.append((f"jpeg_2000_{name}_called_{label}", data, EYE, 0))
    stored = encode(YBR, "JPEG2000", mct=0)
    plain.append(("jpeg_2000_ybr", dicom(stored, JPEG_2000, PhotometricInterpretation="YBR_FULL"), EYE, 2))
    yield from (Member(f"{name}.dcm", data, picture, within) for name, data, picture, within in plain)


def _damaged():
    ways = {
        "baseline": {},
        "progressive": {"progressive": True},
        "420": {"subsampling": 2},
        "restarts": {"restart_marker_rows": 1},
    }
    for name, options in ways.items():
        data = encode(EYE, "JPEG", quality=97, **options)
        yield Member(f"{name}_zeroed.jpg", zero(data, 0.5), sentence="damaged")
        yield Member(f"{name}_half.jpg", cut_and_close(data, 0.5), sentence="damaged")
    jpeg = encode(EYE, "JPEG", quality=97)
    yield Member("zeroed_early.jpg", zero(jpeg, 0.0), sentence="damaged")
    yield Member("zeroed_late.jpg", zero(jpeg, 1.0), sentence="damaged")
    yield Member("no_end.jpg", jpeg[:-2], sentence="damaged")
    yield Member("header_alone.jpg", jpeg[: scan_of(jpeg)[0]], sentence="damaged")
    layered = encode(EYE, "JPEG", quality=97, progressive=True)
    last = layered.rindex(b"\xff\xda")
    yield Member("last_scan_missing.jpg", layered[:last] + b"\xff\xd9", sentence="damaged")
    png = encode(EYE, "PNG")
    yield Member("cut.png", png[: len(png) // 2], sentence="damaged")
    yield Member("bit.png", png[:900] + bytes([png[900] ^ 1]) + png[901:], sentence="damaged")
    for way in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
        data = encode(EYE, "TIFF", compression=way)
        yield Member(f"cut_{way}.tif", data[: len(data) // 2], sentence="damaged")
    deflated = encode(EYE, "TIFF", compression="tiff_adobe_deflate")
    yield Member("bit.tif", deflated[:900] + bytes([deflated[900] ^ 1]) + deflated[901:], sentence="damaged")
    for kind in ("BMP", "WEBP", "AVIF", "JPEG2000"):
        data = encode(EYE, kind)
        yield Member(f"cut.{SUFFIXES[kind]}", data[: len(data) // 2], sentence="damaged")
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    for kind in ("WEBP", "AVIF", "JPEG2000"):  # a lost sector of a disk
        data = encode(noise, kind, **FULL_QUALITY[kind])
        yield Member(f"sector.{SUFFIXES[kind]}", data[:600] + bytes(4096) + data[4696:], sentence="damaged")
    yield Member("cut.dcm", dicom(EYE)[:-9000], sentence="damaged")
    yield Member("zeroed.dcm", dicom(zero(jpeg, 0.5), JPEG), sentence="damaged")
    yield Member("half.dcm", dicom(cut_and_close(jpeg, 0.5), JPEG), sentence="damaged")
    yield Member(
        "dark_16_bits.png", png_16(EYE.astype(np.uint16) * 4), sentence="it may be nearly black, or of 10 bits"
    )
    yield Member("empty.jpg", b"", sentence="is empty")
    yield Member("text.jpg", b"name,grade\n", sentence="not a text file")
    yield Member("page.jpg", b"%PDF-1.7 ...", sentence="not a PDF document")
    yield Member("animation.png", encode(EYE, "GIF"), sentence="not a GIF picture")
    yield Member("tiny.png", encode(EYE[:20, :20], "PNG"), sentence="at least 32 x 32 pixels")
    no_photograph = dicom(EYE, SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    yield Member("ct.dcm", no_photograph, sentence="holds no photograph")


MEMBERS = [*_whole(), *_dicoms(), *_damaged()]
