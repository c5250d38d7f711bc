"""What is no diabetic retinopathy: drusen, scars, laser spots, asteroid bodies, in healthy and sick eyes alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dr_core.data.phantom import shapes
from dr_core.data.phantom.canvas import Canvas, wander

Change = tuple[float, float, float]

_PALE: Change = (0.6, 1.0, 1.1)
_DARK: Change = (0.95, 1.0, 0.8)
_WHITE: Change = (0.45, 0.9, 1.3)


@dataclass(frozen=True, kw_only=True)
class OtherFinding:
    """One kind of what is no lesion of diabetic retinopathy.

    Attributes:
        change: Relative change of red, green and blue.
        softness: Blur of its edge, unit coordinates.
        spots: Float (N, 3): x, y, radius, unit coordinates.
        outlines: Closed outlines, each float (N, 2).
        strokes: Curves, each float (N, 2).
        width: Width of the curves.
    """

    change: Change
    softness: float
    spots: np.ndarray | None = None
    outlines: tuple[np.ndarray, ...] = ()
    strokes: tuple[np.ndarray, ...] = ()
    width: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where findings can lie.

    Attributes:
        disc: Center of the optic disc.
        disc_radius: Its radius.
        fovea: Center of the fovea.
        reach: Radius of the field, unit coordinates.
    """

    disc: np.ndarray
    disc_radius: float
    fovea: np.ndarray
    reach: float


def sample_other_findings(generator: np.random.Generator, site: Site, age: float) -> tuple[OtherFinding, ...]:
    """Draw what an eye has besides diabetic retinopathy."""
    old = float(np.clip((age - 45) / 35, 0, 1))
    found: list[OtherFinding] = []
    for sampler, share in _KINDS:
        chance = share * (0.4 + 1.6 * old) if sampler in (_drusen, _soft_drusen) else share
        if generator.random() < chance:
            found.extend(sampler(generator, site))
    return tuple(found)


def draw_other_findings(canvas: Canvas, pixels: np.ndarray, findings: tuple[OtherFinding, ...]) -> np.ndarray:
    """Change the light where they lie, float32 (3, S, S)."""
    for finding in findings:
        layer = canvas.blank()
        for x, y, radius in finding.spots if finding.spots is not None else ():
            canvas.disc(layer, np.array([x, y]), float(radius))
        for outline in finding.outlines:
            canvas.patch(layer, outline)
        for path in finding.strokes:
            canvas.stroke(layer, path, finding.width)
        cover = canvas.soften(layer, finding.softness).astype(np.float32) / 255
        for plane, change in zip(pixels, finding.change, strict=True):
            plane *= 1 + np.float32(change) * cover
    return pixels


def _spots(places: np.ndarray, radii: np.ndarray, change: np.ndarray, softness: float = 0.6) -> OtherFinding:
    red, green, blue = (float(value) for value in change)
    blur = softness * float(radii.mean())
    return OtherFinding(change=(red, green, blue), softness=blur, spots=np.column_stack([places, radii]))


def _anywhere(generator: np.random.Generator, site: Site, count: int) -> np.ndarray:
    angle, distance = generator.uniform(0, 2 * np.pi, count), 0.92 * site.reach * np.sqrt(generator.random(count))
    places: np.ndarray = np.stack([np.cos(angle), np.sin(angle)], axis=1) * distance[:, None]
    return places


