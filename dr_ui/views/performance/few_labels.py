"""Figure 2 on the Performance page: AUC by the share of the labels, beside published points."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.publish.paper.published import FIGURE_2_POINTS
from dr_core.study.folder import Study
from dr_ui.parts import charts
from dr_ui.shell import missing

_POINT_COLORS = ("#7a7a7a", "#a05a9c")
"""Colors of the reference points of the paper's Figure 2."""


def show(study: Study, fractions: pd.DataFrame | None, data: str, reading: str) -> None:
    """Draw the curves, or say what measures them.

    Args:
        study: The study.
        fractions: Its table `fractions`, if it has one.
        data: Key of the eyes.
        reading: Which eyes count as positive.
    """
    st.markdown("**AUC with few labels** (Figure 2)")
    if fractions is not None:
        fractions = fractions[(fractions["data"] == data) & (fractions["reading"] == reading)]
    if fractions is None or fractions.empty:
        missing.show_missing_table(study, "fractions")
        return
    charts.show(_draw(study, fractions), "fractions", 300)
    st.caption(
        "Bars: 95 % interval over patients, mean of the seeds. Diamonds: published, filled EyePACS, hollow Messidor-2. "
        "Not targets here: other eyes, grade 2 or worse as positive; Voets averages ten networks and splits by image."
    )


def _draw(study: Study, fractions: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    for setup in study.setups.values():
        rows = fractions[fractions["setup"] == setup.name]
        if rows.empty:
            continue
        mean = rows.groupby("percent")[["value", "low", "high"]].mean()
        seeds = rows.groupby("percent")["value"].agg(["count", "min", "max"])
        figure.add_scatter(
            x=mean.index,
            y=mean["value"],
            name=charts.chart_text(setup.label),
            mode="lines+markers",
            line=charts.setup_line(setup),
            marker=charts.setup_marker(setup),
            error_y={
                "array": mean["high"] - mean["value"],
                "arrayminus": mean["value"] - mean["low"],
                "thickness": 1,
                "width": 3,
            },
            customdata=np.hstack([mean[["low", "high"]], seeds]),
            hovertemplate="%{x} % of the labels<br>AUC %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<br>"
            "%{customdata[2]} seed(s), %{customdata[3]:.3f} to %{customdata[4]:.3f}<extra>%{fullData.name}</extra>",
        )
    for point, color in zip(FIGURE_2_POINTS, _POINT_COLORS, strict=True):
        figure.add_scatter(
            x=[104, 109],
            y=[point.eyepacs, point.messidor2],
            name=point.name,
            mode="markers",
            marker={"symbol": ["diamond", "diamond-open"], "size": 10, "color": color, "line": {"width": 2}},
            text=["EyePACS", "Messidor-2"],
            hovertemplate="AUC %{y:.3f} on %{text}, as published<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="share of the training labels, %", range=[0, 114])
    figure.update_yaxes(title="AUC")
    return figure
