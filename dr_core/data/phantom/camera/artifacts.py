"""What lies in front of the retina or on the picture: dust, glints, flash reflexes, a date stamp, a lens holder."""

from dataclasses import dataclass

import cv2
import numpy as np

from dr_core.data.phantom.canvas import Canvas

Color = tuple[float, float, float]

_STAMP_COLORS: tuple[Color, ...] = ((0.1, 0.85, 0.15), (0.95, 0.95, 0.95), (0.95, 0.85, 0.2), (0.9, 0.35, 0.1))


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """What a camera leaves in each of its pictures; lengths in radii of the field.

    Attributes:
        dust: Float (N, 4): x, y, radius and relative change of brightness of each spot on lens or sensor.
        stamp: Text burned into the picture, or an empty one.
        stamp_color: Its color, of 1.
        stamp_at: Where it begins, as shares of the picture's side.
        holder: Brightness of the lens holder around the field, of 1; 0 where there is none, as in all but phones.
        glints: Mean number of the room's reflections in the lens.
    """

    dust: tuple[tuple[float, float, float, float], ...]
    stamp: str
    stamp_color: Color
    stamp_at: tuple[float, float]
    holder: float
    glints: float


def sample_artifacts(generator: np.random.Generator, phone: bool) -> Artifacts:
    """Draw a camera's artifacts; `phone` for a telephone behind a hand-held lens."""
    chance, uniform = generator.random, generator.uniform
    dust = np.empty((0, 4))
    if chance() < 0.14:
        count = int(generator.integers(1, 9))
        places = uniform(-0.9, 0.9, (count, 2))
        radii = uniform(0.01, 0.06, count)
        dust = np.column_stack([places, radii, uniform(-0.22, -0.04, count) * generator.choice([1, 1, -1], count)])
    digits = generator.integers(0, 10, 12)
    stamped = chance() < 0.06
    return Artifacts(
        dust=tuple((float(x), float(y), float(r), float(change)) for x, y, r, change in dust),
        stamp="{}{}.{}{}.20{}{} {}{}:{}{}".format(*digits[:10]) if stamped else "",
        stamp_color=_STAMP_COLORS[int(generator.integers(len(_STAMP_COLORS)))],
        stamp_at=(uniform(0.03, 0.7), float(generator.choice([0.05, 0.97]))),
        holder=uniform(0.03, 0.16) if phone else 0.0,
        glints=uniform(1, 8) if phone else float(chance() < 0.08),
    )


@dataclass(frozen=True, kw_only=True)
class Reflex:
    """A reflection of the flash; lengths in radii of the field.

    Attributes:
        path: Float (N, 2) along which it lies; one point for a round one.
        width: Its width.
        softness: Standard deviation of its edge.
        strength: Its brightness, of 1.
    """

    path: np.ndarray
    width: float
    softness: float
    strength: float


def sample_reflex(generator: np.random.Generator) -> tuple[Reflex, ...]:
    """Draw the flash's reflexes of one eye: a spot or two near the center, a smear, a crescent or a small ring."""
    uniform = generator.uniform
    center = generator.normal(0, 0.12, 2)
    kind = generator.choice(["spot", "pair", "smear", "arc", "ring"], p=[0.5, 0.16, 0.14, 0.1, 0.1])
    strength = uniform(0.12, 0.65)
    if kind in ("spot", "pair"):
        size = uniform(0.02, 0.09)
        gap = np.array([uniform(0.03, 0.12), generator.normal(0, 0.02)])
        centers = [center] if kind == "spot" else [center - gap, center + gap]
        return tuple(Reflex(path=one[None], width=size, softness=size * 0.6, strength=strength) for one in centers)
    if kind == "smear":
        angle, length = uniform(0, np.pi), uniform(0.08, 0.35)
        along = np.linspace(-length, length, 16)[:, None] * [np.cos(angle), np.sin(angle)]
        path = center + generator.normal(0, 0.25, 2) + along + generator.normal(0, 0.01, (16, 2)).cumsum(axis=0)
        return (Reflex(path=path, width=uniform(0.02, 0.06), softness=uniform(0.02, 0.05), strength=0.7 * strength),)
    size, turn = uniform(0.03, 0.06) if kind == "ring" else uniform(0.15, 0.55), uniform(0, 2 * np.pi)
    span = 2 * np.pi if kind == "ring" else uniform(0.7, 2.6)
    angles = turn + np.linspace(0, span, 40)
    path = center + size * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    width = uniform(0.008, 0.016) if kind == "ring" else uniform(0.01, 0.05)
    softness = width * uniform(0.4, 1.2)
    return (Reflex(path=path, width=width, softness=softness, strength=0.7 * strength),)


