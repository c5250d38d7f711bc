"""Lesions: what is planned for a grade, where it lies, and what a grader would count."""

from dataclasses import dataclass, field

import numpy as np

from dr_core.data.grades import LesionFindings
from dr_core.data.phantom.anatomy import Anatomy, Style
from dr_core.data.phantom.canvas import blob_outline, wander

_QUADRANTS = ((1, -1), (-1, -1), (-1, 1), (1, 1))
"""Signs of x and y in each quadrant of the field."""


@dataclass(frozen=True, kw_only=True)
class LesionPlan:
    """The lesions of one eye, unit coordinates.

    Attributes:
        microaneurysms: Float (N, 3): x, y, radius.
        haemorrhages: Outlines of intraretinal haemorrhages, each float (M, 2).
        exudates: Outlines of hard exudates.
        soft_exudates: Outlines of soft exudates.
        irma: Paths of intraretinal microvascular abnormalities, by quadrant.
        beaded: Quadrants whose veins are beaded.
        new_vessels: Paths of new vessels.
        preretinal: Outlines of preretinal haemorrhages.
        vitreous: Center and spread of vitreous haemorrhages, float (N, 3).
    """

    microaneurysms: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    haemorrhages: tuple[np.ndarray, ...] = ()
    exudates: tuple[np.ndarray, ...] = ()
    soft_exudates: tuple[np.ndarray, ...] = ()
    irma: tuple[tuple[np.ndarray, ...], ...] = ((), (), (), ())
    beaded: tuple[int, ...] = ()
    new_vessels: tuple[np.ndarray, ...] = ()
    preretinal: tuple[np.ndarray, ...] = ()
    vitreous: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))

    def findings(self) -> LesionFindings:
        """Count what is drawn, as a grader would."""
        quadrants = [quadrant_of(outline.mean(axis=0)) for outline in self.haemorrhages]
        return LesionFindings(
            microaneurysms=len(self.microaneurysms),
            haemorrhages_by_quadrant=tuple(quadrants.count(number) for number in range(4)),  # type: ignore[arg-type]
            hard_exudates=len(self.exudates),
            soft_exudates=len(self.soft_exudates),
            venous_beading_quadrants=len(self.beaded),
            irma_quadrants=sum(bool(paths) for paths in self.irma),
            new_vessels=bool(self.new_vessels),
            vitreous_or_preretinal_haemorrhage=bool(self.preretinal) or len(self.vitreous) > 0,
        )


def quadrant_of(point: np.ndarray) -> int:
    """Number 0..3 of the quadrant of the field in which a point lies."""
    return _QUADRANTS.index((1 if point[0] >= 0 else -1, 1 if point[1] >= 0 else -1))


class _Retina:
    """Where lesions may lie: inside what the frame shows, off the disc."""

    def __init__(self, generator: np.random.Generator, anatomy: Anatomy, style: Style) -> None:
        self.generator, self.anatomy = generator, anatomy
        self.half_height = min(style.cut, 1.0) - 0.05

    def count(self, low: int, high: int) -> int:
        """A random number of lesions, low..high-1."""
        return int(self.generator.integers(low, high))

    def shows(self, point: np.ndarray) -> bool:
        clear_of_disc = np.hypot(*(point - self.anatomy.disc)) > 1.2 * self.anatomy.disc_radius
        return bool(np.hypot(*point) < 0.92 and abs(point[1]) < self.half_height and clear_of_disc)

    def place(self, quadrant: int | None = None) -> np.ndarray:
        """A random visible place, in a quadrant or anywhere."""
        while True:
            point = self.generator.uniform(-0.92, 0.92, 2)
            if quadrant is not None:
                point = np.abs(point) * _QUADRANTS[quadrant]
            if self.shows(point):
                return point

    def place_near(self, center: np.ndarray, spread: float) -> np.ndarray:
        """A random visible place near another; anywhere if none is found."""
        for _ in range(20):
            point = center + self.generator.normal(0, spread, 2)
            if self.shows(point):
                return point
        return self.place()


def plan_lesions(generator: np.random.Generator, grade: int, anatomy: Anatomy, style: Style) -> LesionPlan:
    """Plan lesions of which a grader would make this grade.

    Args:
        generator: Source of all draws.
        grade: The grade that is aimed at, 0..4.
        anatomy: The eye.
        style: Its camera; lesions are placed where the frame shows them.

    Returns:
        The plan; `icdr_grade(plan.findings())` equals `grade`.
    """
    if grade == 0:
        return LesionPlan()
    retina = _Retina(generator, anatomy, style)
    if grade == 1:
        return LesionPlan(microaneurysms=_microaneurysms(retina, retina.count(2, 16)))
    if grade == 2:
        return _moderate(retina)
    return _severe(retina) if grade == 3 else _proliferative(retina)


