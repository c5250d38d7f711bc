"""Masks as programs write them: each marks the same lesion, whatever its values are."""

import io

import numpy as np
from PIL import Image

SHAPE = (64, 96)
LESION = np.zeros(SHAPE, bool)
LESION[20:30, 40:52] = True


def encode(picture, kind="PNG", **options):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def masks_of(lesion):
    """Name -> file, of the same lesion, bool (H, W)."""

    def two(off, on, dtype=np.uint8):
        return np.where(lesion, on, off).astype(dtype)

    def colored(off, on):
        return Image.fromarray(np.where(lesion[..., None], on, off).astype(np.uint8))

    plain = [(0, 1), (0, 255), (1, 2), (128, 255), (255, 0), (254, 255)]
    return {
        **{f"{off} and {on}": encode(two(off, on)) for off, on in plain},
        "bits": encode(Image.fromarray(lesion)),
        "inverted bits": encode(Image.fromarray(~lesion)),
        "16 bits": encode(two(0, 65535, np.uint16)),
        "16 bits, 1": encode(two(0, 1, np.uint16)),
        "red on white": encode(colored((255, 255, 255), (255, 0, 0))),
        "green on black": encode(colored((0, 0, 0), (0, 200, 0))),
        "alpha on white": encode(colored((255, 255, 255, 0), (255, 255, 255, 255))),
        "red, opaque on transparent": encode(colored((0, 0, 0, 0), (255, 0, 0, 255))),
        "red on opaque white": encode(colored((255, 255, 255, 255), (255, 0, 0, 255))),
        "tiff": encode(two(0, 255), "TIFF"),
        "inverted tiff": encode(two(255, 0), "TIFF"),
        "an inverted palette": encode(inverted_palette(lesion)),
    }


def inverted_palette(lesion):
    """Number 0 is shown white, and 1 black."""
    picture = Image.fromarray((~lesion).astype(np.uint8))
    picture.putpalette([255, 255, 255, 0, 0, 0])
    return picture


def refused_masks_of(lesion):
    """Name -> file that could mean two things, or no lesion."""
    kinds = np.where(lesion, 1, 0).astype(np.uint8)
    kinds[5:15, 5:15] = 2
    halves = np.where(np.arange(lesion.shape[1]) < lesion.shape[1] // 3, 0, 255).astype(np.uint8)
    return {
        "one value": encode(np.full(lesion.shape, 255, np.uint8)),
        "two halves": encode(halves[None].repeat(lesion.shape[0], 0)),
        "labels": encode(kinds),
        "text": b"no picture",
    }


MASKS = masks_of(LESION)