def add_reflexes(canvas: Canvas, pixels: np.ndarray, reflexes: tuple[Reflex, ...], color: np.ndarray) -> np.ndarray:
    """Add the flash's reflexes, of a color (3,), to the light, float32 (3, S, S)."""
    for reflex in reflexes:
        layer = canvas.blank()
        path, width = reflex.path * canvas.reach, reflex.width * canvas.reach
        if len(path) == 1:
            canvas.disc(layer, path[0], width)
        else:
            canvas.stroke(layer, path, width)
        lit = canvas.soften(layer, reflex.softness * canvas.reach).astype(np.float32) * (reflex.strength / 255)
        for plane, share in zip(pixels, color, strict=True):
            plane += lit * np.float32(share)
    return pixels


def add_dust(canvas: Canvas, pixels: np.ndarray, artifacts: Artifacts) -> np.ndarray:
    """Darken, or brighten, what lies behind dust."""
    for x, y, radius, change in artifacts.dust:
        layer = canvas.blank()
        canvas.disc(layer, np.array([x, y]) * canvas.reach, radius * canvas.reach)
        pixels *= 1 + canvas.soften(layer, 0.35 * radius * canvas.reach).astype(np.float32) * (change / 255)
    return pixels


def add_glints(canvas: Canvas, pixels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Add small sharp reflections: points and short strokes."""
    if not count:
        return pixels
    layer = canvas.blank()
    for _ in range(count):
        start = generator.uniform(-0.6, 0.6, 2) * canvas.reach
        stroke = generator.normal(0, 0.035, 2) * canvas.reach * float(generator.random() < 0.4)
        width = generator.uniform(0.005, 0.013) * canvas.reach
        canvas.stroke(layer, np.stack([start, start + stroke + 1e-3]), width, generator.uniform(0.4, 1))
    lit = canvas.soften(layer, 0.002 * canvas.reach).astype(np.float32) / 255
    pixels += lit * generator.uniform(0.4, 0.9)
    return pixels


def draw_holder(canvas: Canvas, brightness: float, generator: np.random.Generator) -> np.ndarray:
    """The lens holder of a phone and the dim room behind it, float32 (S, S), of 1."""
    layer = canvas.blank()
    for reach, strength in ((1.16, 0.6), (1.11, 0.25), (1.07, 0.8), (1.03, 0.1)):
        canvas.disc(layer, np.zeros(2), reach * canvas.reach, strength)
    angles = generator.uniform(0, 2 * np.pi) + np.linspace(0, generator.uniform(0.4, 2.0), 20)
    path = 1.09 * canvas.reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    canvas.stroke(layer, path, 0.03 * canvas.reach)
    room = 1 + 0.5 * canvas.clouds(generator, 3)
    holder = canvas.soften(layer, 0.006 * canvas.reach).astype(np.float32) / 255
    shown: np.ndarray = np.clip(brightness * (0.6 * room * (holder == 0) + 1.4 * holder), 0, 1).astype(np.float32)
    return shown


def print_stamp(image: np.ndarray, artifacts: Artifacts) -> None:
    """Burn the stamp into a picture, uint8 (S, S, 3) RGB."""
    if not artifacts.stamp:
        return
    side = image.shape[0]
    at = (round(artifacts.stamp_at[0] * side), round(artifacts.stamp_at[1] * side))
    color = tuple(round(255 * share) for share in artifacts.stamp_color)
    cv2.putText(
        image, artifacts.stamp, at, cv2.FONT_HERSHEY_SIMPLEX, side / 1100, color, max(1, side // 500), cv2.LINE_AA
    )
