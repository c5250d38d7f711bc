"""Pictures that are the same, or look alike: digests of pixels and perceptual hashes of prepared eyes."""

import hashlib

import numpy as np
from PIL import Image

_SIDE = 16
"""Bits of a hash along each side: 256 in all, as four words of 64."""

NEAR = 8
"""Bits, of 256, by which the hashes of two pictures differ at most that look alike.

Measured on 72 eyes of IDRiD and of healthy retinas at 224 pixels: a photograph made smaller and written as a JPEG of
quality 70 differs from itself by 3 bits (median) and at most 11; two photographs of different eyes by 14 at least, and
by 24 in all but one pair of a hundred.
"""

_BLOCK = 2048


def digest_pictures(images: np.ndarray) -> list[str]:
    """SHA-256 of the pixels of each image.

    Args:
        images: Uint8 (N, 3, S, S).

    Returns:
        N texts of 16 hexadecimal digits.
    """
    return [hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()[:16] for image in images]


def hash_pictures(images: np.ndarray) -> np.ndarray:
    """Perceptual hash of each image: whether brightness rises from each of 16 x 17 fields to its right neighbor.

    Args:
        images: Uint8 (N, 3, S, S) RGB.

    Returns:
        Uint64 (N, 4), 256 bits an image.

    Source: The difference hash, Krawetz 2013, "Kind of like that"; with 256 bits in place of 64, since fundus
        photographs are alike in their large shapes.
    """
    bits = np.empty((len(images), _SIDE * _SIDE), bool)
    for number, image in enumerate(images):
        gray = Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1))).convert("L")
        fields = np.asarray(gray.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX))
        bits[number] = (fields[:, 1:] > fields[:, :-1]).ravel()
    packed: np.ndarray = np.packbits(bits, axis=1).view(np.uint64)
    return packed


def find_near(first: np.ndarray, second: np.ndarray, most: int = NEAR) -> list[tuple[int, int]]:
    """Find all pairs of pictures whose hashes differ by few bits.

    Args:
        first: Uint64 (N, 4), as `hash_pictures` gives them.
        second: Uint64 (M, 4).
        most: Bits by which they may differ.

    Returns:
        Row numbers in `first` and in `second`, by row.
    """
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(first), _BLOCK):
        for other in range(0, len(second), _BLOCK):
            block, against = first[start : start + _BLOCK], second[other : other + _BLOCK]
            distance = np.zeros((len(block), len(against)), np.uint16)
            for word in range(block.shape[1]):
                distance += np.bitwise_count(block[:, word, None] ^ against[None, :, word])
            rows, columns = np.nonzero(distance <= most)
            pairs += [(start + int(row), other + int(column)) for row, column in zip(rows, columns, strict=True)]
    return sorted(pairs)
