"""The models' answers about one eye: a card for each, and whether they agree."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dr_core.analysis.agreement import Agreement
from dr_core.data.grades import GRADES, ReferableFrom, referable_probability, referable_readings
from dr_core.models.setups import SETUPS
from dr_core.publish.palette import GRADE_RAMP

READINGS: dict[str, ReferableFrom] = {reading.label: reading.positive_from for reading in referable_readings()}
"""Grades that count as referable -> the lowest of them; the paper's first."""


@dataclass(frozen=True)
class Verdict:
    """When an eye is called referable.

    Attributes:
        reading: Key of `READINGS`.
        threshold: Probability from which an eye is called referable, 0..1.
    """

    reading: str
    threshold: float

    @property
    def referable_from(self) -> ReferableFrom:
        """Lowest referable grade."""
        return READINGS[self.reading]

    @property
    def grades(self) -> str:
        """The referable grades, such as "3-4"."""
        return self.reading.split()[0]


def cards_html(answers: Mapping[str, np.ndarray], verdict: Verdict) -> str:
    """Four cards: the most likely grade first, then all grades, then referable or not by both readings."""
    cards = (_card(setup, softmax, verdict) for setup, softmax in answers.items())
    return f'<div class="lens-cards">{"".join(cards)}</div>'


def _card(name: str, softmax: np.ndarray, verdict: Verdict) -> str:
    setup = SETUPS[name]
    best = int(softmax.argmax())
    readings = "".join(_reading(softmax, reading, verdict) for reading in READINGS)
    return (
        f'<section class="lens-card lens-{name}" aria-label="{setup.label}">'
        f'<h2 title="{setup.summary}">{setup.label}</h2>'
        f'<p class="lens-answer">{GRADES[best]}</p>'
        f'<p class="lens-sure">grade {best}, {100 * softmax[best]:.0f} %</p>'
        f"{_bars(softmax)}{readings}</section>"
    )


def _bars(softmax: np.ndarray) -> str:
    shares = ", ".join(f"{grade} {100 * share:.0f} %" for grade, share in zip(GRADES, softmax, strict=True))
    bars = "".join(
        f'<div title="{grade}: {100 * share:.0f} %"><i>{100 * share:.0f}</i>'
        f'<span style="height:{max(2.0, 56 * share):.0f}px;background:{color}"></span></div>'
        for share, color, grade in zip(softmax, GRADE_RAMP, GRADES, strict=True)
    )
    axis = "".join(f"<div>{number}</div>" for number in range(len(GRADES)))
    return (
        f'<div class="lens-bars" role="img" aria-label="Probability of each grade: {shares}">{bars}</div>'
        f'<div class="lens-axis" aria-hidden="true">{axis}</div>'
    )


def _reading(softmax: np.ndarray, reading: str, verdict: Verdict) -> str:
    score = float(referable_probability(softmax, READINGS[reading]))
    yes = score >= verdict.threshold
    word = "▲ referable" if yes else "▽ not referable"
    if reading != verdict.reading:
        return (
            f'<p class="lens-other" title="the other reading: {word[2:]}">{word[0]} grades {reading} '
            f"<span>{score:.2f}</span></p>"
        )
    return (
        f'<p class="lens-verdict" title="probability of grades {reading}, 0 to 1"><span>{word}</span>'
        f"<b>{score:.2f}</b></p>"
        f'<div class="lens-meter" aria-hidden="true"><i style="width:{100 * score:.1f}%"></i>'
        f'<span style="left:{100 * verdict.threshold:.1f}%"></span></div>'
    )


def agreement_html(agreement: Agreement, verdict: Verdict) -> str:
    """One sentence on whether the models agree, and what the numbers are."""
    return (
        f'<div class="lens-agree"><p role="status">{_agreement(agreement)}</p><p class="lens-small">'
        f"Large number: the model's probability that the eye has grade {verdict.grades}, 0 to 1; referable from "
        f"{verdict.threshold:.2f} on, the mark on the line. The models lie {agreement.spread:.2f} apart (0 = one "
        "opinion). Bars: probability of each grade in %, 0 no DR to 4 proliferative.</p></div>"
    )


def _agreement(agreement: Agreement) -> str:
    ayes, noes = ([SETUPS[setup].label for setup in side] for side in (agreement.referable, agreement.not_referable))
    count = len(ayes) + len(noes)
    if agreement.unanimous:
        said = "referable" if ayes else "not referable"
        return f"<b>All {count} models agree: {said}.</b>" if count > 1 else f"<b>The one model says: {said}.</b>"
    says, does = ("say" if len(ayes) > 1 else "says"), ("do" if len(noes) > 1 else "does")
    return (
        f"<b>{count} models: {len(ayes)} {says} referable, {len(noes)} {does} not.</b> "
        f"▲ {', '.join(ayes)} &ensp; ▽ {', '.join(noes)}"
    )
