"""Reading photographs of any common kind, and writing them for a screen."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageOps, UnidentifiedImageError

from dr_core.errors import InputError

MAX_PIXELS = 100_000_000
"""Most pixels that are decoded: twice the largest fundus cameras, 300 MB as RGB."""

MIN_SIDE = 32
"""Fewest pixels on a side in which an eye can be told."""

_FORMATS = ("JPEG", "PNG", "TIFF")


def read_fundus(source: str | Path | bytes, *, longest_side: int | None = None) -> np.ndarray:
    """Read a photograph.

    JPEG, PNG and TIFF, of 8 or 16 bits, gray, RGB, CMYK, palette or with transparency (laid on black), are read; of an
    animation or a stack the first frame. The orientation in EXIF is honored, the rest of EXIF ignored.

    Args:
        source: A file, or its content.
        longest_side: If given, a JPEG may be decoded at a reduced scale, which the decoder does for less, as long as
            its longest side keeps at least this many pixels.

    Returns:
        Uint8 (H, W, 3) RGB.

    Raises:
        InputError: If the file is missing, is no such image, is cut off, has fewer than `MIN_SIDE` pixels on a side or
            more than `MAX_PIXELS` in all.
    """
    name, content = _load(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images and odd EXIF; the sizes are checked here
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                _check_size(name, *image.size)
                return np.ascontiguousarray(_decode(name, image, content, longest_side))
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a JPEG, PNG or TIFF image; export the photograph as one of these.") from error
    except (OSError, SyntaxError, ValueError, EOFError, tifffile.TiffFileError) as error:
        raise InputError(f"{name} is damaged or cut off ({error}); copy or export it again.") from error


def _load(source: str | Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        name, content = "The file", source
    else:
        path = Path(source)
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        name, content = path.name, path.read_bytes()
    if not content:
        raise InputError(f"{name} is empty; copy or export it again.")
    return name, content


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width} x {height} pixels, more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller."
        )
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} has {width} x {height} pixels; an eye needs at least {MIN_SIDE} on each side.")


def _decode(name: str, image: Image.Image, content: bytes, longest_side: int | None) -> np.ndarray:
    if image.format in ("JPEG", "MPO") and longest_side is not None:
        scale = longest_side / max(image.size)
        image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
    elif image.format == "TIFF" and image.mode not in ("L", "RGB", "RGBA", "P", "1", "CMYK"):
        return _decode_deep_tiff(name, content)
    elif image.format == "PNG" and image.mode.startswith("I"):
        image.load()
        return _gray_to_rgb(np.asarray(image), 65535)
    image = ImageOps.exif_transpose(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.asarray(image.convert("RGB"))


def _decode_deep_tiff(name: str, content: bytes) -> np.ndarray:
    """TIFFs of more than 8 bits, which Pillow reads in part or not at all."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages.first
        pixels = page.asarray()
        bits = int(page.bitspersample)
    largest: float
    if pixels.dtype == np.uint8:
        largest = 255
    elif pixels.dtype.kind in "ui":
        largest = 2**bits - 1
    else:
        largest = float(pixels.max()) or 1.0
    if pixels.ndim == 2:
        return _gray_to_rgb(pixels, largest)
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        return _to_8_bits(pixels[:, :, :3], largest)
    raise InputError(f"{name} holds an array of shape {pixels.shape}, not a photograph.")


def _to_8_bits(pixels: np.ndarray, largest: float) -> np.ndarray:
    return np.clip(pixels * (255.0 / largest) + 0.5, 0, 255).astype(np.uint8)


def _gray_to_rgb(pixels: np.ndarray, largest: float) -> np.ndarray:
    return np.repeat(_to_8_bits(pixels, largest)[:, :, None], 3, axis=2)


def encode_jpeg(image: np.ndarray, longest_side: int, quality: int = 88) -> bytes:
    """Write a photograph as JPEG for a screen.

    Args:
        image: Uint8 (H, W, 3) RGB.
        longest_side: The image is made smaller where its longest side is longer than this.
        quality: JPEG quality.

    Returns:
        The file's content.
    """
    scale = longest_side / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, buffer = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the image could not be encoded")
    return buffer.tobytes()
