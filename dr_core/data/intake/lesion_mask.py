"""Lesion masks from files, of the app and of folders alike: lesion and eye by the name, pixels by the picture."""

from collections.abc import Sequence
from typing import Any

from dr_core.data.decoder_process import Decoded, decode_apart
from dr_core.data.fundus.budget import DECODER_DEFECTS
from dr_core.data.grades import LESIONS
from dr_core.data.intake.mask_meaning import LesionMask, find_lesion
from dr_core.data.intake.mask_picture import open_mask, read_colors
from dr_core.errors import InputError

__all__ = ["OPTIC_DISC", "LesionMask", "decode_mask", "is_mask", "split_name", "split_names"]

OPTIC_DISC = "optic_disc"
"""What a mask of the optic disc marks, beside the lesions."""

_DISC_CODE = "OD"


def split_name(name: str) -> tuple[str, str | None]:
    """Tell eye and lesion from a file's name, such as `IDRiD_01_MA.tif`.

    Args:
        name: File name with its ending.

    Returns:
        Name of the eye, and the lesion, or None where the name ends in no lesion's code.
    """
    stem = name.rsplit(".", 1)[0]
    eye, _, code = stem.rpartition("_")
    lesions = {lesion.code: name for name, lesion in LESIONS.items()}
    lesion = lesions.get(code.upper())
    return (eye, lesion) if lesion and eye else (stem, None)


def split_names(names: Sequence[str]) -> list[tuple[str, str | None]]:
    """Tell eye and lesion from the names of files that belong together.

    Args:
        names: File names with their endings.

    Returns:
        Of each as `split_name`, but `OPTIC_DISC` for a name such as `IDRiD_01_OD.tif` where a photograph IDRiD_01 is
        among the files; alone it may be the photograph of a right eye (oculus dexter).
    """
    found = [split_name(name) for name in names]
    eyes = {eye.lower() for eye, lesion in found if lesion is None}
    return [found_one if found_one[1] else _split_disc(found_one[0], eyes) for found_one in found]


def _split_disc(stem: str, eyes: set[str]) -> tuple[str, str | None]:
    eye, _, code = stem.rpartition("_")
    return (eye, OPTIC_DISC) if code.upper() == _DISC_CODE and eye.lower() in eyes else (stem, None)


def is_mask(name: str, content: bytes) -> bool:
    """Whether a file is a TIFF or PNG of two levels, which no photograph is.

    Args:
        name: File name.
        content: Its bytes.
    """
    if not content.startswith((b"\x89PNG", b"II", b"MM")):
        return False
    try:
        return decode_mask(name, content).gray_levels <= _ON_AND_OFF
    except InputError:
        return False


_ON_AND_OFF = 2


def decode_mask(
    name: str, content: bytes, shape: tuple[int, int] | None = None, *, field_share: float = 1.0
) -> LesionMask:
    """Read a mask; `dr_core.data.intake.mask_meaning` says what of it is the lesion.

    Args:
        name: File name, for messages.
        content: TIFF or PNG.
        shape: Height and width of the upright photograph, where known.
        field_share: Share of the photograph that its field of view covers; 1 where it is not known.

    Returns:
        The mask, upright, of the photograph's size.

    Raises:
        InputError: If it cannot be read or understood, or is of another size than the photograph.
    """
    called = f"The mask {name}"
    is_png = content[:4] == b"\x89PNG"
    decoded = (_decode if is_png else _decode_apart)(called, content, shape=shape)
    colors, *alpha = decoded.arrays
    try:
        return find_lesion(called, colors, alpha[0] if alpha else None, field_share=field_share)
    except ValueError as error:  # levels that are no numbers
        raise _unreadable(called) from error


def _decode_apart(called: str, content: bytes, **options: Any) -> Decoded:  # noqa: ANN401 - JSON
    return decode_apart(_decode, called, content, **options)


def _decode(called: str, content: bytes, shape: tuple[int, int] | list[int] | None) -> Decoded:
    """Decode a mask in this process: its colors, and its opacity where it has one."""
    try:
        picture = open_mask(content)
        # The size is compared before anything is decoded: a tiny file cannot ask for gigabytes.
        if shape is not None and picture.shape != tuple(shape):
            raise InputError(_other_size(called, picture.shape, (shape[0], shape[1])))
        return Decoded(arrays=tuple(one for one in read_colors(picture) if one is not None))
    except DECODER_DEFECTS as error:
        raise _unreadable(called) from error


def _unreadable(called: str) -> InputError:
    return InputError(f"{called} cannot be read; it must be a TIFF or PNG as IDRiD's.")


def _other_size(name: str, size: tuple[int, int], shape: tuple[int, int]) -> str:
    (height, width), (eye_height, eye_width) = size, shape
    same_form = abs(width * eye_height - height * eye_width) <= 0.01 * width * eye_height
    reason = "it was made smaller or larger" if same_form else "it belongs to another eye"
    return (
        f"{name} has {width} × {height} pixels, the photograph {eye_width} × {eye_height}: {reason}. "
        "Upload the mask that was drawn on this very photograph."
    )
