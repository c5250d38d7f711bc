"""A patient's eye without disease: its colors, its disc and fovea, its vessels, and what only looks like a lesion."""

from dataclasses import dataclass

import numpy as np

from dr_core.data.grades import Side
from dr_core.data.phantom.canvas import wander


@dataclass(frozen=True, kw_only=True)
class Style:
    """What both eyes of a patient share: skin of the retina, camera and light.

    Attributes:
        color: Mean red, green and blue of the retina, of 1.
        radius: Radius of the field of view as a share of the image's side.
        cut: Half-height at which the frame cuts the field, in radii; 1 or more where it does not.
        notch: Angle of the notch in the rim, or None.
        tessellation: Strength of the choroidal vessels.
        mottle: Strength of the fine texture.
        artery: Absorption of arteries.
        vein: Absorption of veins.
        blur: Blur of the optics in radii.
        noise: Standard deviation of the sensor's noise, of 1.
        gamma: Exponent of the camera.
        jpeg_quality: Quality of the file.
        vignette: Loss of light toward the rim.
        sheen: Strength of the reflexes of a young retina.
        haze: Strength of a veil of stray light.
    """

    color: tuple[float, float, float]
    radius: float
    cut: float
    notch: float | None
    tessellation: float
    mottle: float
    artery: float
    vein: float
    blur: float
    noise: float
    gamma: float
    jpeg_quality: int
    vignette: float
    sheen: float
    haze: float


def draw_style(generator: np.random.Generator) -> Style:
    """Draw a patient's style; it knows nothing of the grade."""
    red = generator.uniform(0.33, 0.86)
    green = red * generator.uniform(0.35, 0.62)
    blue = green * min(0.85, 0.04 + generator.beta(1.3, 1.8) * 0.8)
    chance = generator.random
    return Style(
        color=(red, green, blue),
        radius=generator.uniform(0.46, 0.5),
        cut=generator.uniform(0.76, 0.92) if chance() < 0.6 else 1.1,
        notch=generator.choice([-0.6, 0.6]) + generator.normal(0, 0.1) if chance() < 0.6 else None,
        tessellation=generator.choice([0.02, 0.1, 0.3], p=[0.5, 0.35, 0.15]) * generator.uniform(0.5, 1.3),
        mottle=generator.uniform(0.01, 0.045),
        artery=generator.uniform(0.25, 0.5),
        vein=generator.uniform(0.45, 0.85),
        blur=abs(generator.normal(0, 0.004)) + 0.001,
        noise=generator.uniform(0.002, 0.018),
        gamma=generator.uniform(0.85, 1.2),
        jpeg_quality=int(generator.integers(60, 96)),
        vignette=generator.uniform(0.05, 0.5),
        sheen=generator.uniform(0.1, 1.0) if chance() < 0.45 else 0.0,
        haze=generator.uniform(0.03, 0.4) if chance() < 0.35 else 0.0,
    )


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


@dataclass(frozen=True)
class Lookalikes:
    """Spots that are no lesions: drusen (pale, small), dust on the lens (gray), reflections (pale, large).

    Attributes:
        spots: Float (N, 3): x, y, radius, unit coordinates.
        change: Relative change of brightness.
        softness: Blur of their edge as a share of the radius.
    """

    spots: np.ndarray
    change: float
    softness: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Where the parts of one eye lie, unit coordinates.

    Attributes:
        side: Right or left eye.
        disc: Center of the optic disc.
        disc_radius: Its radius.
        disc_aspect: Height over width.
        cup: Radius of the cup as a share of the disc's.
        fovea: Center of the fovea.
        fovea_depth: How dark the macula is.
        light: Where the light is brightest.
        vessels: The vessels, thin ones first.
        choroid: Choroidal vessels, each float (N, 2).
        lookalikes: What only looks like a lesion.
        crescent: Strength of the pale crescent beside the disc.
        streaks: Nerve fibre streaks, each float (N, 2).
        reflexes: Where a young retina shines: beside vessels and around the macula, each float (N, 2).
    """

    side: Side
    disc: np.ndarray
    disc_radius: float
    disc_aspect: float
    cup: float
    fovea: np.ndarray
    fovea_depth: float
    light: np.ndarray
    vessels: tuple[Vessel, ...]
    choroid: tuple[np.ndarray, ...]
    lookalikes: tuple[Lookalikes, ...]
    crescent: float
    streaks: tuple[np.ndarray, ...]
    reflexes: tuple[np.ndarray, ...]


def draw_anatomy(generator: np.random.Generator, side: Side) -> Anatomy:
    """Draw the anatomy of one eye; the disc lies toward the nose, to the right in a right eye's photograph."""
    nasal = 1.0 if side == "right" else -1.0
    disc_radius = generator.uniform(0.125, 0.18)
    apart = generator.uniform(0.66, 0.84)
    shift = (
        np.clip(generator.normal(0.0, 0.16), -0.55, 0.2) if generator.random() < 0.8 else generator.uniform(-0.75, -0.4)
    )
    fovea = np.array([nasal * shift, generator.normal(0.02, 0.08)])
    disc = fovea + np.array([nasal * apart, generator.normal(-0.06, 0.07)])
    vessels = _grow_vessels(generator, disc, fovea, disc_radius, nasal)
    return Anatomy(
        side=side,
        disc=disc,
        disc_radius=disc_radius,
        disc_aspect=generator.uniform(1.0, 1.18),
        cup=generator.uniform(0.25, 0.6),
        fovea=fovea,
        fovea_depth=generator.uniform(0.1, 0.75),
        light=generator.normal(0, 0.3, 2),
        vessels=tuple(vessels),
        choroid=tuple(_draw_choroid(generator)),
        lookalikes=tuple(_draw_lookalikes(generator)),
        crescent=generator.uniform(0.1, 0.5) if generator.random() < 0.3 else 0.0,
        streaks=tuple(_draw_streaks(generator, disc, disc_radius)),
        reflexes=tuple(_draw_reflexes(generator, vessels, fovea)),
    )


