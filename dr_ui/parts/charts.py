"""Charts in the one language of color and line: hue is the initialization, a solid line self-supervised pretraining."""

from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dr_core.models.setups import Setup
from dr_ui.parts import take_figure

NEUTRAL = "#8a8f98"
"""Of thresholds and other lines that belong to no set-up; readable in both themes."""


def chart_text(text: str) -> str:
    """A stranger's text, such as a label of a study's own, for a chart: plotly would draw tags in it as markup."""
    return escape(text, quote=False)


def setup_line(setup: Setup) -> dict[str, object]:
    """Plotly's `line` of a set-up."""
    return {"color": setup.color, "dash": setup.line, "width": 2}


def setup_marker(setup: Setup, size: int = 7) -> dict[str, object]:
    """Plotly's `marker` of a set-up: filled after self-supervised pretraining, hollow otherwise."""
    symbol = "circle" if setup.filled else "circle-open"
    return {"color": setup.color, "symbol": symbol, "size": size, "line": {"width": 2, "color": setup.color}}


def show(figure: go.Figure, key: str, height: int, *, titled: bool = False, **options: Any) -> None:  # noqa: ANN401
    """Draw a chart and the buttons that take it away.

    Args:
        figure: The chart.
        key: Name of the chart on its page, and in the files' names.
        height: Its height in pixels, fixed so that nothing jumps.
        titled: Whether its panels have titles, of which the legend stays clear.
        **options: Further arguments of `st.plotly_chart`.
    """
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 60 if titled else 30, "b": 10},
        legend={"orientation": "h", "y": 1.08 if titled else 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
    )
    st.plotly_chart(figure, key=key, config=_CONFIG, **options)
    take_figure.offer_chart(key)


_CONFIG = {"displaylogo": False, "displayModeBar": False}
