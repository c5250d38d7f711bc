"""Drawing in units of the field of view: the same plan at any size."""

from itertools import pairwise

import cv2
import numpy as np

_SHIFT = 4
_SUBPIXELS = 1 << _SHIFT

_OVERHANG = 0.5
"""Pixels by which OpenCV's antialiased shapes reach beyond their outline."""

_SMALLEST = 0.85
"""Radius in pixels under which a shape is drawn at this size and paler."""

Layer = np.ndarray
"""Float32 (S, S), coverage 0..1."""


class Canvas:
    """A square image on which the retina is drawn.

    Points are given in units of the radius of a 45 degree field, x to the right and y down, from the field's center.
    The field of a camera with another angle is larger or smaller than 1.

    Args:
        size: Side of the image in pixels, S.
        radius: Radius of the field of view as a share of the side.
        reach: The same radius in units.
        center: Where the field's center lies from the image's, in shares of the side.

    Attributes:
        field: Radius of the field in pixels.
        radius: The unit in pixels.
        x: Columns of the pixels' centers in units, float32 (1, S); y: their rows, (S, 1).
        u: The columns in radii of the field; v: the rows.
    """

    def __init__(self, size: int, radius: float, reach: float = 1.0, center: tuple[float, float] = (0.0, 0.0)) -> None:
        self.size, self.share, self.reach, self.center = size, radius, reach, center
        self.field = radius * size
        self.radius = self.field / reach
        self.origin = np.array([(0.5 + center[0]) * size - 0.5, (0.5 + center[1]) * size - 0.5])
        pixels = np.arange(size, dtype=np.float32)
        self.x = ((pixels - np.float32(self.origin[0])) / self.radius)[None, :].astype(np.float32)
        self.y = ((pixels - np.float32(self.origin[1])) / self.radius)[:, None].astype(np.float32)
        self.u, self.v = self.x / np.float32(reach), self.y / np.float32(reach)

    def coarse(self, size: int) -> "Canvas":
        """The same picture with at most `size` pixels along its side, for what is smooth."""
        return self if self.size <= size else Canvas(size, self.share, self.reach, self.center)

    def enlarge(self, layer: np.ndarray) -> np.ndarray:
        """Bring a layer of a coarse canvas to this one's size."""
        if layer.shape[0] == self.size:
            return layer
        enlarged: Layer = cv2.resize(layer, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        return enlarged

    def window(self, center: np.ndarray, reach: float) -> tuple[slice, slice]:
        """Rows and columns of the pixels within `reach` of a center along each axis."""
        columns = np.flatnonzero(np.abs(self.x[0] - float(center[0])) < reach)
        rows = np.flatnonzero(np.abs(self.y[:, 0] - float(center[1])) < reach)
        ends = [(int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0) for at in (rows, columns)]
        return slice(*ends[0]), slice(*ends[1])

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) in OpenCV's fixed-point pixels."""
        fixed: np.ndarray = np.round((points * self.radius + self.origin) * _SUBPIXELS).astype(np.int32)
        return fixed

    def blank(self) -> np.ndarray:
        """An empty layer to draw into, uint8 (S, S)."""
        return np.zeros((self.size, self.size), np.uint8)

    def stroke(self, layer: np.ndarray, points: np.ndarray, width: float, strength: float = 1.0) -> None:
        """Draw a curve; one thinner than a pixel is drawn a pixel wide and paler.

        Args:
            layer: Uint8 (S, S).
            points: Float (N, 2), unit coordinates.
            width: In units of the radius.
            strength: Coverage in the middle of the curve, 0..1.
        """
        self.strokes(layer, [points], width, strength)

    def strokes(self, layer: np.ndarray, paths: list[np.ndarray], width: float, strength: float = 1.0) -> None:
        """Draw curves of one width at once, as `stroke` draws one."""
        pixels = width * self.radius
        value = round(255 * strength * min(1.0, pixels))
        drawn = [self.to_pixels(path) for path in paths]
        cv2.polylines(layer, drawn, False, value, max(1, round(pixels)), cv2.LINE_AA, _SHIFT)

    def tapered_stroke(self, layer: np.ndarray, points: np.ndarray, widths: np.ndarray, strength: float = 1.0) -> None:
        """Draw a curve whose width changes along it, float (N,) for N points."""
        pieces = max(1, min(len(points) - 1, round(float(widths.max() - widths.min()) * self.radius) * 2))
        cuts = np.linspace(0, len(points) - 1, pieces + 1).round().astype(int)
        for start, stop in pairwise(cuts):
            self.stroke(layer, points[start : stop + 1], float(widths[start : stop + 1].mean()), strength)

    def disc(self, layer: np.ndarray, center: np.ndarray, radius: float, strength: float = 1.0) -> None:
        """Draw a filled disc; one smaller than a pixel keeps its area by being paler."""
        pixels = radius * self.radius
        value = round(255 * strength * min(1.0, (pixels / _SMALLEST) ** 2))
        position = tuple(int(v) for v in self.to_pixels(center))
        drawn = max(pixels, _SMALLEST) - _OVERHANG
        cv2.circle(layer, position, round(drawn * _SUBPIXELS), value, -1, cv2.LINE_AA, _SHIFT)

    def patch(self, layer: np.ndarray, outline: np.ndarray, strength: float = 1.0) -> None:
        """Fill an outline, float (N, 2), that its own mean sees whole; a small one is paler as a small disc is."""
        center = outline.mean(axis=0)
        spokes = outline - center
        reach = np.hypot(spokes[:, 0], spokes[:, 1]) * self.radius + 1e-9
        drawn = np.maximum(reach, _SMALLEST) - _OVERHANG
        value = round(255 * strength * min(1.0, float((reach**2).mean()) / _SMALLEST**2))
        shrunk = center + spokes * (drawn / reach)[:, None]
        cv2.fillPoly(layer, [self.to_pixels(shrunk)], value, cv2.LINE_AA, _SHIFT)

    def soften(self, layer: np.ndarray, sigma: float) -> np.ndarray:
        """Blur a layer; sigma in units of the radius."""
        pixels = sigma * self.radius
        return layer if pixels < 0.2 else cv2.GaussianBlur(layer, (0, 0), pixels)

    def spot(self, center: np.ndarray, sigma: float, aspect: float = 1.0) -> Layer:
        """A Gaussian spot of height 1."""
        x, y = (self.x - float(center[0])) / (sigma * aspect), (self.y - float(center[1])) / sigma
        return np.exp(-0.5 * x * x) * np.exp(-0.5 * y * y)

    def clouds(self, generator: np.random.Generator, cells: int) -> Layer:
        """Smooth noise of mean 0 and standard deviation about 1; `cells` is its number of cells along the side."""
        noise = generator.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        noise_image: Layer = cv2.resize(noise, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return noise_image

    def grain(self, generator: np.random.Generator) -> Layer:
        """Fine noise of mean 0 in three scales, 40 to 230 cells along the side."""
        noise: Layer = np.zeros((1, 1), np.float32)
        for cells, height in ((40, 0.6), (110, 0.65), (230, 0.8)):
            finer = generator.standard_normal((cells + 1, cells + 1)).astype(np.float32) * np.float32(height)
            finer += cv2.resize(noise, (cells + 1, cells + 1), interpolation=cv2.INTER_CUBIC)
            noise = finer
        grain: Layer = cv2.resize(noise, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return grain


def wander(generator: np.random.Generator, start: np.ndarray, angle: float, length: float, bend: float) -> np.ndarray:
    """A smooth random path, float (N, 2), a point each .02 units; `bend` is the spread of its curvature."""
    steps = max(3, int(length / 0.02))
    curvature = np.convolve(generator.normal(0, 2.2 * bend, steps + 8), np.ones(9) / 9, "valid") + generator.normal(
        0, 0.4 * bend
    )
    angles = angle + np.cumsum(curvature * 0.02)
    path: np.ndarray = start + np.concatenate(
        [[[0.0, 0.0]], np.cumsum(0.02 * np.stack([np.cos(angles), np.sin(angles)], 1), axis=0)]
    )
    return path


def wander_many(
    generator: np.random.Generator, starts: np.ndarray, angles: np.ndarray, lengths: np.ndarray, bend: float
) -> list[np.ndarray]:
    """Smooth random paths, drawn at once as `wander` draws one, for starts (N, 2), angles (N,) and lengths (N,)."""
    steps = np.maximum(3, (lengths / 0.02).astype(int))
    most = int(steps.max(initial=3))
    noise = np.cumsum(generator.normal(0, 2.2 * bend / 9, (len(starts), most + 9)), axis=1)
    curvature = noise[:, 9:] - noise[:, :-9] + generator.normal(0, 0.4 * bend, (len(starts), 1))
    headings = angles[:, None] + np.cumsum(curvature * 0.02, axis=1)
    moves = 0.02 * np.stack([np.cos(headings), np.sin(headings)], axis=2)
    paths = starts[:, None, :] + np.concatenate([np.zeros((len(starts), 1, 2)), np.cumsum(moves, axis=1)], axis=1)
    return [path[: count + 1] for path, count in zip(paths, steps, strict=True)]
