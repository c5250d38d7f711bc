"""Drawing lesions: what they absorb or cover, and their exact masks."""

import numpy as np

from dr_core.data.phantom.camera import AVERAGE_RETINA
from dr_core.data.phantom.canvas import Canvas, Layer
from dr_core.data.phantom.lesions import LesionPlan
from dr_core.data.phantom.patient import Traits
from dr_core.data.phantom.retina import cover, retina_color

_HALF = 127
"""Gray level of half coverage."""


def draw_red_lesions(
    canvas: Canvas, plan: LesionPlan, paint: np.random.Generator
) -> tuple[Layer | None, dict[str, np.ndarray]]:
    """Absorption of microaneurysms and haemorrhages, None where there are none, and their masks."""
    exact = {name: canvas.blank() for name in ("microaneurysms", "haemorrhages")}
    shades = {name: canvas.blank() for name in exact}
    for x, y, radius in plan.microaneurysms:
        canvas.disc(exact["microaneurysms"], np.array([x, y]), float(radius))
        canvas.disc(shades["microaneurysms"], np.array([x, y]), float(radius), paint.uniform(0.4, 1.0))
    for outline in (*plan.haemorrhages, *plan.preretinal):
        canvas.patch(exact["haemorrhages"], outline)
        canvas.patch(shades["haemorrhages"], outline, paint.uniform(0.35, 1.0))
    masks = {name: layer > _HALF for name, layer in exact.items()}
    if not (len(plan.microaneurysms) or plan.bleeds):
        return None, masks
    dots = np.float32(paint.uniform(0.18, 0.5)) * cover(canvas.soften(shades["microaneurysms"], 0.0015))
    if not plan.bleeds:
        return dots, masks
    uneven = 1 + 0.25 * canvas.clouds(paint, 60)
    dots += np.maximum(
        np.float32(paint.uniform(0.2, 0.7)) * uneven * cover(canvas.soften(shades["haemorrhages"], 0.004)), 0
    )
    if len(plan.vitreous):
        veil = _draw_veil(canvas, plan, paint)
        masks["haemorrhages"] |= veil >= 0.5
        dots += np.float32(0.9) * veil
    return dots, masks


def _draw_veil(canvas: Canvas, plan: LesionPlan, paint: np.random.Generator) -> Layer:
    """Blood in the vitreous: soft dark clouds."""
    cloud = np.zeros((canvas.size, canvas.size), np.float32)
    for x, y, spread in plan.vitreous:
        np.maximum(cloud, canvas.spot(np.array([x, y]), float(spread), paint.uniform(0.8, 1.6)), out=cloud)
    return np.clip((cloud * (1 + 0.4 * canvas.clouds(paint, 10)) - 0.3) * 1.6, 0, 1)


def draw_pale_lesions(canvas: Canvas, plan: LesionPlan) -> tuple[tuple[Layer, Layer], dict[str, np.ndarray]]:
    """Coverage of hard and of soft exudates, and their masks."""
    hard, soft = canvas.blank(), canvas.blank()
    for outline in plan.exudates:
        canvas.patch(hard, outline)
    for outline in plan.soft_exudates:
        canvas.patch(soft, outline)
    masks = {"hard_exudates": hard > _HALF, "soft_exudates": soft > _HALF}
    return (cover(canvas.soften(hard, 0.0015)), cover(canvas.soften(soft, 0.008))), masks


def lay_pale_lesions(
    pixels: np.ndarray, pale: tuple[Layer, Layer], traits: Traits, paint: np.random.Generator
) -> np.ndarray:
    """Cover the retina, float32 (3, S, S), with hard and soft exudates."""
    hard, soft = pale
    color = 0.5 * (retina_color(traits) + AVERAGE_RETINA)
    yellow = np.minimum(color * np.array([1.15, 1.7, 1.5]) * paint.uniform(0.9, 1.25) + 0.03, 1.0)
    white = np.minimum(color * np.array([1.02, 1.45, 1.6]) + 0.05, 1.0)
    for layer, paint_color, opacity in (
        (soft, white, paint.uniform(0.3, 0.85)),
        (hard, yellow, paint.uniform(0.2, 0.85)),
    ):
        strength = layer * np.float32(opacity)
        for plane, level in zip(pixels, paint_color, strict=True):
            plane += (np.float32(level) - plane) * strength
    return pixels


def draw_cotton_wool(
    canvas: Canvas, pixels: np.ndarray, outlines: tuple[np.ndarray, ...], traits: Traits, paint: np.random.Generator
) -> np.ndarray:
    """Cover the retina with cotton wool spots that are no sign of diabetic retinopathy and have no mask."""
    layer = canvas.blank()
    for outline in outlines:
        canvas.patch(layer, outline)
    soft = cover(canvas.soften(layer, 0.008))
    return lay_pale_lesions(pixels, (np.zeros_like(soft), soft), traits, paint)
