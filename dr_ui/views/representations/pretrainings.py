"""What the pretrainings learned about DR before any grade was seen: AUC of probes against pretraining length."""

from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.data.grades import READINGS
from dr_core.models.setups import PRETRAINING_LABELS
from dr_core.study.folder import Study
from dr_ui.parts import charts
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input

_PROBES = {"linear": "linear probe", "neighbors": "nearest neighbors"}

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A6A00", "#56B4E9", "#5B3A8E", "#8C564B")
"""Of the pretrainings in their order: Okabe and Ito's, which a color-blind reader tells apart."""


def show(study: Study) -> None:
    """Show the section, or the command that measures it."""
    st.html('<h2 class="lens-h2">What did the pretrainings learn about DR, before any grade?</h2>')
    table = result_tables.load_table(study, "probes")
    if table is None or table.empty:
        missing.show_missing_table(study, "probes", quietly=True)
        return
    table = result_tables.of_shown_data(table)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        known = [name for name in READINGS if name in set(table["reading"])]
        reading = st.selectbox("Reading", known, **kept_input("probe_reading")) or known[0]
    with right:
        probe = st.selectbox("Probe", list(_PROBES), **kept_input("probe"), format_func=_PROBES.__getitem__) or "linear"
    rows = table[(table["reading"] == reading) & (table["probe"] == probe)]
    measured = rows[rows["value"].notna()]
    for warning in dict.fromkeys(rows.loc[rows["value"].isna(), "warning"]):
        st.html(f'<p class="lens-small">No answer: {escape(str(warning))}</p>')
    if measured.empty:
        return
    st.html(f'<p class="lens-sentence">{_compare(measured)}</p>')
    charts.show(_draw(measured), "probes", 340)
    first = measured.iloc[0]
    title = result_tables.data_title(study, str(first["data"]))
    st.caption(
        f"AUC of {reading} by a {_PROBES[probe]} on the frozen features, {int(first['n'])} eyes of {title}, "
        f"{int(first['positives'])} of them positive, of patients not used for fitting; 0.5 is chance, higher is "
        "better. Bars: 95 % intervals by patients. Dotted: the same network with weights not trained on eyes, probed "
        "alike. With one training each, this describes these encoders, not the methods. Source: "
        "results/probes.parquet."
    )


def _label(run: str, method: str) -> str:
    return f"{PRETRAINING_LABELS.get(method, method)} ({run})"


def _compare(measured: pd.DataFrame) -> str:
    """The section's answer: which pretrainings end above the strongest control of their architecture."""
    sentences = []
    for run, rows in measured.groupby("run", sort=False):
        own = rows[rows["features"] == "pretraining"].sort_values("epoch")
        controls = rows[rows["features"] != "pretraining"]
        if own.empty or controls.empty:
            continue
        last, control = own.iloc[-1], controls.sort_values("value").iloc[-1]
        above = float(last["low"]) > float(control["high"])
        below = float(last["high"]) < float(control["low"])
        verdict = "above" if above else "below" if below else "not distinguishable from"
        sentences.append(
            f"<b>{escape(_label(str(run), str(last['method'])))}</b> ends at {last['value']:.2f} after "
            f"{int(last['epoch'])} epochs, {verdict} {escape(str(control['features']))} ({control['value']:.2f})"
        )
    return "; ".join(sentences) + "." if sentences else "No pretraining could be compared with a control."


def _draw(measured: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    furthest = max(1, int(measured["epoch"].max()))
    for number, (run, rows) in enumerate(measured.groupby("run", sort=False)):
        color = _COLORS[number % len(_COLORS)]
        own = rows[rows["features"] == "pretraining"].sort_values("epoch")
        if not own.empty:
            figure.add_scatter(
                x=own["epoch"],
                y=own["value"],
                name=charts.chart_text(_label(str(run), str(own["method"].iloc[0]))),
                mode="lines+markers",
                line={"color": color, "width": 2},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": own["high"] - own["value"],
                    "arrayminus": own["value"] - own["low"],
                    "thickness": 1,
                },
            )
    controls = measured[measured["features"] != "pretraining"].drop_duplicates(["features", "value"])
    shared = controls["features"].nunique() == len(controls)  # all pretrainings begin with the same weights
    for _, control in controls.iterrows():
        whose = "" if shared else f" ({control['run']})"
        figure.add_scatter(
            x=[0, furthest],
            y=[control["value"]] * 2,
            name=charts.chart_text(f"{control['features']}{whose}"),
            mode="lines",
            line={"color": charts.NEUTRAL, "dash": "dot", "width": 2},
        )
    least = float(measured["low"].min())
    figure.update_yaxes(title="AUC of the probe", range=[min(0.4, least - 0.02), 1.01])
    figure.update_xaxes(title="epochs of pretraining", rangemode="tozero")
    return figure
