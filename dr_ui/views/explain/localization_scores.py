"""How well heatmaps lie on lesions: the table beside the strongest control, the headline, the controls, the curve."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import plotly.graph_objects as go
import torch

from dr_core.analysis.controls import CONTROLS, MAP
from dr_core.analysis.explanation import Explanation, Shares, describe_all, explain_map
from dr_core.analysis.localization import pool_random_relevance
from dr_core.data.grades import lesion_code, target_label, total_lesions
from dr_core.data.regions import Regions
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.eyes import cache
from dr_ui.eyes.masked_eye import Specimen
from dr_ui.parts import charts, style
from dr_ui.views.explain import heatmaps
from dr_ui.views.explain.controls import Controlled
from dr_ui.views.explain.heatmaps import Question

Heatmaps = Mapping[str, torch.Tensor]
"""Set-up -> pooled heatmap, float64 (1, S, S)."""

MEASURES = {
    "mass": (
        "Relevance mass (RMA)",
        "Share of the heatmap's sum over the whole view that lies on the lesions. 0 to 1, higher is better.",
    ),
    "rank": (
        "Rank accuracy (RRA, CLEVR-XAI)",
        "Of as many of the most relevant pixels as the lesions have, the share on them. 0 to 1, higher is better.",
    ),
}
"""Measure -> its name, and what it says."""


@dataclass(frozen=True)
class Row:
    """Scores on one kind of lesion.

    Attributes:
        code: Letters of the lesion.
        name: What is measured.
        share: Share of the view that it covers, 0 to 1.
        values: Measure -> set-up -> value; NaN where nothing can be measured.
        controls: Measure -> set-up -> method -> what that control scores; empty where none was drawn.
        explanations: Set-up -> where its relevance lies, beside its controls.
    """

    code: str
    name: str
    share: float
    values: dict[str, dict[str, float]]
    controls: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    explanations: dict[str, Explanation] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to measure on."""
        return self.share == 0

    def strongest(self, key: str, setup: str) -> float:
        """What the strongest control of a set-up scores; NaN where none was drawn."""
        scores = [value for value in self.controls.get(key, {}).get(setup, {}).values() if not math.isnan(value)]
        return max(scores, default=math.nan)

    def best(self, key: str) -> set[str]:
        """The set-ups with the highest value as it is shown, of those that beat their strongest control."""
        shown = {setup: round(value, _DIGITS) for setup, value in self.values[key].items() if not math.isnan(value)}
        top = {setup for setup, value in shown.items() if value == max(shown.values())}
        return {setup for setup in top if shown[setup] > round(self.strongest(key, setup), _DIGITS)}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is explained of each set-up.

    Attributes:
        grade: Name of the target grade.
        probabilities: Set-up -> what it gives this grade.
        regions: Set-up -> the parts of the eye in its view.
        setups: Name -> set-up.
    """

    grade: str
    setups: Mapping[str, Setup]
    probabilities: Mapping[str, float]
    regions: Mapping[str, Regions]


def asked_of(study: Study, specimen: Specimen, question: Question) -> Asked:
    """What is explained of each set-up of a study that knows the grade."""
    models = cache.models(study)
    answers = heatmaps.probabilities(specimen, study, question.protocol)
    prepared, preprocessings = (
        heatmaps.prepare(specimen, study, question.protocol),
        heatmaps.ways_of(study, question.protocol),
    )
    return Asked(
        setups=study.setups,
        grade=target_label(question.target),
        probabilities={
            setup: float(answer[models[setup].info.output_of(question.target)])
            for setup, answer in answers.items()
            if models[setup].info.can_answer(question.target)
        },
        regions={setup: prepared.regions[preprocessing] for setup, preprocessing in preprocessings.items()},
    )


def measure_controlled(
    code: str, name: str, maps: Mapping[str, Controlled], masks: Mapping[str, np.ndarray], asked: Asked
) -> Row:
    """Score all models and all their controls on one mask, by the same code.

    Args:
        code: Letters of the lesion.
        name: What is measured.
        maps: Set-up -> its heatmap and controls.
        masks: Set-up -> bool (S, S), in that model's view.
        asked: What is explained.
    """
    values: dict[str, dict[str, float]] = {key: {} for key in MEASURES}
    controls: dict[str, dict[str, dict[str, float]]] = {key: {} for key in MEASURES}
    explanations = {}
    for setup, controlled in maps.items():
        mask = masks[setup]
        explanations[setup] = explain_map(
            controlled.pooled,
            mask,
            asked.regions[setup],
            label=asked.setups[setup].label,
            name=name,
            grade=asked.grade,
            probability=asked.probabilities[setup],
            note=controlled.note,
        )
        mass = {method: _mass(pooled, mask) for method, pooled in controlled.pooled.items()}
        rank = {method: _rank(controlled.pooled[method], order, mask) for method, order in controlled.order.items()}
        for key, scores in (("mass", mass), ("rank", rank)):
            values[key][setup] = scores[MAP]
            controls[key][setup] = {method: score for method, score in scores.items() if method != MAP}
    return Row(code, name, _mean_share(masks), values, controls, explanations)


def name_lesions(lesions: tuple[str, ...]) -> tuple[str, str]:
    """Letters and name of lesions that are scored together."""
    names = [lesion.replace("_", " ") for lesion in lesions]
    code = "total" if lesions == total_lesions() else "+".join(lesion_code(lesion) for lesion in lesions)
    return code, " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _mean_share(masks: Mapping[str, np.ndarray]) -> float:
    return float(np.mean([mask.mean() for mask in masks.values()]))


def _mass(pooled: np.ndarray, mask: np.ndarray) -> float:
    everything = float(pooled.sum())
    return float(pooled[mask].sum()) / everything if everything > 0 and mask.any() else math.nan


def _rank(pooled: np.ndarray, order: np.ndarray, mask: np.ndarray) -> float:
    """Rank accuracy from an order that was sorted once for all masks."""
    size = int(mask.sum())
    return float(mask.ravel()[order[:size]].mean()) if size and (pooled > 0).any() else math.nan


_DIGITS = 3


def headline(row: Row) -> str:
    """Where the relevance lies, beside the strongest control, HTML."""
    if row.empty:
        return f"There are no {escape(row.name)} in this eye, so there is nothing to measure."
    shares, _, verdict = escape(describe_all(list(row.explanations.values())), quote=False).partition(". ")
    return f"<b>{shares}.</b> {verdict}" if verdict else f"<b>{shares}</b>"


def table_html(rows: Sequence[Row], setups: Mapping[str, Setup]) -> str:
    """All scores, each above its strongest control's; the best of a row is marked where it beats that."""
    heads = "".join(
        f'<th colspan="{len(setups)}" scope="colgroup" title="{text}">{title}</th>' for title, text in MEASURES.values()
    )
    names = style.setup_heads(setups.values())
    body = "".join(_row_html(row, setups) for row in rows)
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Scores">'
        f'<table class="lens-scores"{style.table_width(len(setups) * len(MEASURES))}><thead>'
        f'<tr><th rowspan="2" scope="col">lesions</th><th rowspan="2" scope="col">share of<br>the view</th>{heads}</tr>'
        f"<tr>{names * len(MEASURES)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row_html(row: Row, setups: Mapping[str, Setup]) -> str:
    head = f'<tr><th scope="row" title="{escape(row.name)}">{escape(row.code)}</th>'
    if row.empty:
        span = len(setups) * len(MEASURES)
        return f'{head}<td>0</td><td colspan="{span}">no {escape(row.name)} here, nothing to measure</td></tr>'
    cells = "".join(_measure_html(row, key, setups) for key in MEASURES)
    return f"{head}<td>{100 * row.share:.2f} %</td>{cells}</tr>"