def _grow_vessels(
    generator: np.random.Generator, disc: np.ndarray, fovea: np.ndarray, disc_radius: float, nasal: float
) -> list[Vessel]:
    trunks: list[Vessel] = []
    tortuosity = generator.uniform(1.0, 4.0)
    for vein in (True, False):
        for up in (-1.0, 1.0):
            width = generator.uniform(0.02, 0.032) * (1.0 if vein else 0.72)
            temporal = _arcade(generator, disc, fovea, nasal, up, disc_radius)
            trunks.append(_vessel(temporal, width, 0.45, vein, 0))
            angle = np.arctan2(up * generator.uniform(0.5, 1.3), nasal)
            nasal_path = wander(generator, disc + generator.normal(0, 0.02, 2), angle, 1.2, tortuosity)
            trunks.append(_vessel(nasal_path, width * 0.75, 0.4, vein, 0))
        for _ in range(generator.integers(1, 3)):  # small vessels from the disc to the macula
            angle = np.arctan2(generator.normal(0, 0.5), -nasal)
            path = wander(generator, disc, angle, generator.uniform(0.3, 0.6), tortuosity)
            trunks.append(_vessel(path, generator.uniform(0.008, 0.014), 0.4, vein, 1))
    vessels = list(trunks)
    level = trunks
    for order in (1, 2, 3):
        level = [branch for vessel in level for branch in _branches(generator, vessel, order, fovea, tortuosity)]
        vessels.extend(level)
    return sorted(vessels, key=lambda vessel: float(vessel.widths[0]))


def _vessel(points: np.ndarray, width: float, taper: float, vein: bool, order: int) -> Vessel:
    return Vessel(points=points, widths=np.linspace(width, width * taper, len(points)), vein=vein, order=order)


def _arcade(
    generator: np.random.Generator, disc: np.ndarray, fovea: np.ndarray, nasal: float, up: float, disc_radius: float
) -> np.ndarray:
    """A temporal arcade: out of the disc, around the fovea, and off to the temporal side."""
    height = up * generator.uniform(0.45, 0.72)
    start = disc + generator.normal(0, 0.2 * disc_radius, 2)
    first = disc + np.array([nasal * generator.uniform(-0.1, 0.12), height * generator.uniform(0.7, 1.1)])
    second = fovea + np.array([-nasal * generator.uniform(0.1, 0.4), height * generator.uniform(0.95, 1.3)])
    last = fovea + np.array([-nasal * generator.uniform(0.8, 1.1), height * generator.uniform(0.2, 1.0)])
    t = np.linspace(0, 1, 70)[:, None]
    curve = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * last
    wave = np.cumsum(np.cumsum(generator.normal(0, 0.0011, (70, 2)), axis=0), axis=0)
    ripple = 0.006 * np.sin(t * generator.uniform(15, 40) + generator.uniform(0, 6))
    return curve + (wave - t * wave[-1]) + ripple * np.array([0.4, 1.0])


