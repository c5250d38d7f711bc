"""Drawing a phantom: anatomy, lesions and camera in one picture, with the exact mask of every lesion."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from dr_core.data.fundus.landmarks import Landmarks
from dr_core.data.grades import GRADES, LesionFindings, Side, icdr_grade
from dr_core.data.phantom.anatomy import Anatomy, sample_anatomy
from dr_core.data.phantom.camera import expose, sample_shot
from dr_core.data.phantom.canvas import Canvas, Layer
from dr_core.data.phantom.lesion_layers import draw_cotton_wool, draw_pale_lesions, draw_red_lesions, lay_pale_lesions
from dr_core.data.phantom.lesions import plan_lesions
from dr_core.data.phantom.other_findings import draw_other_findings
from dr_core.data.phantom.patient import Style, sample_style
from dr_core.data.phantom.retina import draw_background, draw_disc, draw_vessels
from dr_core.errors import InputError
from dr_core.seeds import derive_seed, numpy_generator

_BLOOD = np.array([0.27, 1.0, 0.9], np.float32)
"""How much blood absorbs of red, green and blue, relative to green."""


@dataclass(frozen=True)
class Phantom:
    """A synthetic eye.

    Attributes:
        image: Uint8 (S, S, 3) RGB.
        masks: Lesion -> bool (S, S), true where the drawn lesion covers at least half of the pixel.
        grade: ICDR grade 0..4 that follows from `findings`.
        findings: What is drawn, counted as a grader would.
        side: Right or left eye.
        landmarks: Where optic disc and fovea were drawn, in pixels.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]
    grade: int
    findings: LesionFindings
    side: Side
    landmarks: Landmarks


def draw_phantom(grade: int, size: int, seed: int) -> Phantom:
    """Draw one phantom eye.

    Args:
        grade: The grade that its lesions are to give, 0..4.
        size: Side of the picture in pixels, 64..4096.
        seed: Seed of everything; the same seed gives the same bytes, and the same eye at another size.

    Returns:
        The phantom.

    Raises:
        InputError: If the grade or the size is out of range.
    """
    _check(grade, size)
    style = sample_style(numpy_generator(seed, "style"))
    side: Side = "right" if numpy_generator(seed, "side").random() < 0.5 else "left"
    return _draw_eye(grade, size, derive_seed(seed, side), style, side)


def draw_patient(grade: int, size: int, seed: int) -> tuple[Phantom, Phantom]:
    """Draw both eyes of a phantom patient.

    The eyes share camera, age and pigment; their anatomies mirror each other with small differences of their own. One
    eye has the grade that is asked for, the other the same grade or, in three of ten patients, a neighboring one.

    Args:
        grade: Grade of one of the eyes, 0..4.
        size: Side of the pictures in pixels.
        seed: Seed of everything.

    Returns:
        Right eye, left eye.

    Raises:
        InputError: If the grade or the size is out of range.
    """
    _check(grade, size)
    style = sample_style(numpy_generator(seed, "style"))
    generator = numpy_generator(seed, "patient")
    other = grade if generator.random() < 0.7 else int(np.clip(grade + generator.choice([-1, 1]), 0, len(GRADES) - 1))
    grades = (grade, other) if generator.random() < 0.5 else (other, grade)
    right = _draw_eye(grades[0], size, derive_seed(seed, "right"), style, "right")
    left = _draw_eye(grades[1], size, derive_seed(seed, "left"), style, "left")
    return right, left


def _check(grade: int, size: int) -> None:
    if not _is_integer(grade) or grade not in range(len(GRADES)):
        raise InputError(f"`grade` must be an integer 0..{len(GRADES) - 1}, not {grade!r}.")
    if not _is_integer(size) or not 64 <= size <= 4096:
        raise InputError(f"`size` must be an integer between 64 and 4096 pixels, not {size!r}.")


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _draw_eye(grade: int, size: int, seed: int, style: Style, side: Side) -> Phantom:
    camera = style.camera
    anatomy = sample_anatomy(numpy_generator(seed, "anatomy"), side, style)
    plan = plan_lesions(numpy_generator(seed, "lesions"), grade, anatomy, style)
    canvas = Canvas(size, camera.frame.radius, camera.reach, camera.frame.center)
    paint = numpy_generator(seed, "paint")
    red_layer, masks = draw_red_lesions(canvas, plan, paint)
    pale, pale_masks = draw_pale_lesions(canvas, plan)
    pixels = draw_background(canvas, anatomy, style, numpy_generator(seed, "background"))
    pixels = draw_disc(canvas, anatomy, style, pixels, numpy_generator(seed, "disc"))
    pixels = draw_other_findings(canvas, pixels, anatomy.other)
    if plan.exudates or plan.soft_exudates:
        pixels = lay_pale_lesions(pixels, pale, style.traits, paint)
    elif not plan.bleeds and not len(plan.microaneurysms) and anatomy.cotton_wool:
        pixels = draw_cotton_wool(canvas, pixels, anatomy.cotton_wool, style.traits, paint)
    pixels = _absorb(pixels, draw_vessels(canvas, anatomy, style, plan), red_layer)
    shot = sample_shot(numpy_generator(seed, "shot"), camera, style.traits.age)
    image = expose(canvas, pixels, style.traits.color, camera, shot, numpy_generator(seed, "camera"))
    visible = camera.frame.shows(canvas.u, canvas.v)
    findings = plan.findings()
    return Phantom(
        image=image,
        masks={name: mask & visible for name, mask in (masks | pale_masks).items()},
        grade=icdr_grade(findings),
        findings=findings,
        side=side,
        landmarks=_landmarks(canvas, anatomy),
    )


def _absorb(pixels: np.ndarray, vessels: Layer, lesions: Layer | None) -> np.ndarray:
    """Let blood take its share of the light, float32 (3, S, S)."""
    absorption = vessels if lesions is None else vessels + lesions
    for plane, share in zip(pixels, _BLOOD, strict=True):
        plane *= np.exp(-share * absorption)
    return pixels


def _landmarks(canvas: Canvas, anatomy: Anatomy) -> Landmarks:
    disc, fovea = (canvas.radius * position + canvas.origin for position in (anatomy.disc, anatomy.fovea))
    return Landmarks(
        disc=(float(disc[0]), float(disc[1])),
        disc_radius=anatomy.disc_radius * canvas.radius,
        fovea=(float(fovea[0]), float(fovea[1])),
        found=False,
    )
