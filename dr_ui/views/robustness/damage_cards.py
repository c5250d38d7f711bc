"""The models' answers about a damaged eye: a card for each, with whether its decision flips."""

from collections.abc import Mapping
from html import escape

import numpy as np

from dr_core.analysis.robustness import find_flips
from dr_core.data.grades import GRADES, TWO_OUTPUTS, tells_grades
from dr_core.models.setups import Setup
from dr_core.publish.palette import GRADE_RAMP
from dr_ui.parts import style
from dr_ui.parts.operating_point import OperatingPoint

Softmax = Mapping[str, np.ndarray]
"""Set-up -> softmax, float64 (..., 5)."""


def damage_cards_html(clean: Softmax, damaged: Softmax, point: OperatingPoint, setups: Mapping[str, Setup]) -> str:
    """A card for each model: its answer about the damaged eye beside that about the clean one."""
    cards = "".join(_card(setups[name], clean[name], damaged[name], point) for name in damaged)
    return f'<div class="lens-cards lens-damage">{cards}</div>'


def _card(setup: Setup, clean: np.ndarray, damaged: np.ndarray, point: OperatingPoint) -> str:
    before, after = float(point.score(clean)), float(point.score(damaged))
    label, head = escape(setup.label), f'<section class="lens-card {style.setup_class(setup.name)}" aria-label='
    if np.isnan(after):
        silent = f"Grades {point.grades}: {TWO_OUTPUTS}."
        return f'{head}"{label}"><h2>{label}</h2><p class="lens-sure">{silent}</p></section>'
    threshold = point.threshold_of(setup.name)
    flipped = bool(find_flips(np.array([before]), np.array([after]), threshold)[0])
    word = "▲ referable" if after >= threshold else "▽ not referable"
    flip = '<p class="lens-flip">⚠ decision flips</p>' if flipped else '<p class="lens-sure">as on the clean eye</p>'
    return (
        f'{head}"{label}"><h2>{label}</h2>{_grades(clean, damaged)}'
        f'<p class="lens-verdict">{word}</p><p class="lens-sure"><b>{after:.2f}</b>, clean {before:.2f}</p>{flip}'
        "</section>"
    )


def _grades(clean: np.ndarray, damaged: np.ndarray) -> str:
    if not tells_grades(damaged):
        return f'<p class="lens-sure">Single grades: {TWO_OUTPUTS}.</p>'
    best = int(damaged.argmax())
    return f'<p class="lens-sure">{GRADES[best]}, {100 * damaged[best]:.0f} %</p>{_bars(clean, damaged)}'


def _bars(clean: np.ndarray, damaged: np.ndarray) -> str:
    shares = ", ".join(f"{grade} {100 * share:.0f} %" for grade, share in zip(GRADES, damaged, strict=True))
    bars = "".join(
        f'<div title="{grade}: {100 * now:.0f} %, clean {100 * before:.0f} %">'
        f'<b style="bottom:{44 * before:.0f}px"></b>'
        f'<span style="height:{max(1.0, 44 * now):.0f}px;background:{color}"></span></div>'
        for grade, before, now, color in zip(GRADES, clean, damaged, GRADE_RAMP, strict=True)
    )
    axis = "".join(f"<div>{number}</div>" for number in range(len(GRADES)))
    return (
        f'<div class="lens-bars" role="img" aria-label="Probability of each grade: {shares}">{bars}</div>'
        f'<div class="lens-axis" aria-hidden="true">{axis}</div>'
    )
