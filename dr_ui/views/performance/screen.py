"""Parts of the Performance page: ROC with an operating point, measures, grades, subgroups, referral."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from dr_cli.commands import render_remedy
from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.discrimination import Operation, Referral, operate, refer_unsure
from dr_core.analysis.grading import count_confusion, measure_calibration
from dr_core.analysis.operating_points import operate_from
from dr_core.data.grades import GRADES, READINGS, TWO_OUTPUTS
from dr_core.errors import Remedy
from dr_core.experiments.answers import ANSWERS, answers_grades, is_graded, read_answers, readings_of
from dr_core.models.setups import Setup
from dr_core.publish.palette import GRADE_RAMP
from dr_core.study.folder import Study
from dr_ui.parts import charts, no_answer, operating_point, roc_chart, tables
from dr_ui.parts.plain_text import plain
from dr_ui.parts.roc_chart import Answers
from dr_ui.shell import missing, result_tables
from dr_ui.shell.navigation import kept_input
from dr_ui.shell.page import guarded_fragment
from dr_ui.views.performance import disagreement, few_labels, groups, measures, patients, trust

_DRAWS = 200
"""Bootstrap draws of what is drawn while somebody waits."""


def show_page(study: Study) -> None:
    """Everything of the page, or the command that computes it."""
    predictions = result_tables.load_table(study, "predictions")
    if predictions is None or predictions.empty:
        missing.show_missing_table(study, "predictions")
        return
    asked = _show_point(study, predictions)
    if asked is not None:
        _show_more(study, *asked)


_ASKED = "performance_asked"
"""Key of the eyes and the reading about which the whole page is."""


@guarded_fragment()
def _show_point(study: Study, predictions: pd.DataFrame) -> tuple[pd.DataFrame, Answers, str] | None:
    """What follows the operating point; a fragment, so that nothing else is drawn again when the point moves.

    Returns:
        The rows of the eyes, the answers about them and the reading; None where nothing can be measured.
    """
    first, second, third, fourth = st.columns([1.1, 0.9, 1.4, 1.2], gap="medium")
    with first:
        data = result_tables.choose_data(study, list(dict.fromkeys(predictions["data"])))
    mine = predictions[predictions["data"] == data]
    with second:
        reading = _choose_reading(mine)
    before, st.session_state[_ASKED] = st.session_state.get(_ASKED), (data, reading)
    if before not in (None, (data, reading)):
        st.rerun()
    answers = _read_answers(study, mine, reading)
    no_answer.show_limits(study)
    if not answers:
        st.info(f"{reading}: {TWO_OUTPUTS}.")
        return None
    with third:
        name, chosen = operating_point.choose_stored(
            study, READINGS[reading], list(answers), "a specificity on these eyes", roc_chart.SPECIFICITY
        )
    with fourth:
        specificity = _choose_specificity(named=bool(name))
    labels = next(iter(answers.values()))[0]
    if not 0 < labels.sum() < len(labels):
        st.warning(f"{reading}: all {len(labels)} eyes are of one class, so that no model can be measured on them.")
        return None
    points = {
        setup: operate_from(scores, truth, chosen[setup]) if name else operate(scores, truth, specificity)
        for setup, (truth, scores) in answers.items()
    }
    _show_curves(study, mine, answers, points, (name, reading))
    return mine, answers, reading


def _read_answers(study: Study, mine: pd.DataFrame, reading: str) -> Answers:
    """Set-up -> labels and scores, in the study's order, of the models that answer the reading."""
    answers = {str(setup): read_answers(rows, reading) for setup, rows in mine.groupby("setup")}
    return {
        setup: answers[setup] for setup in study.setups if setup in answers and not np.isnan(answers[setup][1]).any()
    }


def _show_curves(
    study: Study, mine: pd.DataFrame, answers: Answers, points: Mapping[str, Operation], asked: tuple[str, str]
) -> None:
    """ROC, few labels, and what else follows the point; `asked` is the point's name and the reading."""
    name, reading = asked
    left, right = st.columns([1, 2.05], gap="medium")
    with right:
        moved = f"at {plain(name)}, as measured on these eyes" if name else "drag the point"
        st.markdown(f"**ROC**: {moved}; sensitivity against the false positive rate")
        released = (operating_point.POINT, operating_point.OWN)
        named = list(points.values()) if name else []
        roc_chart.show(answers, study.setups, "operating", released=released, chosen=named)
    with left:
        few_labels.show(study, result_tables.load_table(study, "fractions"), str(mine["data"].iloc[0]), reading)
    with st.expander("At this operating point: flagged eyes by grade, quality and side"):
        _show_groups(study, mine, points, reading)
    with st.expander("At this operating point: selective referral"):
        _show_referral(study, mine, answers, points)


