"""Robustness over many eyes: Figure 4 from the study's tables, and what it leaves out."""

import math
from collections.abc import Iterator
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.analysis.measures import Measure, measure_label, measures_of, under_damage
from dr_core.corruption import CORRUPTIONS
from dr_core.experiments.robustness import CLEAN, PAIRS, REFERENCE
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.parts import charts, style
from dr_ui.shell import missing, result_tables

_READING = (
    "The paper's reading of its Figure 4 (section 4.3), on EyePACS: from scratch the contrastive model always scores "
    "higher than the supervised one, so it is the more robust; from ImageNet the two are level, with gains for noise, "
    "pixelation and low levels of saturation, and JPEG compression as an outlier."
)


def show(study: Study) -> None:
    """Show the tables, or the command that computes them."""
    differences = result_tables.load_table(study, "robustness_differences")
    summary = result_tables.load_table(study, "robustness_summary")
    if differences is None or summary is None:
        missing.show_missing_table(study, "robustness_summary")
        return
    data = result_tables.choose_data(study, list(dict.fromkeys(summary["data"])))
    differences, summary = differences[differences["data"] == data], summary[summary["data"] == data]
    eyes = int(summary["n"].max())
    pairs = _pairs(study, differences)
    title = escape(result_tables.data_title(study, data))
    st.html(f"<p>{_sentences(differences, pairs)} <small>{title}, {eyes} eyes.</small></p>")
    chart, notes = st.columns([4, 1.3], gap="medium")
    with chart:
        charts.show(_figure4(differences, pairs), "figure4", max(470, 200 * len(pairs)))
    with notes:
        st.html(f'<p class="lens-small">{_READING}</p><p class="lens-small">{_HOW}</p>')
    _show_measures(study, summary, data)


_HOW = (
    "Bars: mean score of the true grade, first set-up minus second, darker for more severe damage; hover for the "
    "95 % interval over patients. Above 0 the first is the more robust. A model that scores higher on clean "
    "eyes starts above 0, so the clean difference stands at the left."
)


Pairs = dict[str, tuple[Setup, Setup]]
"""Key of a comparison in the table -> the two set-ups, the first minus the second."""


def _pairs(study: Study, differences: pd.DataFrame) -> Pairs:
    """The comparisons of the table whose set-ups the study has."""
    partners = {name: (name, setup.partner) for name, setup in study.setups.items()}
    found = {key: (PAIRS | partners).get(key) for key in dict.fromkeys(differences["initialization"].astype(str))}
    return {
        key: (study.setups[pair[0]], study.setups[pair[1]])
        for key, pair in found.items()
        if pair and set(pair) <= set(study.setups)
    }


def _sentences(differences: pd.DataFrame, pairs: Pairs) -> str:
    """In how many cells of the grid one of the two is clearly better: its interval leaves 0 out."""
    sentences = []
    for key, (first, second) in pairs.items():
        part = differences[(differences["initialization"] == key) & (differences["corruption"] != CLEAN)]
        higher, lower = int((part["low"] > 0).sum()), int((part["high"] < 0).sum())
        sentences.append(
            f"{escape(first.label)} scores clearly higher than {escape(second.label)} in {higher} of {len(part)} "
            f"combinations of corruption and severity, clearly lower in {lower}; "
            f"{len(part) - higher - lower} cannot be told apart"
        )
    return f"<b>{'. '.join(sentences)}.</b> Clearly: the 95 % interval over patients leaves 0 out." if sentences else ""


def _figure4(differences: pd.DataFrame, pairs: Pairs) -> go.Figure:
    figure = make_subplots(
        rows=max(len(pairs), 1),
        cols=1,
        shared_xaxes=True,
        shared_yaxes="all",
        vertical_spacing=0.16 / max(len(pairs), 1),
        subplot_titles=[charts.chart_text(f"{first.label} minus {second.label}") for first, second in pairs.values()],
    )
    levels = sorted(set(differences["severity"]) - {0.0})
    for row, (key, (first, _)) in enumerate(pairs.items(), start=1):
        part = differences[differences["initialization"] == key]
        for number, level in enumerate([0.0, *levels]):
            strength = 0.3 + 0.7 * number / max(len(levels), 1)
            color = _translucent(first.color, strength) if level else charts.NEUTRAL
            figure.add_trace(_bars(part[part["severity"] == level], level, color), row=row, col=1)
    figure.update_layout(barmode="group", bargap=0.15, showlegend=False)
    figure.update_yaxes(title="difference", zeroline=True, zerolinewidth=2)
    figure.update_xaxes(tickangle=-40, row=len(pairs), col=1)
    return figure


