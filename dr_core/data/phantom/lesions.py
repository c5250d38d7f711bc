"""What is planned for a grade, and what a grader would count of it."""

from dataclasses import dataclass, field

import numpy as np

from dr_core.data.grades import LesionFindings
from dr_core.data.phantom import shapes
from dr_core.data.phantom.anatomy import Anatomy
from dr_core.data.phantom.patient import Style
from dr_core.data.phantom.placement import QUADRANTS, Placement, quadrant_of

_NO_IRMA: tuple[tuple[np.ndarray, ...], ...] = ((), (), (), ())


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
    irma: tuple[tuple[np.ndarray, ...], ...] = _NO_IRMA
    beaded: tuple[int, ...] = ()
    new_vessels: tuple[np.ndarray, ...] = ()
    preretinal: tuple[np.ndarray, ...] = ()
    vitreous: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))

    @property
    def bleeds(self) -> bool:
        """Whether there is any blood outside the vessels but in microaneurysms."""
        return bool(self.haemorrhages or self.preretinal) or len(self.vitreous) > 0

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


def plan_lesions(generator: np.random.Generator, grade: int, anatomy: Anatomy, style: Style) -> LesionPlan:
    """Plan lesions of which a grader would make this grade.

    Args:
        generator: Source of all draws.
        grade: The grade that is aimed at, 0..4.
        anatomy: The eye.
        style: Its camera; every lesion's center lies where the frame shows it.

    Returns:
        The plan; `icdr_grade(plan.findings())` equals `grade`.
    """
    if grade == 0:
        return LesionPlan()
    retina = Placement(generator, anatomy, style)
    if grade == 1:
        return LesionPlan(microaneurysms=_microaneurysms(retina, _number(retina, 2, 16)))
    if grade == 2:
        return _moderate(retina)
    return _severe(retina) if grade == 3 else _proliferative(retina)


def _number(retina: Placement, low: int, high: int) -> int:
    """A number of lesions, low..high."""
    return int(retina.generator.integers(low, high + 1))


def _moderate(retina: Placement) -> LesionPlan:
    generator = retina.generator
    kind = generator.choice(["exudates", "haemorrhages", "both"], p=[0.35, 0.3, 0.35])
    haemorrhages = 0 if kind == "exudates" else _number(retina, 2, 16)
    return LesionPlan(
        microaneurysms=_microaneurysms(retina, _number(retina, 3, 40)),
        haemorrhages=_haemorrhages(retina, [(None, haemorrhages)]),
        exudates=() if kind == "haemorrhages" else _exudates(retina, _number(retina, 1, 4)),
        soft_exudates=_soft_exudates(retina, _number(retina, 0, 3) if generator.random() < 0.3 else 0),
    )


def _severe(retina: Placement) -> LesionPlan:
    """At least one of 4-2-1: haemorrhages in four quadrants, beading in two, IRMA in one."""
    generator = retina.generator
    beadable = _quadrants_with_veins(retina)
    count, beading, irma = generator.random(3) < (0.3, 0.4 if len(beadable) > 1 else 0.0, 0.5)
    irma = irma or not (count or beading)
    counts: list[tuple[int | None, int]] = [(None, _number(retina, 8, 32))]
    if count:
        counts = [(quadrant, _number(retina, 21, 34)) for quadrant in range(4)]
    return LesionPlan(
        microaneurysms=_microaneurysms(retina, _number(retina, 12, 90)),
        haemorrhages=_haemorrhages(retina, counts),
        exudates=_exudates(retina, _number(retina, 3, 9) if generator.random() < 0.85 else 0),
        soft_exudates=_soft_exudates(retina, _number(retina, 1, 7) if generator.random() < 0.6 else 0),
        beaded=_some_quadrants(generator, beadable, 2) if beading else (),
        irma=_irma(retina) if irma else _NO_IRMA,
    )


def _proliferative(retina: Placement) -> LesionPlan:
    generator = retina.generator
    vessels, bleeding = generator.random(2) < (0.8, 0.5)
    bleeding = bleeding or not vessels
    preretinal = bleeding and generator.random() < 0.7
    return LesionPlan(
        microaneurysms=_microaneurysms(retina, _number(retina, 5, 70)),
        haemorrhages=_haemorrhages(retina, [(None, _number(retina, 6, 45))]),
        exudates=_exudates(retina, _number(retina, 1, 4) if generator.random() < 0.6 else 0),
        soft_exudates=_soft_exudates(retina, _number(retina, 0, 4)),
        irma=_irma(retina) if generator.random() < 0.3 else _NO_IRMA,
        new_vessels=_new_vessels(retina) if vessels else (),
        preretinal=_preretinal(retina) if preretinal else (),
        vitreous=_vitreous(retina) if bleeding and not preretinal else np.empty((0, 3)),
    )