def _branches(
    generator: np.random.Generator, parent: Vessel, order: int, fovea: np.ndarray, tortuosity: float
) -> list[Vessel]:
    count = generator.integers(*((4, 9), (2, 5), (0, 3))[order - 1]) if len(parent.points) > 12 else 0
    branches = []
    for _ in range(count):
        at = int(generator.integers(4, len(parent.points) - 3))
        width = float(parent.widths[at]) * generator.uniform(0.3, 0.62)
        if width < 0.0025:
            continue
        direction = parent.points[at + 2] - parent.points[at]
        turn = generator.choice([-1, 1]) * generator.uniform(0.35, 0.95)
        angle = float(np.arctan2(direction[1], direction[0])) + turn
        path = wander(generator, parent.points[at], angle, generator.uniform(0.25, 0.75) / order**0.5, 1.6 * tortuosity)
        outside_fovea = np.hypot(*(path - fovea).T) > 0.13  # the center of the macula has no vessels
        stop = len(path) if outside_fovea.all() else int(np.argmin(outside_fovea))
        if stop > 3:
            branches.append(_vessel(path[:stop], width, 0.5, parent.vein, order))
    return branches


def _draw_choroid(generator: np.random.Generator) -> list[np.ndarray]:
    paths = []
    for _ in range(generator.integers(25, 120)):
        start = generator.uniform(-1, 1, 2)
        angle = float(np.arctan2(start[1], start[0])) + generator.normal(0, 0.6)
        paths.append(wander(generator, start, angle, generator.uniform(0.3, 1.1), 3.0))
    return paths


def _draw_streaks(generator: np.random.Generator, disc: np.ndarray, disc_radius: float) -> list[np.ndarray]:
    """Nerve fibre streaks that leave the disc."""
    paths = []
    for _ in range(generator.integers(0, 60)):
        angle = generator.choice([-1, 1]) * generator.uniform(0.6, 2.5)
        start = disc + disc_radius * np.array([np.cos(angle), np.sin(angle)])
        paths.append(wander(generator, start, float(angle), generator.uniform(0.1, 0.45), 0.8))
    return paths


def _draw_reflexes(generator: np.random.Generator, vessels: list[Vessel], fovea: np.ndarray) -> list[np.ndarray]:
    """Paths of the pale sheen beside large vessels, around the fovea and on the macula."""
    paths = []
    for vessel in vessels:
        if vessel.order == 0 and len(vessel.points) > 20:
            along = np.gradient(vessel.points, axis=0)
            across = np.stack([-along[:, 1], along[:, 0]], axis=1) / (np.hypot(*along.T)[:, None] + 1e-6)
            for side in (-1, 1):
                start = int(generator.integers(0, len(vessel.points) - 15))
                stop = start + int(generator.integers(10, 45))
                offset = side * (vessel.widths[:, None] / 2 + generator.uniform(0.006, 0.03))
                paths.append((vessel.points + across * offset)[start:stop])
    if generator.random() < 0.5:
        angle = np.linspace(0, 2 * np.pi, 60)
        ring = generator.uniform(0.14, 0.3) * np.stack(
            [np.cos(angle) * generator.uniform(1, 1.3), np.sin(angle)], axis=1
        )
        first = int(generator.integers(0, 30))
        paths.append(fovea + ring[first : first + int(generator.integers(15, 60))])
    for _ in range(generator.integers(0, 14)):
        bearing = generator.uniform(0, 6.3)
        place = fovea + generator.uniform(0.18, 0.6) * np.array([np.cos(bearing), np.sin(bearing)])
        paths.append(wander(generator, place, float(bearing + np.pi / 2), generator.uniform(0.05, 0.3), 3.0))
    return paths


def _draw_lookalikes(generator: np.random.Generator) -> list[Lookalikes]:
    """Drusen, dust and reflections; in healthy and sick eyes alike."""
    kinds = []
    if generator.random() < 0.25:
        count = generator.integers(3, 40)
        places = generator.normal(0, 0.3, 2) + generator.normal(0, generator.uniform(0.1, 0.4), (count, 2))
        radii = generator.uniform(0.006, 0.02, count)
        kinds.append(Lookalikes(np.column_stack([places, radii]), generator.uniform(0.05, 0.18), 0.6))
    if generator.random() < 0.15:
        count = generator.integers(1, 6)
        places, radii = generator.uniform(-0.9, 0.9, (count, 2)), generator.uniform(0.02, 0.05, count)
        kinds.append(Lookalikes(np.column_stack([places, radii]), generator.uniform(-0.18, -0.06), 0.8))
    if generator.random() < 0.15:
        count = generator.integers(1, 4)
        places, radii = generator.uniform(-0.9, 0.9, (count, 2)), generator.uniform(0.03, 0.1, count)
        kinds.append(Lookalikes(np.column_stack([places, radii]), generator.uniform(0.05, 0.2), 0.9))
    return kinds
