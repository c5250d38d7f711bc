"""Lesion masks from files, of the app and of folders alike: lesion and eye by the name, pixels by the picture."""

from dr_core.data.fundus.budget import DECODER_DEFECTS
from dr_core.data.grades import LESIONS
from dr_core.data.intake.mask_meaning import LesionMask, find_lesion
from dr_core.data.intake.mask_picture import open_mask, read_colors
from dr_core.errors import InputError

__all__ = ["LesionMask", "decode_mask", "split_name"]


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
    try:
        picture = open_mask(content)
        # The size is compared before anything is decoded: a tiny file cannot ask for gigabytes.
        if shape is not None and picture.shape != shape:
            raise InputError(_other_size(called, picture.shape, shape))
        colors, alpha = read_colors(picture)
        return find_lesion(called, colors, alpha, field_share=field_share)
    except DECODER_DEFECTS as error:
        raise InputError(f"{called} cannot be read; it must be a TIFF or PNG as IDRiD's.") from error


def _other_size(name: str, size: tuple[int, int], shape: tuple[int, int]) -> str:
    (height, width), (eye_height, eye_width) = size, shape
    same_form = abs(width * eye_height - height * eye_width) <= 0.01 * width * eye_height
    reason = "it was made smaller or larger" if same_form else "it belongs to another eye"
    return (
        f"{name} has {width} × {height} pixels, the photograph {eye_width} × {eye_height}: {reason}. "
        "Upload the mask that was drawn on this very photograph."
    )
