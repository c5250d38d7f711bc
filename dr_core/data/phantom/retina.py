"""Drawing a retina without diabetic retinopathy: background, choroid, reflexes, optic disc and vessels."""

import cv2
import numpy as np

from dr_core.data.phantom.anatomy import Anatomy
from dr_core.data.phantom.camera import AVERAGE_RETINA
from dr_core.data.phantom.canvas import Canvas, Layer
from dr_core.data.phantom.lesions import LesionPlan
from dr_core.data.phantom.patient import Style, Traits
from dr_core.data.phantom.placement import quadrant_of
from dr_core.data.phantom.vessels import Vessel

_COARSE = 128
"""Side in pixels at which smooth light is computed."""

_PIGMENT = np.array([0.85, 1.0, 1.15], np.float32)
"""How much the pigment of the macula absorbs of red, green and blue, relative to green."""

_CHOROID = np.array([0.85, 0.75, 0.3], np.float32)
_SHEEN = np.array([0.28, 0.34, 0.34], np.float32)


def retina_color(traits: Traits) -> np.ndarray:
    """Mean red, green and blue of a patient's retina before the camera, float32 (3,), of 1."""
    color: np.ndarray = (np.array(traits.color) * AVERAGE_RETINA).astype(np.float32)
    return color


def cover(layer: np.ndarray) -> Layer:
    """Coverage 0..1 of a drawn layer, uint8 (S, S)."""
    return layer.astype(np.float32) * np.float32(1 / 255)


def draw_background(canvas: Canvas, anatomy: Anatomy, style: Style, paint: np.random.Generator) -> np.ndarray:
    """The retina without vessels, float32 (3, S, S), of 1."""
    traits, coarse = style.traits, canvas.coarse(_COARSE)
    color = retina_color(traits)
    spot = coarse.spot
    macula = 0.5 * spot(anatomy.fovea, 0.16) + 0.3 * spot(anatomy.fovea, 0.06) + 0.27 * spot(anatomy.fovea, 0.4)
    shade = 1 + 0.09 * coarse.clouds(paint, 3)
    shade *= 1 + 0.18 * spot(anatomy.disc, 2.2 * anatomy.disc_radius)
    texture = 1 + np.float32(traits.mottle) * canvas.grain(paint)
    pixels = np.empty((3, canvas.size, canvas.size), np.float32)
    for channel in range(3):
        tint = np.exp(0.05 * coarse.clouds(paint, 3) - anatomy.fovea_depth * _PIGMENT[channel] * macula)
        np.multiply(canvas.enlarge((color[channel] * shade * tint).astype(np.float32)), texture, out=pixels[channel])
    if traits.tessellation:
        mesh = _draw_choroid(canvas, anatomy, traits.tessellation, paint)
        for plane, share in zip(pixels, _CHOROID, strict=True):
            plane *= 1 + share * mesh
    if traits.sheen:
        sheen = traits.sheen * color.max() * _draw_sheen(canvas, anatomy, paint)
        for plane, share in zip(pixels, _SHEEN, strict=True):
            plane += share * sheen
    return pixels


def _draw_choroid(canvas: Canvas, anatomy: Anatomy, strength: float, paint: np.random.Generator) -> Layer:
    """Relative brightness of the choroidal vessels, which the macula hides."""
    layer = canvas.blank()
    kinds = paint.integers(0, _CHOROID_KINDS, len(anatomy.choroid))
    widths, strengths = paint.uniform(0.008, 0.026, _CHOROID_KINDS), paint.uniform(0.3, 1.0, _CHOROID_KINDS)
    for kind in range(_CHOROID_KINDS):
        paths = [path for path, own in zip(anatomy.choroid, kinds, strict=True) if own == kind]
        canvas.strokes(layer, paths, float(widths[kind]), float(strengths[kind]))
    coarse = canvas.coarse(_COARSE)
    mesh = cover(canvas.soften(layer, 0.006))
    mesh -= canvas.enlarge(0.25 * coarse.spot(anatomy.choroid[0][0], 0.6))
    mesh *= canvas.enlarge(np.float32(strength) * (1 - coarse.spot(anatomy.fovea, 0.25)))
    return mesh


_CHOROID_KINDS = 8
"""Kinds of choroidal vessels by width and strength; those of a kind are drawn at once."""


def _draw_sheen(canvas: Canvas, anatomy: Anatomy, paint: np.random.Generator) -> Layer:
    """Reflexes of a young retina and streaks of its nerve fibres."""
    fibres, shine = canvas.blank(), canvas.blank()
    canvas.strokes(fibres, list(anatomy.streaks), 0.006, 0.6)
    for path in anatomy.reflexes:
        canvas.stroke(shine, path, paint.uniform(0.008, 0.05), paint.uniform(0.2, 1.0))
    coarse = canvas.coarse(_COARSE)
    patches = np.clip(0.3 + coarse.clouds(paint, 18), 0, 1.3)
    patches *= np.clip(0.5 + 0.5 * coarse.clouds(paint, 50), 0.1, 1.3)
    glints = cover(canvas.soften(shine, 0.012)) * canvas.enlarge(patches) + 0.4 * cover(canvas.soften(fibres, 0.004))
    brightness: Layer = glints + canvas.enlarge(0.1 * np.abs(coarse.clouds(paint, 9)))
    return brightness