def _measure_html(row: Row, key: str, setups: Mapping[str, Setup]) -> str:
    best = row.best(key)
    cells = []
    for setup in setups:
        mark = ' class="lens-best" title="the best of the row, above its strongest control"' if setup in best else ""
        control = f"<small>{_figure(row.strongest(key, setup))}</small>"
        if setup not in row.values[key]:
            cells.append('<td title="no answer from this model">–<small>–</small></td>')
            continue
        cells.append(f"<td{mark}>{_figure(row.values[key][setup])}{control}</td>")
    return "".join(cells)


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.{_DIGITS}f}"


def controls_html(row: Row, known: Mapping[str, Setup]) -> str:
    """What every control puts on the lesions, and where the heatmaps lie beside them, HTML."""
    setups = list(row.explanations)
    heads = style.setup_heads(known[setup] for setup in setups)
    methods = [MAP, *(method for method in CONTROLS if any(method in row.explanations[one].controls for one in setups))]
    body = "".join(
        f'<tr><th scope="row">{_method_title(method)}</th>'
        + "".join(_share_cell(_shares(row.explanations[setup], method)) for setup in setups)
        + "</tr>"
        for method in methods
    )
    names = {"lesions": escape(row.name), **_PLACES}
    places = "".join(
        _place_row(name, key, row, setups) for key, name in names.items() if key == "lesions" or key != row.code
    )
    notes = "".join(f'<p class="lens-small">{escape(note)}</p>' for note in _notes(row))
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Controls and regions">'
        f'<table class="lens-scores"><caption class="lens-small">Share of the relevance in the field of view on '
        f"{escape(row.name)}</caption><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table>"
        '<table class="lens-scores"><caption class="lens-small">Where the relevance lies; small numbers: the share of '
        f"the field of view that this part covers</caption><thead><tr><th></th>{heads}</tr></thead><tbody>{places}"
        f"</tbody></table></div>{notes}"
    )


