"""Running trainings of the open study: how far, how fast, how long still; looked at again every few seconds."""

import math
from datetime import timedelta

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_core.analysis.collapse import describe_collapse
from dr_core.study.folder import Study
from dr_core.training.progress import RunProgress, find_running
from dr_ui.parts import charts
from dr_ui.parts.plain_text import plain
from dr_ui.shell.page import guarded_fragment

_REFRESH_SECONDS = 5
_SHOWN = 4
"""Runs that are drawn; the others are counted."""

_MEASURES = {
    "auc_referable_3": "AUC, grades 3-4",
    "knn_balanced_accuracy": "kNN balanced accuracy",
    "contrast_accuracy": "contrastive accuracy",
    "projection_rankme": "effective rank",
    "accuracy": "validation accuracy",
}
"""Measure beside the loss, the first that a run has."""


def show_runs(study: Study) -> None:
    """Draw the runs that are not at their end, or nothing."""
    if find_running(study.path / "runs"):
        _follow(study)


@guarded_fragment(run_every=_REFRESH_SECONDS)
def _follow(study: Study) -> None:
    runs = find_running(study.path / "runs")
    if not runs:
        st.rerun()  # the last one has ended: its model belongs to the page
    st.html('<h2 class="lens-h2">Running trainings</h2>')
    for run in runs[:_SHOWN]:
        _show_run(study, run)
    if len(runs) > _SHOWN:
        st.caption(f"{len(runs) - _SHOWN} more, last updated earlier.")


def _show_run(study: Study, run: RunProgress) -> None:
    words, chart = st.columns([1.2, 3], gap="small", vertical_alignment="center")
    with words:
        st.progress(len(run.history) / run.epochs, f"**{plain(run.name)}**, {len(run.history)} of {run.epochs} epochs")
        st.caption(_state(run))
    with chart:
        if run.history:
            charts.show(_figure(study, run), f"run-{run.name}", 170)


def _state(run: RunProgress) -> str:
    if run.stalled:
        return f"Nothing written for {_duration(run.silent)}: stopped or killed. The same command resumes it."
    if not run.history:
        return "In its first epoch."
    last = run.history[-1]
    parts = [f"loss {last['loss']:.3f}"] if "loss" in last else []
    parts += [f"{last['images_per_second']:.0f} images a second"] if "images_per_second" in last else []
    parts += [f"about {_duration(run.seconds_left)} left"] if math.isfinite(run.seconds_left) else []
    collapsed = describe_collapse(last)
    return ", ".join(parts) + "." + (f" **Warning:** {collapsed}" if collapsed else "")


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _figure(study: Study, run: RunProgress) -> go.Figure:
    history = pd.DataFrame(run.history)
    measure = next((key for key in _MEASURES if key in history), None)
    setup = study.setups.get(run.name.partition("-f")[0])
    line = {"color": charts.NEUTRAL, "width": 2} if setup is None else charts.setup_line(setup)
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    panels = [("loss", "loss")] + ([(measure, _MEASURES[measure])] if measure else [])
    for column, (key, title) in enumerate(panels, start=1):
        if key in history:
            figure.add_scatter(
                x=history["epoch"], y=history[key], mode="lines+markers", line=line, showlegend=False, row=1, col=column
            )
        figure.update_yaxes(title=title, row=1, col=column, title_font={"size": 11})
        figure.update_xaxes(range=[0.5, run.epochs + 0.5], title="epoch", row=1, col=column)
    return figure
