"""What one photograph may cost to read: checked from its header, before a pixel is decoded.

A file of a megabyte can ask for gigabytes of memory or minutes of time. Each limit stands well beyond what a camera
writes; together they keep a reading below 1 GiB of memory and a few seconds.
"""

import struct
import zlib

from PIL import Image

from dr_core.errors import InputError

MAX_PIXELS = 100_000_000
"""Pixel budget of one photograph; twice the largest fundus camera, and 300 MB once decoded."""

MAX_DEEP_PIXELS = 40_000_000
"""Pixel budget where a pixel takes more than three bytes (16 bits, four inks) or far more time (JPEG 2000)."""

MAX_SIDE = 30_000
"""Longest side; decoders keep whole rows, and a picture of 64 rows is never read strip by strip."""

MAX_BYTES = 256 * 2**20
"""File size budget of one photograph."""

MIN_SIDE = 32
"""Fewest pixels on a side; below that nothing of an eye is left."""

MAX_SCANS, MAX_SCANNED_PIXELS = 200, 2_000_000_000
"""Scans of one JPEG, and pixels times scans: each scan of a progressive JPEG walks over all pixels, and takes ten
bytes to ask for. Encoders write about ten."""

MAX_PARTS = 100_000
"""Segments, chunks, tags or fragments of one file: each is an iteration of a slow loop and can be empty."""

MAX_FRAMES = 1_000
"""Frames of one file, of which the first is read."""

CUT_OFF = (struct.error, ValueError, IndexError)
"""What our own walks over the headers of a file raise on one that is damaged or ends too early."""

DECODER_DEFECTS = (
    *(OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError),
    *(AttributeError, struct.error, zlib.error, Image.DecompressionBombError, UserWarning),
)
"""What decoders raise on damaged bytes; a UserWarning only where warnings are made errors. A want of memory is none of
them. Pillow's file classes are used directly, not through `Image.open`: no other format can slip in, and its pixel
limit, a setting of the whole process, stays as it is."""


def check_size(name: str, width: int, height: int, *, deep: bool = False) -> None:
    """Refuse a picture by its header.

    Args:
        name: What to call it in messages.
        width: In pixels.
        height: In pixels.
        deep: Whether the smaller budget `MAX_DEEP_PIXELS` holds.

    Raises:
        InputError: It has too many or too few pixels.
    """
    budget = MAX_DEEP_PIXELS if deep else MAX_PIXELS
    if width * height > budget:
        kind = " of 16 bits, of four inks or as JPEG 2000" if deep else ""
        remedy = "save it as a JPEG of 8 bits" if deep and width * height <= MAX_PIXELS else "make it smaller"
        raise InputError(
            f"{name} must have at most {budget // 10**6} million pixels{kind}, not {width} x {height}; {remedy}."
        )
    if max(width, height) > MAX_SIDE:
        raise InputError(f"{name} must have at most {MAX_SIDE} pixels on a side, not {width} x {height}; crop it.")
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name} must have at least {MIN_SIDE} x {MIN_SIDE} pixels, not {width} x {height}; "
            "use the camera's original."
        )


def damaged(name: str) -> InputError:
    """What is said of a file that cannot be decoded."""
    return InputError(f"{name} is damaged or cut off and cannot be decoded; copy or upload the original again.")
