"""How well heatmaps lie on lesions: the table beside the control, the sentence, and the curve."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
import torch

from dr_core.analysis.localization import (
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_recall,
)
from dr_core.models.setups import SETUPS
from dr_ui.parts import style

Heatmaps = Mapping[str, torch.Tensor]
"""Set-up -> pooled heatmap, float64 (1, S, S)."""

MEASURES = {
    "mass": (
        "Weight on the lesions",
        "RMA: share of the heatmap's sum on the lesions. 0 to 1, higher is better.",
    ),
    "rank": (
        "Strongest pixels on the lesions",
        "Rank accuracy: of as many strongest pixels as the lesions have, the share on them. 0 to 1, higher is better.",
    ),
    "recall": (
        "Lesions reached",
        "Recall: share of the lesions where the heatmap is above its percentile. 0 to 1, higher is better.",
    ),
}
"""Measure -> its plain name, and what it says."""


@dataclass(frozen=True)
class Row:
    """Scores on one kind of lesion.

    Attributes:
        code: Letters of the lesion.
        name: What is measured.
        share: Share of the view that it covers, 0 to 1, which is the chance level of mass and rank.
        values: Measure -> set-up -> value; NaN where nothing can be measured.
        chance: Measure -> what a random heatmap scores.
    """

    code: str
    name: str
    share: float
    values: dict[str, dict[str, float]]
    chance: dict[str, float]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to measure on."""
        return self.share == 0


def measure(code: str, name: str, heatmaps: Heatmaps, masks: Mapping[str, np.ndarray], percentile: float) -> Row:
    """Score all models on one mask.

    Args:
        code: Letters of the lesion.
        name: What is measured.
        heatmaps: The models' pooled heatmaps.
        masks: Set-up -> bool (S, S), in that model's view.
        percentile: Above which percentile of a heatmap a pixel counts for the recall, 0 to 100.
    """
    share = float(np.mean([mask.mean() for mask in masks.values()]))
    values: dict[str, dict[str, float]] = {key: {} for key in MEASURES}
    for setup, heatmap in heatmaps.items():
        mask = torch.from_numpy(masks[setup])[None]
        some = bool(mask.any())
        values["mass"][setup] = float(relevance_mass_accuracy(heatmap, mask)) if some else math.nan
        values["rank"][setup] = float(relevance_rank_accuracy(heatmap, mask)) if some else math.nan
        values["recall"][setup] = float(relevance_recall(heatmap, mask, percentile)) if some else math.nan
    return Row(code, name, share, values, {"mass": share, "rank": share, "recall": 1 - percentile / 100})


def best_of(values: Mapping[str, float]) -> set[str]:
    """The set-ups with the highest value as it is shown; none where nothing was measured or all are alike."""
    shown = {setup: round(value, _DIGITS) for setup, value in values.items() if not math.isnan(value)}
    best = {setup for setup, value in shown.items() if value == max(shown.values())}
    return best if len(best) < len(values) else set()


_DIGITS = 3


def sentence(row: Row) -> str:
    """The first measure in words, HTML."""
    if row.empty:
        return f"There are no {escape(row.name)} in this eye: nothing to look at, and nothing to measure."
    times = {setup: value / row.share for setup, value in row.values["mass"].items() if not math.isnan(value)}
    if not times:
        return "No model's heatmap has any positive relevance, so its share on the lesions cannot be measured."
    best, worst = max(times, key=times.__getitem__), min(times, key=times.__getitem__)
    said = f"<b>{SETUPS[best].label} puts {times[best]:.1f} times as much weight on {escape(row.name)} as chance would"
    if len(times) == 1:
        return f"{said}.</b>"
    return f"{said}; {SETUPS[worst].label}, the least, {times[worst]:.1f} times.</b>"


def table_html(rows: Sequence[Row], setups: Sequence[str], percentile: float) -> str:
    """All scores, each beside what a random heatmap gets; the best of a row is marked by a triangle and bold digits."""
    heads = "".join(
        f'<th colspan="{len(setups) + 1}" scope="colgroup" title="{told}">{title}{_above(key, percentile)}</th>'
        for key, (title, told) in MEASURES.items()
    )
    names = style.setup_heads(setups)
    chance = '<th scope="col" class="lens-chance" title="What a random heatmap scores">chance</th>'
    body = "".join(_row_html(row, setups) for row in rows)
    return (
        '<div class="lens-scroll" tabindex="0" role="region" aria-label="Scores"><table class="lens-scores"><thead>'
        f'<tr><th rowspan="2" scope="col">lesions</th><th rowspan="2" scope="col">share of<br>the view</th>{heads}</tr>'
        f"<tr>{(chance + names) * len(MEASURES)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _above(key: str, percentile: float) -> str:
    return f" above percentile {percentile:g}" if key == "recall" else ""


def _row_html(row: Row, setups: Sequence[str]) -> str:
    head = f'<th scope="row" title="{escape(row.name)}">{escape(row.code)}</th>'
    if row.empty:
        span = len(MEASURES) * (len(setups) + 1)
        return f'<tr>{head}<td>0</td><td colspan="{span}">no {escape(row.name)} here, nothing to measure</td></tr>'
    cells = "".join(_measure_html(row, key, setups) for key in MEASURES)
    return f"<tr>{head}<td>{100 * row.share:.2f} %</td>{cells}</tr>"


def _measure_html(row: Row, key: str, setups: Sequence[str]) -> str:
    values, chance = row.values[key], row.chance[key]
    best = best_of(values)
    cells = [f'<td class="lens-chance">{_figure(chance)}</td>']
    for setup in setups:
        value = values[setup]
        times = "" if math.isnan(value) or chance <= 0 else _times(value / chance)
        mark = ' class="lens-best" title="the best of the row"' if setup in best else ""
        cells.append(f"<td{mark}>{_figure(value)}<small>{times}</small></td>")
    return "".join(cells)


def _times(ratio: float) -> str:
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.{_DIGITS}f}"


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


def curve_figure(curves: Mapping[str, np.ndarray], percentile: float) -> go.Figure:
    """Recall against percentile, with chance."""
    figure = go.Figure()
    figure.add_scatter(
        x=PERCENTILES,
        y=[1 - value / 100 for value in PERCENTILES],
        name="chance",
        mode="lines",
        line={"color": "#8a8f98", "dash": "dot", "width": 1.5},
    )
    for setup, curve in curves.items():
        dash = SETUPS[setup].line
        color = SETUPS[setup].color
        line = {"color": color, "dash": dash, "width": 2.5}
        figure.add_scatter(x=PERCENTILES, y=curve, name=SETUPS[setup].label, mode="lines", line=line)
    figure.add_vline(x=percentile, line={"width": 1, "color": "#8a8f98"})
    figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "percentile of the heatmap (%)", "range": [0, 100]},
        yaxis={"title": "share of the lesions above it", "range": [0, 1.02]},
        hovermode="x unified",
    )
    return figure