def _choose_specificity(*, named: bool) -> float:
    return st.slider(
        "Specificity of at least",
        0.0,
        1.0,
        0.9,
        0.01,
        **kept_input(roc_chart.SPECIFICITY),
        disabled=named,
        help="Share of negative eyes that are not flagged, 0 to 1. It moves the point on every curve. The point can "
        "also be dragged in the chart, which leaves a named point.",
    )


def _choose_reading(mine: pd.DataFrame) -> str:
    """Name of a reading that the labels of these eyes support; the choice of the other pages stays theirs."""
    readings = {reading.label: reading.name for reading in readings_of(mine)}
    kept = kept_input("reading") if is_graded(mine) else {"key": "reading_by_presence"}
    label = st.selectbox(
        "Positive grades",
        list(readings),
        **kept,
        disabled=len(readings) == 1,
        help="Only readings that the labels support: for some eyes only the presence of DR is known.",
    )
    return readings[label or next(iter(readings))]


def _show_more(study: Study, mine: pd.DataFrame, answers: Answers, reading: str) -> None:
    """What does not follow the operating point."""
    apart, numbers, grades, parts, holds = st.tabs(
        ["Disagreement", "All measures", "Five grades", "Subgroups and patients", "Calibration and sets"]
    )
    with apart:
        disagreement.show(study, mine, reading)
    with numbers:
        measures.show(study, mine, reading)
    with parts:
        groups.show(study, str(mine["data"].iloc[0]), reading)
        patients.show(study, mine, reading)
    with holds:
        trust.show(study, mine, answers, reading)
    with grades:
        _show_grades(study, mine, answers, reading)


def _show_groups(study: Study, mine: pd.DataFrame, points: Mapping[str, Operation], reading: str) -> None:
    rows = []
    known = _join_eyes(result_tables.load_table(study, "eyes"), mine)
    for name, chosen in _parts(known).items():
        part = known[chosen]
        row: dict[str, object] = {"eyes of": name, "number": part["eye"].nunique() if part.size else 0}
        for setup, point in points.items():
            scores = read_answers(part[part["setup"] == setup], reading)[1]
            row[study.setups[setup].label] = float((scores >= point.threshold).mean()) if len(scores) else np.nan
        rows.append(row)
    tables.show(pd.DataFrame(rows).round(3), "groups")
    text = "Share of eyes that each model flags at the operating point, 0 to 1."
    if known["sharpness"].isna().all():
        text += (
            " The quality of these photographs was not measured: prepare them again, which measures it, and evaluate "
            f"the study on them: `{render_remedy(Remedy('prepare data'))}`, "
            f"`{render_remedy(Remedy('evaluate', {'study': str(study.path)}))}`."
        )
    st.caption(text)


def _join_eyes(eyes: pd.DataFrame | None, mine: pd.DataFrame) -> pd.DataFrame:
    """Answers with the side and the quality of each eye; the side is read from the name where the table lacks it."""
    columns = ["side", "sharpness", "luminance", "warnings"]
    if eyes is None:
        known = mine.assign(side="", sharpness=np.nan, luminance=np.nan, warnings=None)
    else:
        known = mine.merge(eyes[["data", "eye", *columns]], on=["data", "eye"], how="left")
    named = known["eye"].astype(str).str.extract(r"(left|right)$")[0]
    return known.assign(side=known["side"].replace("", pd.NA).fillna(named))


def _parts(known: pd.DataFrame) -> dict[str, np.ndarray]:
    """Name of a part of the eyes -> which rows belong to it."""
    parts = {"all": np.ones(len(known), bool)}
    if is_graded(known):
        parts |= {f"grade {grade}, {GRADES[grade]}": (known["grade"] == grade).to_numpy() for grade in range(5)}
    else:
        parts |= {name: (known["has_dr"] == has_dr).to_numpy() for name, has_dr in (("DR", True), ("no DR", False))}
    if known["sharpness"].notna().any():
        good = known["warnings"].eq("").fillna(value=False).to_numpy(bool)
        warned = known["warnings"].notna().to_numpy() & ~good
        parts |= {"photograph without a warning": good, "photograph with a warning": warned}
        for column, low, high in (("sharpness", "blurrier", "sharper"), ("luminance", "darker", "brighter")):
            middle = known[column].median()
            parts |= {
                f"{low} half": (known[column] <= middle).to_numpy(),
                f"{high} half": (known[column] > middle).to_numpy(),
            }
    for side in ("right", "left"):
        if (known["side"] == side).any():
            parts[f"{side} eye"] = (known["side"] == side).fillna(value=False).to_numpy(bool)
    return parts


