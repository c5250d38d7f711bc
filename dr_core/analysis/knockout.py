"""What if the lesion were not there? Lesions painted out, and the same done to healthy retina as a control.

The paper does not have this. A heatmap may sit on a lesion whose removal changes nothing; the fall of the probability
tells.

Source: inpainting by Telea 2004, Journal of Graphics Tools 9(1):23-34, as OpenCV has it.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from dr_core.analysis.control_regions import sample_control, weigh_control
from dr_core.data.fundus import FieldOfView, find_field_of_view, find_landmarks
from dr_core.data.grades import LESIONS, TOTAL, mask_names
from dr_core.errors import InputError
from dr_core.seeds import derive_seed

Kind = Literal["removed", "kept_only", "control"]

KINDS: dict[Kind, str] = {
    "removed": "the lesion is painted out",
    "kept_only": "every other lesion is painted out",
    "control": "the same area of healthy retina is painted out, similar in distance from the fovea, brightness and "
    "vessels",
}
"""What is done to an eye, in words."""

WORKING_SIDE = 1024
"""Longest side of the photograph on which is painted; a microaneurysm is then one or two pixels."""

_MARGIN = 2
"""Pixels around a lesion that are painted out with it: its blurred rim."""

_RADIUS = 3
"""Pixels from which Telea's method draws a value."""


@dataclass(frozen=True, kw_only=True)
class KnockOut:
    """One eye without something.

    Attributes:
        lesion: The lesion in question, or `"total"`.
        kind: What was done.
        image: Uint8 (h, w, 3) RGB.
        painted: Share of the picture that was painted over, in [0, 1].
        placed: Share of the lesion's area for which the control found healthy retina; 1 for the other kinds.
        unlike: How unlike the lesion's surroundings the control's are (`sample_control`); NaN for the other kinds.
    """

    lesion: str
    kind: Kind
    image: np.ndarray
    painted: float
    placed: float = 1.0
    unlike: float = math.nan

    @property
    def weight(self) -> float:
        """Weight of a control in its eye's mean (`weigh_control`); NaN for the other kinds."""
        return weigh_control(self.placed, self.unlike) if self.kind == "control" else math.nan


@dataclass(frozen=True, kw_only=True)
class PaintedEye:
    """One eye and all that is painted out of it.

    Attributes:
        image: Uint8 (h, w, 3) RGB, of working size, as it is.
        field: Its field of view: one crop for all, so that nothing but the painting differs.
        cases: The knock-outs of every lesion that the eye has.
    """

    image: np.ndarray
    field: FieldOfView
    cases: tuple[KnockOut, ...]


def knock_out_all(
    name: str,
    image: np.ndarray,
    masks: Mapping[str, np.ndarray],
    *,
    controls: int,
    seed: int,
    disc: np.ndarray | None = None,
) -> PaintedEye:
    """Knock every lesion of an eye out, away from its optic disc and as far from its fovea.

    Args:
        name: Name of the eye, from which its controls' positions follow.
        image: Uint8 (H, W, 3) RGB.
        masks: Lesion -> bool (H, W).
        controls: Controls of each knock-out, at different positions.
        seed: Seed of the controls.
        disc: Bool (H, W), the optic disc, which no control touches; None takes what is found in the photograph.

    Raises:
        InputError: If a mask has another height or width than the photograph.

    Source: as `knock_out`; disc and fovea as `dr_core.data.fundus.landmarks` finds them.
    """
    known = {lesion: mask for lesion, mask in masks.items() if lesion in LESIONS}
    small, reduced = reduce_eye(image, known if disc is None else {**known, _DISC: disc})
    field = find_field_of_view(small)
    landmarks = find_landmarks(small, field)
    avoid = reduced.pop(_DISC, None)
    if avoid is None and landmarks is not None:
        avoid = landmarks.mark_disc((small.shape[0], small.shape[1]))
    fovea = None if landmarks is None else landmarks.fovea
    derived = derive_seed(seed, name, "knock-out")

    def of_lesion(lesion: str) -> list[KnockOut]:
        return knock_out(small, reduced, lesion, derived, controls, avoid=avoid, fovea=fovea)

    with ThreadPoolExecutor(_PAINTERS) as workers:  # painting leaves the interpreter's lock
        cases = tuple(case for found in workers.map(of_lesion, mask_names()) for case in found)
    return PaintedEye(image=small, field=field, cases=cases)


_DISC = "optic disc"
"""Name of the disc among the masks while they are reduced."""

_PAINTERS = 4