_PLACES = {
    "disc": "optic disc",
    "fovea": "central macula",
    "elsewhere": "elsewhere, central macula included",
    "outside": "outside the field of view, of all relevance",
}


def _method_title(method: str) -> str:
    if method == MAP:
        return "the heatmap"
    number = method.removeprefix("untrained-")
    return escape(CONTROLS[method].label + (f" ({int(number) + 1})" if number != method else ""))


def _shares(explanation: Explanation, method: str) -> Shares | None:
    return explanation.shares if method == MAP else explanation.controls.get(method)


def _share_cell(shares: Shares | None) -> str:
    return f"<td>{'–' if shares is None or math.isnan(shares.lesions) else f'{100 * shares.lesions:.1f} %'}</td>"


def _place_row(name: str, key: str, row: Row, setups: Sequence[str]) -> str:
    cells = ""
    for setup in setups:
        share, area = getattr(row.explanations[setup].shares, key), getattr(row.explanations[setup].area, key)
        covers = "" if key == "outside" else f"<small>{100 * area:.1f} %</small>"
        cells += f"<td>{'–' if math.isnan(share) else f'{100 * share:.1f} %'}{covers}</td>"
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _notes(row: Row) -> list[str]:
    return list(dict.fromkeys(one.note for one in row.explanations.values() if one.note))


PERCENTILES = tuple(float(value) for value in (0, 0.5, 1, 2, 5, *range(10, 100, 5), 98, 99, 99.5))
"""Where the curve is measured."""


def recall_curves(heatmaps: Heatmaps, masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Recall of each model at `PERCENTILES`; empty where the mask is.

    The same as `relevance_recall` at each of them, with one sorting of a heatmap instead of one a percentile.
    """
    curves = {}
    for setup, heatmap in heatmaps.items():
        values, mask = heatmap[0].numpy(), masks[setup]
        if mask.any():
            limits = np.percentile(values, PERCENTILES)
            curves[setup] = (values[mask][:, None] > limits).mean(axis=0)
    return curves


def curve_figure(
    curves: Mapping[str, np.ndarray],
    percentile: float,
    setups: Mapping[str, Setup],
    pooling: str,
    masks: Mapping[str, np.ndarray],
) -> go.Figure:
    """Recall against percentile, with that of a random map, pooled and measured in the same way."""
    figure = go.Figure()
    mask = next((masks[setup] for setup in curves), None)
    if mask is not None:
        random = pool_random_relevance((1, *mask.shape), pooling, 0)
        figure.add_scatter(
            x=PERCENTILES,
            y=recall_curves({"": random}, {"": mask}).get("", []),
            name="random map",
            mode="lines",
            line={"color": charts.NEUTRAL, "dash": "dot", "width": 1.5},
        )
    for setup, curve in curves.items():
        line = charts.setup_line(setups[setup]) | {"width": 2.5}
        figure.add_scatter(x=PERCENTILES, y=curve, name=charts.chart_text(setups[setup].label), mode="lines", line=line)
    figure.add_vline(x=percentile, line={"width": 1, "color": charts.NEUTRAL})
    figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "percentile of the heatmap (%)", "range": [0, 100]},
        yaxis={"title": "share of the lesions above it", "range": [0, 1.02]},
        hovermode="x unified",
    )
    return figure
