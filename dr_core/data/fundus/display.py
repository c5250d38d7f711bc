"""Photographs for people to look at."""

import cv2
import numpy as np

from dr_core.data.fundus.field_of_view import FieldOfView


def decode_jpeg(content: bytes) -> np.ndarray:
    """Pixels of a JPEG that `encode_jpeg` wrote, uint8 (H, W, 3) RGB."""
    return np.asarray(cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


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


def mark_field_of_view(image: np.ndarray, field: FieldOfView, longest_side: int) -> np.ndarray:
    """Draw the circle of a field of view into a small copy of an image, for people to check.

    Args:
        image: Uint8 (H, W, 3) RGB.
        field: Its field of view; nothing is drawn where none was found.
        longest_side: Of the copy, in pixels.

    Returns:
        Uint8 (h, w, 3).
    """
    scale = min(1.0, longest_side / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if field.found:
        center = tuple(round(((value + 0.5) * scale - 0.5) * 16) for value in (field.center_x, field.center_y))
        cv2.circle(small, center, round(field.radius * scale * 16), (150, 200, 200), 1, cv2.LINE_AA, 4)
    result: np.ndarray = small
    return result
