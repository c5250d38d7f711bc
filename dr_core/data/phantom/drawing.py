"""Drawing a phantom: anatomy, lesions and camera in one picture, with the exact mask of every lesion."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from dr_core.data.fundus.landmarks import Landmarks
from dr_core.data.grades import GRADES, LesionFindings, Side, icdr_grade
from dr_core.data.phantom.anatomy import Anatomy, Style, sample_anatomy, sample_style
from dr_core.data.phantom.camera import expose
from dr_core.data.phantom.canvas import Canvas, Layer
from dr_core.data.phantom.lesions import LesionPlan, plan_lesions
from dr_core.data.phantom.placement import quadrant_of
from dr_core.data.phantom.vessels import Vessel
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

    The eyes share camera, color and light; their anatomies mirror each other with small differences of their own. One
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
    anatomy = sample_anatomy(numpy_generator(seed, "anatomy"), side)
    plan = plan_lesions(numpy_generator(seed, "lesions"), grade, anatomy, style)
    canvas = Canvas(size, style.radius)
    paint = numpy_generator(seed, "paint")
    red_layer, masks = _draw_red_lesions(canvas, plan, paint)
    pale, pale_masks = _draw_pale_lesions(canvas, plan)
    absorption = _draw_vessels(canvas, anatomy, style, plan) + red_layer
    pixels = _draw_background(canvas, anatomy, style, paint)
    pixels = _draw_disc(canvas, anatomy, style, pixels, paint)
    if plan.exudates or plan.soft_exudates:
        pixels = _lay_pale(pixels, pale, style, paint)
    pixels *= np.exp(-absorption[:, :, None] * _BLOOD)
    image = expose(canvas, pixels, anatomy, style, numpy_generator(seed, "camera"))
    visible = _visible(canvas, style)
    findings = plan.findings()
    all_masks = {name: mask & visible for name, mask in (masks | pale_masks).items()}
    return Phantom(
        image=image,
        masks=all_masks,
        grade=icdr_grade(findings),
        findings=findings,
        side=side,
        landmarks=_landmarks(canvas, anatomy),
    )


def _landmarks(canvas: Canvas, anatomy: Anatomy) -> Landmarks:
    disc, fovea = (canvas.radius * position + canvas.size / 2 - 0.5 for position in (anatomy.disc, anatomy.fovea))
    return Landmarks(
        disc=(float(disc[0]), float(disc[1])),
        disc_radius=anatomy.disc_radius * canvas.radius,
        fovea=(float(fovea[0]), float(fovea[1])),
        found=False,
    )


def _visible(canvas: Canvas, style: Style) -> np.ndarray:
    visible: np.ndarray = (canvas.x**2 + canvas.y**2 < 1) & (np.abs(canvas.y) < style.cut)
    return visible


def _cover(layer: np.ndarray) -> Layer:
    return layer.astype(np.float32) * np.float32(1 / 255)


def _draw_background(canvas: Canvas, anatomy: Anatomy, style: Style, paint: np.random.Generator) -> np.ndarray:
    """The retina without vessels, float32 (S, S, 3), of 1."""
    color = np.array(style.color, np.float32)
    grain = canvas.clouds(paint, 40) + 0.6 * canvas.clouds(paint, 110) + 0.7 * canvas.clouds(paint, 230)
    shade = 1 + 0.09 * canvas.clouds(paint, 3) + style.mottle * grain
    spot = canvas.spot
    macula = 0.5 * spot(anatomy.fovea, 0.16) + 0.3 * spot(anatomy.fovea, 0.06) + 0.25 * spot(anatomy.fovea, 0.4)
    pixels = color * canvas.tint(paint, 3, 0.05) * (shade * np.exp(-anatomy.fovea_depth * macula))[:, :, None]
    pixels *= 1 + _draw_choroid(canvas, anatomy, style, paint)[:, :, None] * np.array([0.85, 0.75, 0.3], np.float32)
    if style.sheen:
        sheen = style.sheen * _draw_sheen(canvas, anatomy, paint)
        pixels += sheen[:, :, None] * np.array([0.28, 0.34, 0.34], np.float32) * color.max()
    shaded: np.ndarray = pixels * (
        1 + _draw_lookalikes(canvas, anatomy)[:, :, None] * np.array([0.6, 1.0, 1.1], np.float32)
    )
    return shaded


def _draw_choroid(canvas: Canvas, anatomy: Anatomy, style: Style, paint: np.random.Generator) -> Layer:
    """Relative brightness of the choroidal vessels, which the macula hides."""
    layer = canvas.blank()
    for path in anatomy.choroid:
        canvas.stroke(layer, path, paint.uniform(0.008, 0.026), paint.uniform(0.3, 1.0))
    mesh = _cover(canvas.soften(layer, 0.006)) - 0.25 * canvas.spot(anatomy.choroid[0][0], 0.6)
    brightness: Layer = style.tessellation * mesh * (1 - canvas.spot(anatomy.fovea, 0.25))
    return brightness


def _draw_sheen(canvas: Canvas, anatomy: Anatomy, paint: np.random.Generator) -> Layer:
    """Reflexes of a young retina and streaks of its nerve fibres."""
    fibres, shine = canvas.blank(), canvas.blank()
    for path in anatomy.streaks:
        canvas.stroke(fibres, path, 0.006, 0.6)
    for path in anatomy.reflexes:
        canvas.stroke(shine, path, paint.uniform(0.008, 0.05), paint.uniform(0.2, 1.0))
    patches = np.clip(0.3 + canvas.clouds(paint, 18), 0, 1.3)
    patches *= np.clip(0.5 + 0.5 * canvas.clouds(paint, 50), 0.1, 1.3)
    glints = _cover(canvas.soften(shine, 0.012)) * patches + 0.4 * _cover(canvas.soften(fibres, 0.004))
    brightness: Layer = glints + 0.1 * np.abs(canvas.clouds(paint, 9))
    return brightness


def _draw_lookalikes(canvas: Canvas, anatomy: Anatomy) -> Layer:
    """Relative change of brightness by what only looks like a lesion."""
    change: np.ndarray = np.zeros((1, 1), np.float32)
    for kind in anatomy.lookalikes:
        layer = canvas.blank()
        for x, y, radius in kind.spots:
            canvas.disc(layer, np.array([x, y]), float(radius))
        blur = kind.softness * float(kind.spots[:, 2].mean())
        change = change + kind.change * _cover(canvas.soften(layer, blur))
    return np.broadcast_to(change, (canvas.size, canvas.size))


def _draw_disc(
    canvas: Canvas, anatomy: Anatomy, style: Style, pixels: np.ndarray, paint: np.random.Generator
) -> np.ndarray:
    """Lay the optic disc with its rim and cup, and the crescent beside it, over the background."""
    pixels *= (1 + 0.18 * canvas.spot(anatomy.disc, 2.2 * anatomy.disc_radius))[:, :, None]
    window = canvas.window(anatomy.disc, 1.9 * anatomy.disc_radius)
    x = canvas.x[:, window[1]] - float(anatomy.disc[0])
    y = (canvas.y[window[0]] - float(anatomy.disc[1])) / anatomy.disc_aspect
    temporal = -1 if anatomy.side == "right" else 1
    distance = np.hypot(x, y) / anatomy.disc_radius
    from_cup = np.hypot(x - 0.15 * temporal * anatomy.disc_radius, y) / anatomy.disc_radius
    disc = _soft_step(distance, 1.0, paint.uniform(0.02, 0.09))
    cup = _soft_step(from_cup, anatomy.cup, paint.uniform(0.05, 0.2))
    color = np.array(style.color, np.float32) * paint.uniform(0.9, 1.25)
    rim_color = np.minimum(color * np.array([1.5, 1.6, 1.7], np.float32) + 0.03, 1.0)
    cup_color = np.minimum(color * np.array([1.7, 2.5, 3.0], np.float32) + 0.05, 1.0)
    sector = np.clip(temporal * x / anatomy.disc_radius, 0, 1)
    crescent = anatomy.crescent * sector * _soft_step(distance, 1.4, 0.06)
    around = pixels[window] * (1 + crescent[:, :, None] * np.array([0.5, 0.8, 0.9], np.float32))
    paleness = np.clip(0.75 * cup + 0.35 * sector + 0.25 * (1 - distance), 0, 1)
    layered = rim_color + (cup_color - rim_color) * paleness[:, :, None]
    pixels[window] = around + (layered - around) * (disc * paint.uniform(0.85, 0.98))[:, :, None]
    return pixels


def _soft_step(distance: np.ndarray, at: float, width: float) -> np.ndarray:
    """1 inside, 0 outside, with a soft edge."""
    return 0.5 - 0.5 * np.tanh((distance - at) / (2 * width))


def _draw_vessels(canvas: Canvas, anatomy: Anatomy, style: Style, plan: LesionPlan) -> Layer:
    """Absorption of all vessels, abnormal ones as well."""
    layers = {True: canvas.blank(), False: canvas.blank()}
    for vessel in anatomy.vessels:
        strength = 0.5 + 0.5 * min(1.0, float(vessel.widths[0]) / 0.02)  # thin vessels hold less blood
        canvas.tapered_stroke(layers[vessel.vein], vessel.points, _widths(vessel, plan), strength)
    abnormal = canvas.blank()
    for path in (*plan.new_vessels, *(path for paths in plan.irma for path in paths)):
        canvas.stroke(abnormal, path, 0.007, 0.9)
    veins, arteries = (_cover(canvas.soften(layers[vein], 0.0015)) for vein in (True, False))
    reflex = _cover(canvas.soften(layers[False], 0.009))  # arteries shine in the middle
    arteries = arteries * (1 - 0.3 * reflex**3)
    return np.maximum(style.vein * veins, style.artery * arteries) + 0.5 * style.vein * _cover(abnormal)


def _widths(vessel: Vessel, plan: LesionPlan) -> np.ndarray:
    """Widths along a vessel, beaded where the plan says so."""
    if not plan.beaded or not vessel.vein or vessel.order > 1:
        return vessel.widths
    beads = 1 + 0.55 * np.sin(np.arange(len(vessel.points)) * 1.3)
    inside = np.isin([quadrant_of(point) for point in vessel.points], plan.beaded)
    return vessel.widths * np.where(inside, beads, 1.0)


def _draw_red_lesions(
    canvas: Canvas, plan: LesionPlan, paint: np.random.Generator
) -> tuple[Layer, dict[str, np.ndarray]]:
    """Absorption of microaneurysms and haemorrhages, and their masks."""
    exact = {name: canvas.blank() for name in ("microaneurysms", "haemorrhages")}
    shades = {name: canvas.blank() for name in exact}
    for x, y, radius in plan.microaneurysms:
        canvas.disc(exact["microaneurysms"], np.array([x, y]), float(radius))
        canvas.disc(shades["microaneurysms"], np.array([x, y]), float(radius), paint.uniform(0.4, 1.0))
    for outline in (*plan.haemorrhages, *plan.preretinal):
        canvas.patch(exact["haemorrhages"], outline)
        canvas.patch(shades["haemorrhages"], outline, paint.uniform(0.35, 1.0))
    dots = paint.uniform(0.15, 0.5) * _cover(canvas.soften(shades["microaneurysms"], 0.0015))
    masks = {name: layer > _HALF for name, layer in exact.items()}
    if not plan.bleeds:
        return dots, masks
    uneven = 1 + 0.25 * canvas.clouds(paint, 60)
    bleeding = paint.uniform(0.2, 0.7) * uneven * _cover(canvas.soften(shades["haemorrhages"], 0.004))
    veil = _draw_veil(canvas, plan, paint)
    masks["haemorrhages"] |= veil >= 0.5
    return dots + np.maximum(bleeding, 0) + 0.9 * veil, masks


_HALF = 127
"""Gray level of half coverage."""


def _draw_veil(canvas: Canvas, plan: LesionPlan, paint: np.random.Generator) -> Layer:
    """Blood in the vitreous: soft dark clouds."""
    cloud = np.zeros((canvas.size, canvas.size), np.float32)
    if not len(plan.vitreous):
        return cloud
    for x, y, spread in plan.vitreous:
        np.maximum(cloud, canvas.spot(np.array([x, y]), float(spread), paint.uniform(0.8, 1.6)), out=cloud)
    return np.clip((cloud * (1 + 0.4 * canvas.clouds(paint, 10)) - 0.3) * 1.6, 0, 1)


def _draw_pale_lesions(canvas: Canvas, plan: LesionPlan) -> tuple[tuple[Layer, Layer], dict[str, np.ndarray]]:
    """Coverage of hard and of soft exudates, and their masks."""
    hard, soft = canvas.blank(), canvas.blank()
    for outline in plan.exudates:
        canvas.patch(hard, outline)
    for outline in plan.soft_exudates:
        canvas.patch(soft, outline)
    masks = {"hard_exudates": hard > _HALF, "soft_exudates": soft > _HALF}
    return (_cover(canvas.soften(hard, 0.0015)), _cover(canvas.soften(soft, 0.008))), masks


def _lay_pale(pixels: np.ndarray, pale: tuple[Layer, Layer], style: Style, paint: np.random.Generator) -> np.ndarray:
    hard, soft = pale
    color = np.array(style.color, np.float32)
    yellow = np.minimum(color * np.array([1.15, 1.7, 1.5], np.float32) * paint.uniform(0.95, 1.3) + 0.03, 1.0)
    white = np.minimum(color * np.array([1.02, 1.45, 1.6], np.float32) + 0.05, 1.0)
    pixels = pixels + (white - pixels) * (soft * paint.uniform(0.3, 0.85))[:, :, None]
    colored: np.ndarray = pixels + (yellow - pixels) * (hard * paint.uniform(0.25, 0.95))[:, :, None]
    return colored