def _quadrants_with_veins(retina: Placement) -> list[int]:
    """Quadrants that show enough of a large vein for its beading to be seen."""
    veins = [vessel.points for vessel in retina.anatomy.vessels if vessel.vein and vessel.order == 0]
    points = np.concatenate(veins)
    shown = [quadrant_of(point) for point in points[retina.shows(points)]]
    return [number for number in range(len(QUADRANTS)) if shown.count(number) >= _BEADABLE_POINTS]


_BEADABLE_POINTS = 12
"""Points of a large vein, about .02 radii apart, that a quadrant must show."""


def _some_quadrants(generator: np.random.Generator, among: list[int], least: int) -> tuple[int, ...]:
    return tuple(sorted(int(q) for q in generator.permutation(among)[: generator.integers(least, len(among) + 1)]))


def _microaneurysms(retina: Placement, count: int) -> np.ndarray:
    generator = retina.generator
    fovea = retina.anatomy.fovea
    places = [retina.near(fovea, 0.4) if generator.random() < 0.6 else retina.anywhere() for _ in range(count)]
    radii = np.clip(generator.lognormal(np.log(0.0054), 0.25, count), 0.0038, 0.011)
    return np.column_stack([np.array(places).reshape(-1, 2), radii])


def _haemorrhages(retina: Placement, counts: list[tuple[int | None, int]]) -> tuple[np.ndarray, ...]:
    generator = retina.generator
    scale = generator.lognormal(0, 0.2) * (0.75 if counts[0][0] is not None else 1.05)
    outlines = []
    for quadrant, count in counts:
        for beside in generator.random(count) < 0.6:
            center = retina.near_vessel(0.12, quadrant) if beside else retina.anywhere(quadrant)
            outlines.append(shapes.outline_haemorrhage(generator, center, retina.anatomy.disc, scale))
    return tuple(outlines)


def _exudates(retina: Placement, clusters: int) -> tuple[np.ndarray, ...]:
    outlines: list[np.ndarray] = []
    for _ in range(clusters):
        center = retina.near(retina.anatomy.fovea, 0.35)
        places, radii = shapes.spread_exudates(retina.generator, center, retina.anatomy.fovea)
        shown = retina.shows(places)
        if shown.any():
            outlines.extend(shapes.outline_specks(retina.generator, places[shown], radii[shown]))
        else:
            outlines.extend(shapes.outline_specks(retina.generator, center[None], radii[:1]))
    return tuple(outlines)


def _soft_exudates(retina: Placement, count: int) -> tuple[np.ndarray, ...]:
    generator = retina.generator
    places = [
        retina.near_vessel(0.12) if generator.random() < 0.6 else retina.near(retina.anatomy.disc, 0.5)
        for _ in range(count)
    ]
    return tuple(shapes.outline_blob(generator, position, generator.uniform(0.018, 0.047), 0.4) for position in places)


def _irma(retina: Placement) -> tuple[tuple[np.ndarray, ...], ...]:
    generator = retina.generator
    quadrants = _some_quadrants(generator, list(range(len(QUADRANTS))), 1)
    return tuple(
        tuple(shapes.tangle(generator, retina.near_vessel(0.1, number), 8, 0.09)) if number in quadrants else ()
        for number in range(len(QUADRANTS))
    )


def _new_vessels(retina: Placement) -> tuple[np.ndarray, ...]:
    """Nets of new vessels at the disc, elsewhere, or both."""
    generator = retina.generator
    disc = retina.anatomy.disc
    at_disc = generator.random() < 0.5 and bool(retina.shows(disc, clear_of_disc=False))
    elsewhere = _number(retina, 1, 3) if not at_disc or generator.random() < 0.4 else 0
    paths: list[np.ndarray] = []
    if at_disc:
        paths += shapes.tangle(generator, disc, _number(retina, 20, 45), generator.uniform(0.12, 0.22))
    for _ in range(elsewhere):
        position = retina.near_vessel(0.08)
        paths += shapes.tangle(generator, position, _number(retina, 14, 34), generator.uniform(0.08, 0.18))
    return tuple(paths)


def _preretinal(retina: Placement) -> tuple[np.ndarray, ...]:
    count = _number(retina, 1, 2)
    return tuple(shapes.outline_boat(retina.generator, retina.anywhere()) for _ in range(count))


def _vitreous(retina: Placement) -> np.ndarray:
    count = _number(retina, 1, 3)
    places = np.array([retina.anywhere() for _ in range(count)])
    return np.column_stack([places, retina.generator.uniform(0.1, 0.28, count)])