def _moderate(retina: _Retina) -> LesionPlan:
    generator = retina.generator
    kind = generator.choice(["exudates", "haemorrhages", "both"], p=[0.35, 0.3, 0.35])
    haemorrhages = 0 if kind == "exudates" else retina.count(2, 20)
    return LesionPlan(
        microaneurysms=_microaneurysms(retina, retina.count(3, 30)),
        haemorrhages=_haemorrhages(retina, [(None, haemorrhages)]),
        exudates=() if kind == "haemorrhages" else _exudates(retina, retina.count(1, 5)),
        soft_exudates=_soft_exudates(retina, retina.count(0, 4) if generator.random() < 0.3 else 0),
    )


def _severe(retina: _Retina) -> LesionPlan:
    generator = retina.generator
    rules = generator.random(3) < (0.7, 0.3, 0.35)
    if not rules.any():
        rules[0] = True
    quadrants: list[int | None] = [0, 1, 2, 3] if rules[0] else [None]
    many = (22, 40) if rules[0] else (15, 60)
    counts = [(quadrant, retina.count(*many)) for quadrant in quadrants]
    return LesionPlan(
        microaneurysms=_microaneurysms(retina, retina.count(12, 60)),
        haemorrhages=_haemorrhages(retina, counts),
        exudates=_exudates(retina, retina.count(1, 6) if generator.random() < 0.85 else 0),
        soft_exudates=_soft_exudates(retina, retina.count(1, 7) if generator.random() < 0.6 else 0),
        beaded=_some_quadrants(generator, 2) if rules[1] else (),
        irma=_irma(retina, _some_quadrants(generator, 1)) if rules[2] else ((), (), (), ()),
    )


def _proliferative(retina: _Retina) -> LesionPlan:
    generator = retina.generator
    vessels, bleeding = generator.random(2) < (0.8, 0.5)
    bleeding = bleeding or not vessels
    preretinal = bleeding and generator.random() < 0.7
    return LesionPlan(
        microaneurysms=_microaneurysms(retina, retina.count(5, 50)),
        haemorrhages=_haemorrhages(retina, [(None, retina.count(8, 60))]),
        exudates=_exudates(retina, retina.count(1, 5) if generator.random() < 0.6 else 0),
        soft_exudates=_soft_exudates(retina, retina.count(0, 5)),
        irma=_irma(retina, _some_quadrants(generator, 1)) if generator.random() < 0.3 else ((), (), (), ()),
        new_vessels=_new_vessels(retina) if vessels else (),
        preretinal=_preretinal(retina) if preretinal else (),
        vitreous=_vitreous(retina) if bleeding and not preretinal else np.empty((0, 3)),
    )


def _some_quadrants(generator: np.random.Generator, least: int) -> tuple[int, ...]:
    return tuple(sorted(int(q) for q in generator.permutation(4)[: generator.integers(least, 5)]))


def _microaneurysms(retina: _Retina, count: int) -> np.ndarray:
    generator = retina.generator
    around = retina.anatomy.fovea
    places = [retina.place_near(around, 0.4) if generator.random() < 0.6 else retina.place() for _ in range(count)]
    radii = np.clip(generator.lognormal(np.log(0.0075), 0.25, count), 0.004, 0.013)
    return np.column_stack([np.array(places).reshape(-1, 2), radii])


def _haemorrhages(retina: _Retina, counts: list[tuple[int | None, int]]) -> tuple[np.ndarray, ...]:
    return tuple(_haemorrhage(retina, quadrant) for quadrant, count in counts for _ in range(count))