def draw_disc(
    canvas: Canvas, anatomy: Anatomy, style: Style, pixels: np.ndarray, paint: np.random.Generator
) -> np.ndarray:
    """Lay the optic disc with its rim and cup, and the crescent beside it, over the background, float32 (3, S, S)."""
    radius, pallor = anatomy.disc_radius, style.traits.pallor
    sharpness, cup_softness, bright, opacity = (paint.uniform(*ends) for ends in _DISC_RANGES)
    rows, columns = canvas.window(anatomy.disc, (0.3 + anatomy.crescent_reach * anatomy.disc_aspect) * radius)
    x = canvas.x[:, columns] - np.float32(anatomy.disc[0])
    y = (canvas.y[rows] - np.float32(anatomy.disc[1])) / np.float32(anatomy.disc_aspect)
    temporal = -1 if anatomy.side == "right" else 1
    distance = np.hypot(x, y) / np.float32(radius)
    from_cup = np.hypot(x - np.float32(0.15 * temporal * radius), y) / np.float32(radius)
    disc = _soft_step(distance, 1.0, sharpness) * np.float32(opacity)
    cup = _soft_step(from_cup, anatomy.cup, cup_softness)
    color = 0.5 * (retina_color(style.traits) + AVERAGE_RETINA) * bright
    rim_color = np.minimum(color * np.array([1.5, 1.6 + 0.5 * pallor, 1.7 + 0.8 * pallor]) + 0.03, 1.0)
    cup_color = np.minimum(color * np.array([1.7, 2.5, 3.0]) + 0.05, 1.0)
    sector = np.clip(temporal * x / np.float32(radius), 0, 1) * np.ones_like(y)
    crescent = np.float32(anatomy.crescent) * sector * _soft_step(distance, anatomy.crescent_reach, 0.06)
    paleness = np.clip(0.75 * cup + 0.35 * sector + 0.25 * (1 - distance) + 0.25 * pallor, 0, 1)
    for channel, (lit, rim, middle) in enumerate(zip(_CRESCENT, rim_color, cup_color, strict=True)):
        around = pixels[channel, rows, columns] * (1 + crescent * np.float32(lit))
        layered = np.float32(rim) + np.float32(middle - rim) * paleness
        pixels[channel, rows, columns] = around + (layered - around) * disc
    return pixels


_DISC_RANGES = ((0.02, 0.09), (0.05, 0.2), (0.95, 1.25), (0.88, 0.98))
"""Softness of the disc's edge and of its cup's, brightness and opacity."""

_CRESCENT = (0.5, 0.8, 0.9)
"""By how much a crescent of strength 1 brightens red, green and blue."""


def _soft_step(distance: np.ndarray, at: float, width: float) -> np.ndarray:
    """1 inside, 0 outside, with a soft edge."""
    inside: np.ndarray = 0.5 - 0.5 * np.tanh((distance - np.float32(at)) / np.float32(2 * width))
    return inside


def draw_vessels(canvas: Canvas, anatomy: Anatomy, style: Style, plan: LesionPlan) -> Layer:
    """Absorption of all vessels, abnormal ones as well."""
    layers = {True: canvas.blank(), False: canvas.blank()}
    for vessel in anatomy.vessels:
        strength = 0.6 + 0.4 * min(1.0, float(vessel.widths[0]) / 0.02)  # thin vessels hold less blood
        canvas.tapered_stroke(layers[vessel.vein], vessel.points, _widths(vessel, plan), strength)
    veins, arteries = (cover(canvas.soften(layers[vein], 0.0015)) for vein in (True, False))
    reflex = cv2.blur(arteries, (_reflex_width(canvas),) * 2)  # arteries shine in the middle
    arteries *= 1 - np.float32(0.3) * reflex * reflex * reflex
    absorption = np.maximum(np.float32(style.traits.vein) * veins, np.float32(style.traits.artery) * arteries)
    paths = [*plan.new_vessels, *(path for paths in plan.irma for path in paths)]
    if paths:
        abnormal = canvas.blank()
        canvas.strokes(abnormal, paths, 0.007, 0.9)
        absorption += np.float32(0.5 * style.traits.vein) * cover(abnormal)
    return absorption


def _reflex_width(canvas: Canvas) -> int:
    """Odd number of pixels over which an artery's own width is averaged."""
    return max(1, round(0.022 * canvas.radius)) | 1


def _widths(vessel: Vessel, plan: LesionPlan) -> np.ndarray:
    """Widths along a vessel, beaded where the plan says so."""
    if not plan.beaded or not vessel.vein or vessel.order > 1:
        return vessel.widths
    beads = 1 + 0.55 * np.sin(np.arange(len(vessel.points)) * 1.3)
    inside = np.isin([quadrant_of(point) for point in vessel.points], plan.beaded)
    return vessel.widths * np.where(inside, beads, 1.0)
