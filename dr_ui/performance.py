"""Parts of the Performance page: few labels, ROC with an operating point, grades, subgroups, disagreement."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.analysis.discrimination import Operation, operate, refer_unsure, roc_points
from dr_core.data.grades import GRADES
from dr_core.models.setups import SETUPS
from dr_core.study.folder import Study
from dr_core.study.measure import GRADED_READINGS, is_graded, read_answers
from dr_ui import charts, tables

_POINTS = 400
"""Most corners of a ROC curve that are drawn."""

_PUBLISHED = {"Gulshan 2016": 0.991, "Voets 2019": 0.951}
"""AUC on EyePACS, Figure 2 of the paper."""

Answers = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Set-up -> labels and scores of one reading."""


def show_page(study: Study) -> None:
    """Everything of the page, or the command that computes it."""
    predictions = tables.read_table(study, "predictions")
    if predictions is None or predictions.empty:
        st.info(
            "This study has no predictions yet; "
            f"`python train_cli.py evaluate --study {study.path} --data STORE` asks its models about prepared eyes."
        )
        return
    first, second, third = st.columns([1.2, 1.4, 1.6], gap="medium")
    with first:
        data = tables.choose_data(study, list(dict.fromkeys(predictions["data"])))
    with second:
        readings = list(GRADED_READINGS)
        reading = st.selectbox("Positive eyes", readings, key="reading", bind="query-params") or readings[0]
    with third:
        specificity = st.slider(
            "Operating point: specificity of at least",
            0.5,
            1.0,
            0.9,
            0.01,
            key="specificity",
            bind="query-params",
            help="Share of healthy eyes that are rightly left alone, 0 to 1. It moves the point on every curve.",
        )
    mine = predictions[predictions["data"] == data]
    answers = {str(setup): read_answers(rows, GRADED_READINGS[reading]) for setup, rows in mine.groupby("setup")}
    answers = {setup: answers[setup] for setup in SETUPS if setup in answers}
    labels = next(iter(answers.values()))[0]
    if not 0 < labels.sum() < len(labels):
        st.warning(f"{reading}: all {len(labels)} eyes are of one class, so that nothing can be told apart.")
        return
    points = {setup: operate(scores, truth, specificity) for setup, (truth, scores) in answers.items()}
    left, right = st.columns(2, gap="medium")
    with left:
        _show_fractions(study, tables.read_table(study, "fractions"), data, reading)
    with right:
        _show_roc(answers, points)
    st.html(_points_html(points))
    _show_more(study, mine, answers, points, reading)


def _show_fractions(study: Study, fractions: pd.DataFrame | None, data: str, reading: str) -> None:
    st.markdown("**AUC with few labels** (Figure 2)")
    if fractions is not None:
        fractions = fractions[(fractions["data"] == data) & (fractions["reading"] == reading)]
    if fractions is None or fractions.empty:
        st.info(
            "No trainings on a share of the labels are measured on these eyes; put them into "
            f"`{study.path}/runs/<set-up>-f<percent>-s<seed>` and run `python train_cli.py evaluate`."
        )
        return
    figure = go.Figure()
    for setup in study.info.setups:
        rows = fractions[fractions["setup"] == setup]
        if rows.empty:
            continue
        spread = rows.groupby("percent")["value"].agg(["mean", "min", "max", "count"]).reset_index()
        figure.add_scatter(
            x=spread["percent"],
            y=spread["mean"],
            name=SETUPS[setup].label,
            mode="lines+markers",
            line=charts.setup_line(setup),
            marker=charts.setup_marker(setup),
            error_y={
                "array": spread["max"] - spread["mean"],
                "arrayminus": spread["mean"] - spread["min"],
                "visible": bool((spread["count"] > 1).any()),
            },
            customdata=spread["count"],
            hovertemplate="%{x} % of the labels<br>AUC %{y:.3f}, %{customdata} seed(s)<extra>%{fullData.name}</extra>",
        )
    for name, value in _PUBLISHED.items():
        figure.add_scatter(
            x=[104], y=[value], name=name, mode="markers", marker={"symbol": "diamond", "size": 10, "color": "gray"}
        )
    figure.update_xaxes(title="share of the training labels, %", range=[0, 108])
    figure.update_yaxes(title="AUC")
    charts.show(figure, "fractions", 330)
    st.caption(
        "Bars: lowest and highest seed. Diamonds: AUC on EyePACS as published, for orientation only: other eyes, grade "
        "2 or worse counts as positive, and Voets averages ten networks split by image."
    )


def _show_roc(answers: Answers, points: Mapping[str, Operation]) -> None:
    st.markdown("**ROC**: sensitivity against false alarms")
    figure = go.Figure()
    for setup, (labels, scores) in answers.items():
        _, sensitivity, specificity = roc_points(scores, labels)
        kept = np.unique(np.linspace(0, len(sensitivity) - 1, min(_POINTS, len(sensitivity))).astype(int))
        figure.add_scatter(
            x=1 - specificity[kept],
            y=sensitivity[kept],
            name=SETUPS[setup].label,
            mode="lines",
            line=charts.setup_line(setup),
            hovertemplate="sensitivity %{y:.3f}<br>false alarms %{x:.3f}<extra>%{fullData.name}</extra>",
        )
        point = points[setup]
        figure.add_scatter(
            x=[1 - point.specificity],
            y=[point.sensitivity],
            mode="markers",
            marker=charts.setup_marker(setup, 12),
            showlegend=False,
            name=SETUPS[setup].label,
        )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": "gray", "width": 1}, name="guessing", showlegend=False
    )
    figure.update_xaxes(title="false alarms (1 - specificity)", range=[-0.01, 1.01])
    figure.update_yaxes(title="sensitivity", range=[-0.01, 1.02])
    charts.show(figure, "roc", 330)