def _haemorrhage(retina: _Retina, quadrant: int | None) -> np.ndarray:
    """A dot, a blot, or a flame along the nerve fibres that leave the disc; its center stays in the quadrant."""
    generator = retina.generator
    center = retina.place(quadrant)
    kind = generator.choice(["dot", "blot", "flame"], p=[0.62, 0.26, 0.12])
    if kind == "dot":
        return blob_outline(generator, center, generator.uniform(0.006, 0.013), 0.15)
    if kind == "blot":
        return _centered(blob_outline(generator, center, generator.uniform(0.013, 0.036), 0.3), center)
    outline = blob_outline(generator, np.zeros(2), 1.0, 0.35) * [
        generator.uniform(0.025, 0.07),
        generator.uniform(0.008, 0.016),
    ]
    along = center - retina.anatomy.disc
    angle = np.arctan2(along[1], along[0]) + generator.normal(0, 0.25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return _centered(outline @ turn + center, center)


def _centered(outline: np.ndarray, center: np.ndarray) -> np.ndarray:
    return outline - outline.mean(axis=0) + center


def _exudates(retina: _Retina, clusters: int) -> tuple[np.ndarray, ...]:
    """Hard exudates in clusters: scattered, dense, or in a ring around a leaking vessel."""
    generator = retina.generator
    outlines: list[np.ndarray] = []
    for _ in range(clusters):
        center = retina.place_near(retina.anatomy.fovea, 0.35)
        kind = generator.choice(["scattered", "dense", "circinate"], p=[0.4, 0.4, 0.2])
        count = retina.count(4, 70) if kind != "circinate" else retina.count(20, 90)
        spread = generator.uniform(0.05, 0.2) if kind == "scattered" else generator.uniform(0.03, 0.1)
        ring = generator.uniform(0.09, 0.25)
        arc = generator.uniform(2.0, 6.3)
        for place in _exudate_places(retina, kind, center, count, spread, (ring, arc)):
            radius = float(np.clip(generator.lognormal(np.log(0.0065), 0.55), 0.0025, 0.03))
            outlines.append(blob_outline(generator, place, radius, 0.35))
        if kind == "dense" and generator.random() < 0.45:
            outlines.append(
                blob_outline(generator, retina.place_near(center, 0.02), generator.uniform(0.025, 0.09), 0.5)
            )
    return tuple(outlines)


def _exudate_places(
    retina: _Retina, kind: str, center: np.ndarray, count: int, spread: float, ring: tuple[float, float]
) -> list[np.ndarray]:
    generator = retina.generator
    if kind != "circinate":
        stretch = generator.uniform(0.4, 1.0)
        return [retina.place_near(center + generator.normal(0, spread, 2) * [1, stretch], 0.01) for _ in range(count)]
    angles = generator.uniform(0, ring[1], count) + generator.uniform(0, 6.3)
    rim = center + ring[0] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [retina.place_near(place, 0.02) for place in rim]


def _soft_exudates(retina: _Retina, count: int) -> tuple[np.ndarray, ...]:
    generator = retina.generator
    places = [retina.place_near(retina.anatomy.disc, 0.5) for _ in range(count)]
    return tuple(blob_outline(generator, place, generator.uniform(0.025, 0.06), 0.4) for place in places)


def _irma(retina: _Retina, quadrants: tuple[int, ...]) -> tuple[tuple[np.ndarray, ...], ...]:
    return tuple(
        tuple(_tangle(retina, retina.place(number), 8, 0.09)) if number in quadrants else () for number in range(4)
    )


def _tangle(retina: _Retina, center: np.ndarray, count: int, reach: float) -> list[np.ndarray]:
    """Fine, very tortuous vessels around a center."""
    generator = retina.generator
    return [
        wander(generator, center + generator.normal(0, reach / 3, 2), generator.uniform(0, 6.3), reach * 2, 40.0)
        for _ in range(count)
    ]


def _new_vessels(retina: _Retina) -> tuple[np.ndarray, ...]:
    """Nets of new vessels at the disc, elsewhere, or both."""
    generator = retina.generator
    at_disc = generator.random() < 0.5
    elsewhere = retina.count(1, 4) if not at_disc or generator.random() < 0.4 else 0
    paths: list[np.ndarray] = []
    if at_disc:
        paths += _tangle(retina, retina.anatomy.disc, retina.count(20, 45), generator.uniform(0.12, 0.22))
    for _ in range(elsewhere):
        paths += _tangle(retina, retina.place(), retina.count(14, 35), generator.uniform(0.08, 0.18))
    return tuple(paths)


def _preretinal(retina: _Retina) -> tuple[np.ndarray, ...]:
    """Boat-shaped blood in front of the retina, with a level top."""
    generator = retina.generator
    outlines = []
    for _ in range(retina.count(1, 3)):
        width, depth = generator.uniform(0.1, 0.32), generator.uniform(0.06, 0.2)
        angle = np.linspace(0, np.pi, 20)
        boat = np.stack([np.cos(angle) * width, np.sin(angle) * depth], axis=1)
        outlines.append(retina.place() + boat + generator.normal(0, 0.005, boat.shape))
    return tuple(outlines)


def _vitreous(retina: _Retina) -> np.ndarray:
    generator = retina.generator
    count = retina.count(1, 4)
    places = np.array([retina.place() for _ in range(count)])
    return np.column_stack([places, generator.uniform(0.1, 0.28, count)])