def _drusen(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    count = int(generator.integers(3, 50))
    center = site.fovea + generator.normal(0, 0.12, 2)
    places = center + generator.normal(0, generator.uniform(0.1, 0.4), (count, 2))
    return [_spots(places, generator.uniform(0.006, 0.02, count), generator.uniform(0.05, 0.22) * np.array(_PALE))]


def _soft_drusen(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    count = int(generator.integers(5, 40))
    places = site.fovea + generator.normal(0, generator.uniform(0.1, 0.3), (count, 2))
    return [
        _spots(places, generator.uniform(0.012, 0.035, count), generator.uniform(0.06, 0.25) * np.array(_PALE), 0.9)
    ]


def _pale_reflections(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    count = int(generator.integers(1, 4))
    change = generator.uniform(0.05, 0.2) * np.array(_PALE)
    return [_spots(_anywhere(generator, site, count), generator.uniform(0.03, 0.1, count), change, 0.9)]


def _laser_spots(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    """Old burns: pale, with pigment in their middle; outside the arcades, seldom in a grid at the macula."""
    count = int(generator.integers(15, 160) * min(1.0, site.reach) ** 2)
    places = _anywhere(generator, site, 3 * count)
    inner = 0.2 if generator.random() < 0.15 else generator.uniform(0.5, 0.8)
    clear = (np.hypot(*(places - site.fovea).T) > inner) & (np.hypot(*(places - site.disc).T) > 2 * site.disc_radius)
    places = places[clear][:count]
    if not len(places):
        return []
    radii = generator.uniform(0.012, 0.028) * generator.uniform(0.7, 1.3, len(places))
    pale = _spots(places, radii, generator.uniform(0.06, 0.3) * np.array(_PALE), 0.4)
    pigmented = generator.random(len(places)) < generator.uniform(0.1, 0.9)
    if not pigmented.any():
        return [pale]
    change = -generator.uniform(0.2, 0.6) * np.array(_DARK)
    return [pale, _spots(places[pigmented], 0.55 * radii[pigmented], change, 0.4)]


def _scar(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    """A patch where the choroid is lost, with clumps of pigment."""
    center = site.fovea + generator.normal(0, 0.35, 2)
    size = generator.uniform(0.05, 0.24)
    change = generator.uniform(0.3, 1.0) * np.array(_WHITE)
    patch = shapes.outline_blob(generator, center, size, 0.5)
    clumps = center + generator.normal(0, 0.7 * size, (int(generator.integers(2, 14)), 2))
    pigment = _spots(
        clumps, generator.uniform(0.008, 0.03, len(clumps)), -generator.uniform(0.3, 0.75) * np.array(_DARK)
    )
    red, green, blue = (float(value) for value in change)
    return [OtherFinding(change=(red, green, blue), softness=0.008, outlines=(patch,)), pigment]


def _nevus(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    change = -generator.uniform(0.12, 0.45) * np.array(_DARK)
    return [_spots(_anywhere(generator, site, 1), generator.uniform(0.03, 0.14, 1), change, 0.3)]


def _pigment(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    """Specks of pigment: as dark in red as in green, unlike blood."""
    count = int(generator.integers(2, 20))
    places = _anywhere(generator, site, 1) + generator.normal(0, generator.uniform(0.05, 0.4), (count, 2))
    return [
        _spots(places, generator.uniform(0.004, 0.013, count), -generator.uniform(0.15, 0.5) * np.array(_DARK), 0.4)
    ]


def _asteroid_bodies(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    count = int(generator.integers(30, 220))
    places = generator.normal(0, 0.25 * site.reach, 2) + generator.normal(0, 0.4 * site.reach, (count, 2))
    change = generator.uniform(0.25, 0.9) * np.array([0.7, 0.9, 0.8])
    return [_spots(places, generator.uniform(0.005, 0.014, count), change, 0.7)]


def _myelinated_fibres(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    bearing = generator.choice([-1, 1]) * generator.uniform(0.8, 2.2)
    strokes = []
    for angle in bearing + generator.normal(0, 0.3, int(generator.integers(20, 60))):
        start = site.disc + site.disc_radius * np.array([np.cos(angle), np.sin(angle)])
        strokes.append(wander(generator, start, float(angle), generator.uniform(0.05, 0.28), 0.8))
    change = generator.uniform(0.4, 1.1) * np.array(_WHITE)
    red, green, blue = (float(value) for value in change)
    return [OtherFinding(change=(red, green, blue), softness=0.006, strokes=tuple(strokes), width=0.014)]


def _floaters(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    """Strands in the vitreous, out of focus."""
    starts = _anywhere(generator, site, int(generator.integers(1, 4)))
    strokes = tuple(
        wander(generator, start, generator.uniform(0, 6.3), generator.uniform(0.1, 0.6), 8.0) for start in starts
    )
    dark = -generator.uniform(0.08, 0.3)
    width = generator.uniform(0.01, 0.04)
    return [OtherFinding(change=(dark, dark, dark), softness=width, strokes=strokes, width=width)]


def _vessel_sheath(generator: np.random.Generator, site: Site) -> list[OtherFinding]:
    """Pale sheaths and remnants on the disc."""
    strokes = []
    for _ in range(int(generator.integers(1, 5))):
        start = site.disc + generator.normal(0, 0.4 * site.disc_radius, 2)
        strokes.append(wander(generator, start, generator.uniform(0, 6.3), generator.uniform(0.06, 0.25), 2.0))
    change = generator.uniform(0.1, 0.4) * np.array(_PALE)
    red, green, blue = (float(value) for value in change)
    return [OtherFinding(change=(red, green, blue), softness=0.006, strokes=tuple(strokes), width=0.016)]


_KINDS: tuple[tuple[Callable[[np.random.Generator, Site], list[OtherFinding]], float], ...] = (
    (_drusen, 0.2),
    (_soft_drusen, 0.06),
    (_pale_reflections, 0.12),
    (_laser_spots, 0.03),
    (_scar, 0.025),
    (_nevus, 0.025),
    (_pigment, 0.06),
    (_asteroid_bodies, 0.012),
    (_myelinated_fibres, 0.012),
    (_floaters, 0.05),
    (_vessel_sheath, 0.03),
)
"""Each kind and its share of the eyes; that of drusen rises with age."""
