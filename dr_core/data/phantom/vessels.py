"""The vessel tree of the retina: arcades around the fovea, and the branches that leave them."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.phantom.canvas import wander


@dataclass(frozen=True, kw_only=True)
class Vessel:
    """One vessel: a curve that tapers.

    Attributes:
        points: Float (N, 2), unit coordinates.
        widths: Float (N,), in radii.
        vein: Whether it is a vein.
        order: 0 for the vessels that leave the disc, one more at each branching.
    """

    points: np.ndarray
    widths: np.ndarray
    vein: bool
    order: int


_THINNEST = 0.0024
"""Width under which no camera shows a vessel."""

_WIDE = 1.25
"""Radius of a field beyond which the vessels that are planned for 45 degrees end within sight."""

_AVASCULAR = 0.13
"""Radius around the fovea that has no vessels."""


def grow_vessels(
    generator: np.random.Generator,
    disc: np.ndarray,
    fovea: np.ndarray,
    disc_radius: float,
    nasal: float,
    reach: float = 1.0,
) -> list[Vessel]:
    """Grow arteries and veins out of the disc.

    Args:
        generator: Source of all draws.
        disc: Center of the optic disc.
        fovea: Center of the fovea.
        disc_radius: Radius of the disc.
        nasal: 1 where the nose lies to the right in the photograph, -1 otherwise.
        reach: Radius of the field; in a wide field the vessels run on.

    Returns:
        The vessels, thin ones first.
    """
    tortuosity = generator.uniform(0.5, 1.8)
    vessels = []
    for trunk in _grow_trunks(generator, disc, fovea, disc_radius, nasal, tortuosity):
        if reach > _WIDE and trunk.order == 0:
            trunk = _run_on(generator, trunk, reach)
        vessels.append(trunk)
        level = [trunk]
        for order in (1, 2, 3):
            level = [
                branch
                for vessel in level
                for branch in _branches(generator, vessel, order, fovea, tortuosity)
                if branch.widths[0] > _THINNEST * max(1.0, reach)
            ]
            vessels.extend(level)
    return sorted(vessels, key=lambda vessel: float(vessel.widths[0]))


def _grow_trunks(
    generator: np.random.Generator,
    disc: np.ndarray,
    fovea: np.ndarray,
    disc_radius: float,
    nasal: float,
    tortuosity: float,
) -> list[Vessel]:
    trunks = []
    caliber = generator.uniform(0.014, 0.025)
    for vein in (True, False):
        for up in (-1.0, 1.0):
            width = caliber * generator.uniform(0.85, 1.1) * (1.0 if vein else 0.7)
            path = _arcade(generator, disc, fovea, nasal, up, disc_radius)
            trunks.append(_vessel(_ripple(generator, path, tortuosity), width, 0.4, vein, 0))
            path = _leave_disc(generator, disc, nasal, up, generator.uniform(0.6, 1.3))
            trunks.append(_vessel(_ripple(generator, path, tortuosity), width * 0.7, 0.25, vein, 0))
        for _ in range(generator.integers(2, 6)):  # small vessels toward the macula and the nose
            side = generator.choice([-nasal, nasal])
            path = _leave_disc(generator, disc, float(side), generator.normal(0, 0.5), generator.uniform(0.3, 0.9))
            trunks.append(_vessel(path, generator.uniform(0.005, 0.011), 0.2, vein, 1))
    return [_spare_fovea(trunk, fovea) for trunk in trunks]


def _run_on(generator: np.random.Generator, trunk: Vessel, reach: float) -> Vessel:
    """Let a vessel run on toward the edge of a wide field."""
    if len(trunk.points) < 8:
        return trunk
    heading = trunk.points[-1] - trunk.points[-6]
    angle = float(np.arctan2(heading[1], heading[0]))
    more = wander(generator, trunk.points[-1], angle, (reach - 0.9) * generator.uniform(0.5, 1.1), 1.5)
    widths = float(trunk.widths[-1]) * np.linspace(1.0, 0.6, len(more))
    widths = np.maximum(np.concatenate([trunk.widths, widths]), 0.006)
    return Vessel(points=np.concatenate([trunk.points, more]), widths=widths, vein=trunk.vein, order=0)


def _vessel(points: np.ndarray, width: float, taper: float, vein: bool, order: int) -> Vessel:
    narrowing = 1 - (1 - taper) * np.linspace(0, 1, len(points)) ** 1.5
    return Vessel(points=points, widths=width * narrowing, vein=vein, order=order)


def _arcade(
    generator: np.random.Generator, disc: np.ndarray, fovea: np.ndarray, nasal: float, up: float, disc_radius: float
) -> np.ndarray:
    """A temporal arcade: out of the disc, around the fovea, and off to the temporal side, float (70, 2)."""
    height = up * generator.uniform(0.38, 0.8)
    start = disc + generator.normal(0, 0.22 * disc_radius, 2)
    first = disc + np.array([nasal * generator.uniform(-0.25, 0.16), height * generator.uniform(0.6, 1.15)])
    second = fovea + np.array([-nasal * generator.uniform(-0.1, 0.4), height * generator.uniform(0.9, 1.4)])
    last = fovea + np.array([-nasal * generator.uniform(0.8, 1.5), height * generator.uniform(0.2, 1.6)])
    t = np.linspace(0, 1, 70)[:, None]
    path: np.ndarray = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * last
    return path


def _leave_disc(generator: np.random.Generator, disc: np.ndarray, side: float, up: float, length: float) -> np.ndarray:
    angle = np.arctan2(up * generator.uniform(0.5, 1.6), side)
    return wander(generator, disc + generator.normal(0, 0.02, 2), float(angle), length, generator.uniform(0.8, 2.5))


def _ripple(generator: np.random.Generator, path: np.ndarray, tortuosity: float) -> np.ndarray:
    """Let a path swing to both sides, in waves of .1 to .7 radii; its start stays."""
    along = np.gradient(path, axis=0)
    step = np.hypot(*along.T)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / (step[:, None] + 1e-6)
    length = np.cumsum(step)
    wavelengths = np.array([0.7, 0.4, 0.22, 0.11]) * generator.uniform(0.8, 1.25, 4)
    heights = tortuosity * wavelengths * generator.uniform(0.01, 0.045, 4)
    swing = (heights * np.sin(2 * np.pi * (length[:, None] / wavelengths) + generator.uniform(0, 6.3, 4))).sum(axis=1)
    swung: np.ndarray = path + across * (swing * np.minimum(length / 0.15, 1))[:, None]
    return swung


def _branches(
    generator: np.random.Generator, parent: Vessel, order: int, fovea: np.ndarray, tortuosity: float
) -> list[Vessel]:
    """Branches to alternating sides, the thicker the longer."""
    length = float(np.hypot(*np.diff(parent.points, axis=0).T).sum())
    apart = generator.uniform(0.1, 0.26) if order == 1 else generator.uniform(0.08, 0.2)
    count = int(length / apart) if len(parent.points) > 12 else 0
    first = 8 if order == 1 else 3  # the disc itself has few branchings
    places = np.sort(generator.integers(first, max(first + 1, len(parent.points) - 3), count))
    side = generator.choice([-1.0, 1.0])
    branches = []
    for at in places:
        side = -side if generator.random() < 0.75 else side
        width = float(parent.widths[at]) * generator.uniform(0.35 if order == 1 else 0.3, 0.72)
        if width < _THINNEST:
            continue
        direction = parent.points[at + 2] - parent.points[at]
        angle = float(np.arctan2(direction[1], direction[0])) + side * generator.uniform(0.45, 1.25)
        reach = float(np.clip(width / 0.009 * generator.uniform(0.35, 1.0), 0.14, 1.0))
        path = wander(generator, parent.points[at], angle, reach, 4.5 * tortuosity)
        branches.append(_spare_fovea(_vessel(path, width, 0.15, parent.vein, order), fovea))
    return [branch for branch in branches if len(branch.points) > 3]


def _spare_fovea(vessel: Vessel, fovea: np.ndarray) -> Vessel:
    """End a vessel where it would enter the center of the macula."""
    inside = np.hypot(*(vessel.points - fovea).T) < _AVASCULAR
    if not inside.any():
        return vessel
    stop = int(np.argmax(inside))
    return Vessel(points=vessel.points[:stop], widths=vessel.widths[:stop], vein=vessel.vein, order=vessel.order)