def reduce_eye(image: np.ndarray, masks: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bring a photograph and its masks to the size on which is painted.

    Args:
        image: Uint8 (H, W, 3) RGB.
        masks: Lesion -> bool (H, W).

    Returns:
        Uint8 (h, w, 3), and lesion -> bool (h, w), on wherever the lesion touches the pixel.

    Raises:
        InputError: If a mask has another height or width than the photograph.

    Source: size as in `WORKING_SIDE`, our choice; scale = 1024 / max(H, W), area means.
    """
    for lesion, mask in masks.items():
        if mask.shape != image.shape[:2]:
            raise InputError(f"The mask of {lesion} must have the photograph's height and width.")
    scale = WORKING_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image, {lesion: mask.astype(bool) for lesion, mask in masks.items()}
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    small = {
        lesion: cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        for lesion, mask in masks.items()
    }
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), small


def paint_out(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Paint regions over from their surroundings.

    Args:
        image: Uint8 (h, w, 3) RGB.
        mask: Bool (h, w).

    Returns:
        Uint8 (h, w, 3); the same image where the mask is empty.

    Source: Telea 2004, Journal of Graphics Tools 9(1):23-34, as OpenCV has it; radius 3.
    """
    if not mask.any():
        return image
    result: np.ndarray = cv2.inpaint(image, _widen(mask).astype(np.uint8), _RADIUS, cv2.INPAINT_TELEA)
    return result


def knock_out(
    image: np.ndarray,
    masks: Mapping[str, np.ndarray],
    lesion: str,
    seed: int,
    controls: int = 1,
    *,
    avoid: np.ndarray | None = None,
    fovea: tuple[float, float] | None = None,
) -> list[KnockOut]:
    """Remove a lesion from an eye, keep it alone, and remove healthy regions of the same area.

    Args:
        image: Uint8 (h, w, 3) RGB, of working size (`reduce_eye`).
        masks: Lesion -> bool (h, w), all lesions that are known.
        lesion: A lesion of `masks`, or `"total"` for all of them.
        seed: Seed of the places of the control.
        controls: How many controls, each at other places.
        avoid: Bool (h, w), where no control may lie, such as the optic disc.
        fovea: Its x and y in pixels, from which the control lies as far as the lesion; None takes the middle.

    Returns:
        A knock-out of each kind, as many controls as asked for; for `"total"` no `kept_only`; none at all where the eye
        has no such lesion.

    Raises:
        InputError: If the lesion is unknown.

    Source: occlusion as in Zeiler and Fergus 2014, ECCV, section 4.2; the inpainting and the control are ours.
    """
    if lesion not in mask_names():
        raise InputError(f"`lesion` must be one of {', '.join(LESIONS)} or total, not {lesion!r}.")
    everything = np.zeros(image.shape[:2], bool)
    for mask in masks.values():
        everything |= mask
    mask = everything if lesion == TOTAL else masks.get(lesion, np.zeros_like(everything))
    if not mask.any():
        return []
    result = [KnockOut(lesion=lesion, kind="removed", image=paint_out(image, mask), painted=_painted(mask))]
    if lesion != TOTAL:
        others = everything & ~_widen(mask)
        kept = KnockOut(lesion=lesion, kind="kept_only", image=paint_out(image, others), painted=_painted(others))
        result.append(kept)
    healthy = find_healthy(image, everything if avoid is None else everything | avoid)
    for number in range(controls):
        control = sample_control(healthy, mask, seed + number, image=image, fovea=fovea)
        result.append(
            KnockOut(
                lesion=lesion,
                kind="control",
                image=paint_out(image, control.mask),
                painted=_painted(control.mask),
                placed=control.placed,
                unlike=control.unlike,
            )
        )
    return result


def find_healthy(image: np.ndarray, lesions: np.ndarray) -> np.ndarray:
    """Find the retina that no lesion touches: healthy = {r < 0.95 R, not black} without the lesions and 4 px around.

    Args:
        image: Uint8 (h, w, 3) RGB.
        lesions: Bool (h, w), all lesions.

    Returns:
        Bool (h, w).
    """
    result: np.ndarray = _field(image) & ~_widen(_widen(lesions))
    return result


def _field(image: np.ndarray) -> np.ndarray:
    """Retina that is seen: inside the field of view, away from its rim, and not cut away by the frame."""
    circle = find_field_of_view(image)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    squared = (columns - circle.center_x) ** 2 + (rows - circle.center_y) ** 2
    result: np.ndarray = (squared < (0.95 * circle.radius) ** 2) & (image.max(axis=2) > _BLACK)
    return result


_BLACK = 15
"""Gray level up to which a pixel belongs to the black surround."""


def _widen(mask: np.ndarray) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MARGIN + 1, 2 * _MARGIN + 1))
    result: np.ndarray = cv2.dilate(mask.astype(np.uint8), disc) > 0
    return result


def _painted(mask: np.ndarray) -> float:
    return float(_widen(mask).mean())