def _show_grades(study: Study, mine: pd.DataFrame, answers: Answers, reading: str) -> None:
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        if is_graded(mine):
            told_apart = {str(name): answers_grades(rows) for name, rows in mine.groupby("setup")}
            graded = [setup for name, setup in study.setups.items() if told_apart.get(name)]
            if graded:
                _show_confusion(mine, graded)
            else:
                st.info(f"Five grades: {TWO_OUTPUTS}.")
        else:
            st.info("The true grades of these eyes are not known, only whether they have DR.")
    with right:
        _show_reliability(study, answers, reading)


_ACROSS = 4
"""Confusion matrices side by side."""


def _show_confusion(mine: pd.DataFrame, setups: list[Setup]) -> None:
    lines = -(-len(setups) // _ACROSS)
    figure = make_subplots(
        lines,
        min(len(setups), _ACROSS),
        subplot_titles=[charts.chart_text(setup.label) for setup in setups],
        horizontal_spacing=0.04,
        vertical_spacing=0.2,
    )
    for number, setup in enumerate(setups):
        rows = mine[mine["setup"] == setup.name]
        softmax, grades = rows[ANSWERS].to_numpy(), rows["grade"].to_numpy()
        counts = count_confusion(grades, softmax.argmax(axis=1), sample_patients(np.arange(len(rows)), draws=0))[..., 0]
        figure.add_heatmap(
            z=counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
            zmin=0,
            zmax=1,
            text=counts.astype(int),
            texttemplate="%{text}",
            colorscale=[[step / 4, color] for step, color in enumerate(GRADE_RAMP)],
            showscale=False,
            hovertemplate="true grade %{y}, predicted %{x}: %{text} eyes, %{z:.0%} of the grade<extra></extra>",
            row=number // _ACROSS + 1,
            col=number % _ACROSS + 1,
        )
    figure.update_xaxes(title="predicted grade", dtick=1)
    figure.update_yaxes(autorange="reversed", dtick=1)
    figure.update_yaxes(title="true grade", col=1)
    charts.show(figure, "confusion", 300 * lines, titled=True)
    st.caption("Number of eyes by true and predicted grade; darker is a larger share of the true grade.")


def _show_reliability(study: Study, answers: Answers, reading: str) -> None:
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": charts.NEUTRAL, "width": 1}, showlegend=False, hoverinfo="skip"
    )
    for setup, (labels, scores) in answers.items():
        found = measure_calibration(scores, labels, sample_patients(np.arange(len(labels)), draws=0))
        figure.add_scatter(
            x=found.predicted[:, 0],
            y=found.observed[:, 0],
            name=charts.chart_text(study.setups[setup].label),
            mode="lines+markers",
            connectgaps=True,
            line=charts.setup_line(study.setups[setup]),
            marker=charts.setup_marker(study.setups[setup]),
            customdata=found.count[:, 0],
            hovertemplate="probability %{x:.2f}, share %{y:.2f}<br>%{customdata} eyes<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="predicted probability", range=[-0.02, 1.02])
    figure.update_yaxes(title="share of positive eyes", range=[-0.02, 1.02])
    charts.show(figure, "reliability", 300)
    st.caption(f"{reading}. On the diagonal the model is calibrated; below it, the model is overconfident.")


@st.cache_data(max_entries=64, show_spinner=False)
def _referral(scores: np.ndarray, labels: np.ndarray, patients: np.ndarray, threshold: float) -> Referral:
    return refer_unsure(scores, labels, threshold, draws=sample_patients(patients, draws=_DRAWS))


def _show_referral(study: Study, mine: pd.DataFrame, answers: Answers, points: Mapping[str, Operation]) -> None:
    figure = go.Figure()
    for setup, (labels, scores) in answers.items():
        threshold = points[setup].threshold
        if not np.isfinite(threshold):
            continue
        patients = mine.loc[mine["setup"] == setup, "patient"].astype(str).to_numpy()
        curve = _referral(scores, labels, patients, threshold)
        figure.add_scatter(
            x=np.concatenate([curve.referred, curve.referred[::-1]]),
            y=np.concatenate([curve.low, curve.high[::-1]]),
            fill="toself",
            fillcolor=study.setups[setup].color,
            opacity=0.12,
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=curve.referred,
            y=curve.accuracy,
            name=charts.chart_text(study.setups[setup].label),
            line=charts.setup_line(study.setups[setup]),
            mode="lines",
            customdata=np.stack([curve.low, curve.high], axis=1),
            hovertemplate="%{x:.0%} referred, accuracy %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
            "<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="share of eyes referred to a person, the least certain first", tickformat=".0%")
    figure.update_yaxes(title="accuracy on the others")
    charts.show(figure, "referral", 300)
    st.caption(
        "A model answers for the eyes of which it is certain; those nearest to its threshold go to a person. "
        f"Shaded: 95 % intervals from drawing patients {_DRAWS} times. Higher is better."
    )
