"""The models' answers about one eye: a card for each, and whether they agree."""

import re
from collections.abc import Mapping
from html import escape

import numpy as np

from dr_core.analysis.agreement import Agreement
from dr_core.data.grades import GRADES, TWO_OUTPUTS, Reading, referable_readings, tells_grades
from dr_core.models.setups import Setup
from dr_core.publish.palette import GRADE_RAMP
from dr_ui.parts import ensemble
from dr_ui.parts.operating_point import OperatingPoint, referable_grades
from dr_ui.parts.style import setup_class


def cards_html(
    answers: Mapping[str, np.ndarray], point: OperatingPoint, setups: Mapping[str, Setup], *, grayed: bool = False
) -> str:
    """A card for each model: the most likely grade first, then all grades, then referable or not by every reading.

    Args:
        answers: Set-up -> softmax, float (5,).
        point: The operating point.
        setups: The study's set-ups.
        grayed: Whether the eye is outside what the models know, so that the answers stand in gray.
    """
    cards = (_card(setups[name], softmax, point) for name, softmax in answers.items())
    gray = " lens-grayed" if grayed else ""
    return f'<div class="lens-cards{gray}">{"".join(cards)}</div>'


def _card(setup: Setup, softmax: np.ndarray, point: OperatingPoint) -> str:
    label = escape(setup.label)
    readings = "".join(_reading(setup.name, softmax, reading, point) for reading in referable_readings())
    return (
        f'<section class="lens-card {setup_class(setup.name)}" aria-label="{label}">'
        f'<h2 title="{escape(setup.summary)}">{label}</h2>'
        f"{_grades(softmax)}{readings}</section>"
    )


def _grades(softmax: np.ndarray) -> str:
    """The likeliest grade and the bars of all; of a model that does not tell grades apart, that it does not."""
    if not tells_grades(softmax):
        return f'<p class="lens-answer">–</p><p class="lens-sure">Single grades: {TWO_OUTPUTS}.</p>'
    best = int(softmax.argmax())
    return (
        f'<p class="lens-answer">{GRADES[best]}</p>'
        f'<p class="lens-sure">grade {best}, {100 * softmax[best]:.0f} %</p>{_bars(softmax)}'
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


def _reading(setup: str, softmax: np.ndarray, reading: Reading, point: OperatingPoint) -> str:
    score, threshold = float(reading.score(softmax)), point.threshold_of(setup)
    if np.isnan(score):
        return f'<p class="lens-other" title="{TWO_OUTPUTS}">grades {escape(reading.label)} <span>no answer</span></p>'
    word = "▲ referable" if score >= threshold else "▽ not referable"
    if reading != point.reading:
        if point.chosen:  # the threshold was chosen for the other reading's score
            return f'<p class="lens-other">grades {escape(reading.label)} <span>{score:.2f}</span></p>'
        return (
            f'<p class="lens-other" title="by the other reading: {word[2:]}">{word[0]} grades {escape(reading.label)} '
            f"<span>{score:.2f}</span></p>"
        )
    return (
        f'<p class="lens-verdict" title="probability of grades {referable_grades(reading)}, 0 to 1"><span>{word}</span>'
        f"<b>{score:.2f}</b></p>"
        f'<div class="lens-meter" aria-hidden="true" title="threshold {threshold:.2f}">'
        f'<i style="width:{100 * score:.1f}%"></i>'
        f'<span style="left:{100 * min(threshold, 1.0):.1f}%"></span></div>'
    )


def answers_html(
    answers: Mapping[str, np.ndarray], point: OperatingPoint, setups: Mapping[str, Setup], *, grayed: bool
) -> str:
    """The cards, whether the models agree, and their mean unless the answers stand in gray; as `cards_html`."""
    return (
        cards_html(answers, point, setups, grayed=grayed)
        + agreement_html(point.agree(answers), point, setups, grayed=grayed)
        + ("" if grayed else ensemble.mean_html(answers, point))
    )


def agreement_html(
    agreement: Agreement, point: OperatingPoint, setups: Mapping[str, Setup], *, grayed: bool = False
) -> str:
    """One sentence on whether the models agree, and what the numbers are.

    Args:
        agreement: Who says referable.
        point: The operating point.
        setups: The study's set-ups.
        grayed: Whether the eye is outside what the models know: then they may agree, and it means nothing.
    """
    sentence = agreement_sentence(agreement, setups)
    if grayed:
        sentence = f"Not to be used: {_PLAIN.sub('', sentence)}"
    return (
        f'<div class="lens-agree"><p role="status">{sentence}</p><p class="lens-small">'
        f"Large number: the model's probability that the eye has grade {point.grades}, 0 to 1; referable from the "
        f"{point.range}, the mark on the line. {spread_sentence(agreement)}"
        "Bars: probability of each grade in %, 0 no DR to 4 proliferative.</p></div>"
    )


_PLAIN = re.compile(r"</?b>")


def spread_sentence(agreement: Agreement) -> str:
    """How far the probabilities of several models lie apart; empty where none answers."""
    if np.isnan(agreement.spread):
        return ""
    return f"Highest and lowest probability differ by {agreement.spread:.2f}. "


def agreement_sentence(agreement: Agreement, setups: Mapping[str, Setup]) -> str:
    """Who says referable and who does not, as HTML; a model that does not answer the reading is not counted."""
    positive, negative = (
        [escape(setups[name].label) for name in side] for side in (agreement.referable, agreement.not_referable)
    )
    count = len(positive) + len(negative)
    if not count:
        return "<b>No model answers for this reading.</b>"
    if agreement.unanimous:
        answer = "referable" if positive else "not referable"
        return f"<b>All {count} models agree: {answer}.</b>" if count > 1 else f"<b>The one model says: {answer}.</b>"
    says, does = ("say" if len(positive) > 1 else "says"), ("do" if len(negative) > 1 else "does")
    return (
        f"<b>{count} models: {len(positive)} {says} referable, {len(negative)} {does} not.</b> "
        f"▲ {', '.join(positive)} &ensp; ▽ {', '.join(negative)}"
    )