def _points_html(points: Mapping[str, Operation]) -> str:
    cards = "".join(
        f'<section class="lens-card lens-{setup}" aria-label="{SETUPS[setup].label}"><h2>{SETUPS[setup].label}</h2>'
        f"<p><b>sensitivity {point.sensitivity:.2f}</b>, specificity {point.specificity:.2f}</p>"
        f"<p>sick: {point.found} found, {point.missed} missed<br>"
        f"healthy: {point.alarms} false alarms, {point.spared} left alone</p>"
        f"<p>threshold {point.threshold:.3f}</p></section>"
        for setup, point in points.items()
    )
    return f'<div class="lens-cards">{cards}</div>'


def _show_more(
    study: Study, mine: pd.DataFrame, answers: Answers, points: Mapping[str, Operation], reading: str
) -> None:
    numbers, groups, disagreement, referral = st.tabs(
        ["All measures", "By grade and side", "Where they disagree", "Passing on unsure eyes"]
    )
    with numbers:
        _show_measures(study, str(mine["data"].iloc[0]), reading)
    with groups:
        _show_groups(mine, points, reading)
    with disagreement:
        _show_disagreement(mine, reading)
    with referral:
        _show_referral(answers, points)


def _show_measures(study: Study, data: str, reading: str) -> None:
    measured = tables.read_table(study, "performance")
    if measured is None:
        st.info(f"`python train_cli.py evaluate --study {study.path}` measures the predictions.")
        return
    rows = measured[measured["data"] == data].copy()
    rows["shown"] = [
        "cannot be measured" if np.isnan(value) else f"{value:.3f} ({low:.3f} to {high:.3f})"
        for value, low, high in zip(rows["value"], rows["low"], rows["high"], strict=True)
    ]
    labels = [SETUPS[setup].label for setup in SETUPS if setup in set(rows["setup"])]
    rows["setup"] = [SETUPS[setup].label for setup in rows["setup"]]
    wide = rows.pivot_table(
        index=["reading", "measure"], columns="setup", values="shown", aggfunc="first", sort=False
    ).reset_index()
    st.dataframe(wide[["reading", "measure", *labels]], hide_index=True, height=260)
    st.caption(
        "In brackets the 95 % interval from drawing patients. Higher is better, but for calibration_error, which is 0 "
        "where probabilities come true."
    )
    compared = tables.read_table(study, "comparisons")
    if compared is not None:
        compared = compared[(compared["data"] == data) & (compared["reading"] == reading)]
        names = {column: [SETUPS[setup].label for setup in compared[column]] for column in ("setup", "other")}
        st.dataframe(compared.assign(**names).drop(columns=["data", "reading"]), hide_index=True)
        st.caption(
            "Differences of AUC with intervals by patients; p by DeLong's test, which takes eyes as independent."
        )


def _show_groups(mine: pd.DataFrame, points: Mapping[str, Operation], reading: str) -> None:
    parts = {"all": np.ones(len(mine), bool)}
    if is_graded(mine):
        parts |= {f"grade {grade}, {GRADES[grade]}": (mine["grade"] == grade).to_numpy() for grade in range(5)}
    side = mine["eye"].astype(str).str.extract(r"(left|right)$")[0]
    parts |= {f"{name} eye": (side == name).to_numpy() for name in ("right", "left") if (side == name).any()}
    rows = []
    for name, chosen in parts.items():
        part = mine[chosen]
        row: dict[str, object] = {"eyes of": name, "number": part["eye"].nunique() if part.size else 0}
        for setup, point in points.items():
            scores = read_answers(part[part["setup"] == setup], GRADED_READINGS[reading])[1]
            row[SETUPS[setup].label] = float((scores >= point.threshold).mean()) if len(scores) else np.nan
        rows.append(row)
    st.dataframe(pd.DataFrame(rows).round(3), hide_index=True)
    st.caption("Share of eyes that each model calls positive at the operating point, 0 to 1.")


def _show_disagreement(mine: pd.DataFrame, reading: str) -> None:
    scored = mine.assign(score=read_answers(mine, GRADED_READINGS[reading])[1])
    wide = scored.pivot_table(index=["eye", "grade"], columns="setup", values="score", aggfunc="first")
    wide = wide[[setup for setup in SETUPS if setup in wide]]
    spread = (wide.max(axis=1) - wide.min(axis=1)).rename("spread")
    shown = wide.rename(columns={name: setup.label for name, setup in SETUPS.items()}).assign(spread=spread)
    shown = shown.sort_values("spread", ascending=False).head(25).round(3).reset_index()
    st.dataframe(shown, hide_index=True, height=260)
    st.caption("Probability of being positive by each model; spread is the largest minus the smallest, 0 to 1.")


def _show_referral(answers: Answers, points: Mapping[str, Operation]) -> None:
    figure = go.Figure()
    for setup, (labels, scores) in answers.items():
        threshold = points[setup].threshold
        if np.isfinite(threshold):
            curve = refer_unsure(scores, labels, threshold)
            figure.add_scatter(
                x=curve.referred, y=curve.accuracy, name=SETUPS[setup].label, line=charts.setup_line(setup)
            )
    figure.update_xaxes(title="share of eyes passed on to a person, the least sure first")
    figure.update_yaxes(title="right among the kept")
    charts.show(figure, "referral", 280)