def _bars(rows: pd.DataFrame, level: float, color: str) -> go.Bar:
    return go.Bar(
        x=[_title(name) for name in rows["corruption"]],
        y=rows["value"],
        name="clean" if level == 0 else f"severity {level:g}",
        marker={"color": color},
        error_y={
            "array": rows["high"] - rows["value"],
            "arrayminus": rows["value"] - rows["low"],
            "thickness": 0.8,
            "width": 0,
        },
        customdata=rows[["low", "high", "severity"]],
        hovertemplate="%{x}, severity %{customdata[2]}: %{y:+.3f} "
        "(%{customdata[0]:+.3f} to %{customdata[1]:+.3f})<extra></extra>",
    )


def _translucent(color: str, strength: float) -> str:
    return f"rgba({', '.join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))}, {strength:.2f})"


def _label(study: Study, name: str) -> str:
    return escape(study.setups[name].label) if name in study.setups else name


def _title(name: str) -> str:
    return CORRUPTIONS[name].label if name in CORRUPTIONS else name


def _show_measures(study: Study, summary: pd.DataFrame, data: str) -> None:
    setups = [name for name in study.setups if name in set(summary["setup"])]
    levels = sorted({float(level) for level in summary["severity"].dropna()} - {0.0})
    rows = [_mean_errors(summary, measure, _label(study, _reference(study))) for measure in measures_of("corruption")]
    for measure, reading in _measured(summary):
        part = summary[(summary["measure"] == measure) & (summary["reading"] == reading)]
        title = f"{measure_label(measure)}{f', {reading}' if reading else ''}"
        for level in [0.0, *levels]:
            of_level = part[part["severity"] == level].groupby("setup")["value"].mean()
            where = "clean" if level == 0 else f"severity {level:g}, mean over corruptions"
            rows.append((f"{title}, {where}", {str(setup): f"{value:.3f}" for setup, value in of_level.items()}))
    moved = result_tables.load_table(study, "robustness_heatmaps")
    if moved is not None:
        for level in sorted(set(moved["severity"]) - {0.0}):
            part = moved[moved["severity"] == level].groupby("setup")["rank_correlation"].mean().dropna()
            title = (
                f"heatmap's rank correlation with the clean one, severity {level:g}, {moved['eye'].nunique()} real eyes"
            )
            rows.append((title, {str(setup): f"{value:.3f}" for setup, value in part.items()}))
    body = "".join(
        f'<tr><th scope="row">{title}</th>'
        + "".join(f"<td>{values.get(setup, '–')}</td>" for setup in setups)
        + "</tr>"
        for title, values in rows
    )
    heads = style.setup_heads(study.setups[name] for name in setups)
    with st.expander("All measures under damage"):
        st.html(
            '<div class="lens-scroll" tabindex="0" role="region" aria-label="Measures under damage">'
            f'<table class="lens-scores lens-falls"><thead><tr><th scope="col">measure</th>{heads}'
            f"</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p class="lens-small">Source: results/robustness_summary.parquet of {study.name}, data set {data}; '
            "intervals stand in the table. Corruption error: wrong grades under a corruption over those of "
            f"{_label(study, _reference(study))}, below 1 is more robust.</p>"
        )


def _measured(summary: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The measures under damage that the table has, each with its reading, in the registry's order."""
    present = set(summary[["measure", "reading"]].drop_duplicates().itertuples(index=False, name=None))
    known = [(measure.name, measure.reading) for measure in measures_of("damage")]
    known += [(measure.name, reading) for measure, reading in under_damage()]
    relative = {measure.name for measure in measures_of("corruption")}
    yield from (one for one in known if one in present)
    yield from sorted(one for one in present - set(known) if one[0] not in relative)


def _mean_errors(summary: pd.DataFrame, measure: Measure, reference: str) -> tuple[str, dict[str, str]]:
    part = summary[(summary["measure"] == measure.name) & (summary["corruption"] == "all")]
    values = {
        str(row["setup"]): f"{row['value']:.3f}"
        + ("" if math.isnan(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})")
        for row in part.to_dict("records")
    }
    return f"mean {measure.label}, relative to {reference}", values


def _reference(study: Study) -> str:
    return REFERENCE if REFERENCE in study.setups else next(iter(study.setups))
