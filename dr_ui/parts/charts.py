"""Charts in the one language of color and line: hue is the initialization, a solid line contrastive training."""

import plotly.graph_objects as go
import streamlit as st

from dr_core.models.setups import SETUPS


def setup_line(setup: str) -> dict[str, object]:
    """Plotly's `line` of a set-up."""
    dash = SETUPS[setup].line
    return {"color": SETUPS[setup].color, "dash": dash, "width": 2}


def setup_marker(setup: str, size: int = 7) -> dict[str, object]:
    """Plotly's `marker` of a set-up: filled for contrastive training, hollow for supervised."""
    symbol = "circle" if SETUPS[setup].filled else "circle-open"
    color = SETUPS[setup].color
    return {"color": color, "symbol": symbol, "size": size, "line": {"width": 2, "color": color}}


def show(figure: go.Figure, key: str, height: int, *, titled: bool = False) -> None:
    """Draw a chart at a fixed height, so that nothing jumps; the legend stays clear of the titles of its panels."""
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 60 if titled else 30, "b": 10},
        legend={"orientation": "h", "y": 1.08 if titled else 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
    )
    st.plotly_chart(figure, key=key, config={"displaylogo": False, "displayModeBar": False})
