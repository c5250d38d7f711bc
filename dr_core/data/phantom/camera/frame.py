"""What a camera shows of the retina: the round field, how the picture cuts it, its notch and its surround."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from dr_core.data.phantom.canvas import Canvas

NotchShape = Literal["tab", "bump", "tooth"]

_WHOLE = 1.1
"""Half-width or half-height of a field that is not cut, in radii."""

_SLOPE = {"tab": ((-0.045, -0.04, 0.04, 0.045), 1.04), "tooth": ((-0.05, 0.0, 0.0, 0.035), 1.06)}
"""Angles of a notch's corners around its middle, and how far out it reaches, in radii."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The field of view in the picture; lengths in radii of the field where nothing else is said.

    Attributes:
        radius: Radius of the field as a share of the picture's side.
        center: Where its center lies from the picture's, in shares of the side.
        half_width: Half-width at which the frame or the picture cuts the field; 1 or more where neither does.
        half_height: Half-height, likewise.
        softness: Width of the rim's edge.
        cut_softness: Width of the edge where the frame cuts.
        notch: Angle of the notch in the rim, or None.
        notch_shape: What sticks out there.
        surround: Red, green and blue outside the field, of 1.
    """

    radius: float
    center: tuple[float, float]
    half_width: float
    half_height: float
    softness: float
    cut_softness: float
    notch: float | None
    notch_shape: NotchShape
    surround: tuple[float, float, float]

    def shows(self, x: np.ndarray, y: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Which points, in radii from the field's center, are seen at least `margin` from every edge; bool."""
        seen: np.ndarray = (np.hypot(x, y) < 1 - margin) & (
            (np.abs(x) < self.half_width - margin) & (np.abs(y) < self.half_height - margin)
        )
        return seen


def sample_frame(generator: np.random.Generator, phone: bool) -> Frame:
    """Draw a frame: whole, cut at top and bottom, cut all around, cut square by the picture, or a small field.

    A phone behind a hand-held lens sees a whole field, smaller than the picture and with no notch.
    """
    chance, uniform = generator.random, generator.uniform
    kind = generator.choice(
        ["whole", "flat", "square", "sides", "small", "loose"], p=[0.2, 0.42, 0.19, 0.08, 0.05, 0.06]
    )
    radius, half_width, half_height = uniform(0.46, 0.5), _WHOLE, _WHOLE
    center = np.zeros(2)
    if phone:
        radius = uniform(0.38, 0.46)
    elif kind == "flat":
        half_height = uniform(0.74, 0.91)
    elif kind == "square":
        radius = uniform(0.51, 0.64)
    elif kind == "sides":
        half_width, half_height = uniform(0.86, 0.98), uniform(0.7, 0.86)
    elif kind == "small":
        radius = uniform(0.3, 0.45)
        center = uniform(-1, 1, 2) * (0.49 - radius)
    elif kind == "loose":
        half_height = uniform(0.75, 0.95)
        half_width = uniform(0.9, _WHOLE)
    if chance() < 0.15 and not phone:  # a picture that cuts what the frame does not
        radius = max(radius, uniform(0.49, 0.54))
        center = np.zeros(2)
    border = 0.5 / radius
    dark = chance() < 0.8
    gray = uniform(0, 0.012) if dark else uniform(0.01, 0.07)
    tint = uniform(0.6, 1.3, 3) if chance() < 0.9 else np.array([0.5, uniform(1.2, 2.5), uniform(0.9, 2.5)])
    return Frame(
        radius=radius,
        center=(float(center[0]), float(center[1])),
        half_width=min(half_width, border),
        half_height=min(half_height, border),
        softness=uniform(0.001, 0.008) if chance() < 0.75 else uniform(0.008, 0.03),
        cut_softness=0.002 if chance() < 0.8 else uniform(0.01, 0.08),
        notch=_sample_notch(generator) if chance() < 0.5 and not phone else None,
        notch_shape=generator.choice(["tab", "bump", "tooth"]),
        surround=tuple(float(level) for level in gray * tint),  # type: ignore[arg-type]
    )


def _sample_notch(generator: np.random.Generator) -> float:
    """Angle of the notch: mostly at the upper or lower right, seldom elsewhere."""
    return float(generator.choice([-0.6, 0.6, -2.5, 0.1], p=[0.45, 0.4, 0.1, 0.05]) + generator.normal(0, 0.1))


def draw_frame(canvas: Canvas, frame: Frame) -> np.ndarray:
    """Share of the retina's light that each pixel gets, float32 (S, S), 0..1."""
    field = canvas.blank()
    canvas.disc(field, np.zeros(2), canvas.reach)
    if frame.notch is not None:
        _draw_notch(canvas, field, frame.notch, frame.notch_shape)
    sigma = max(0.5, frame.softness * canvas.field)
    shown: np.ndarray = cv2.GaussianBlur(field, (0, 0), sigma).astype(np.float32) / 255
    across, down = (
        _cut(np.abs(axis), half, max(frame.cut_softness, 0.7 / canvas.field)) if half < 1 else None
        for axis, half in ((canvas.u, frame.half_width), (canvas.v, frame.half_height))
    )
    for cut in (across, down):
        if cut is not None:
            shown *= cut
    return shown


def _cut(distance: np.ndarray, at: float, width: float) -> np.ndarray:
    """1 inside, 0 from `at` on."""
    return np.clip((at - distance) / width, 0, 1).astype(np.float32)


def _draw_notch(canvas: Canvas, field: np.ndarray, angle: float, shape: NotchShape) -> None:
    if shape == "bump":
        middle = canvas.reach * np.array([np.cos(angle), np.sin(angle)])
        canvas.disc(field, middle, 0.035 * canvas.reach)
        return
    offsets, outer = _SLOPE[shape]
    angles = angle + np.array(offsets)
    reach = canvas.reach * np.array([0.99, outer, outer, 0.99])
    canvas.patch(field, np.stack([np.cos(angles) * reach, np.sin(angles) * reach], axis=1))
