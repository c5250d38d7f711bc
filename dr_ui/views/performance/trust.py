"""Whether probabilities hold, and when a model should not answer: sets of grades, abstention, warnings."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.calibration import FittedMap
from dr_core.analysis.drawn_intervals import drawn_interval
from dr_core.analysis.grading import Calibration, measure_calibration
from dr_core.analysis.intervals import Interval
from dr_core.experiments.calibration import chosen_maps
from dr_core.models.setups import Setup
from dr_core.study.folder import Study
from dr_ui.parts import calibrated, charts, tables
from dr_ui.parts.roc_chart import Answers
from dr_ui.shell import missing, result_tables
from dr_ui.views.performance import abstention, false_referrals, sets

_DRAWS = 200


def show(study: Study, mine: pd.DataFrame, answers: Answers, reading: str) -> None:
    """Draw the tab.

    Args:
        study: The study.
        mine: Rows of its table `predictions` about one data set.
        answers: Set-up -> labels and scores of the reading.
        reading: The reading.
    """
    eyes, table = calibrated.calibration_eyes(study), result_tables.load_table(study, "calibrations")
    maps = {} if eyes is None or table is None else chosen_maps(table, eyes.key, reading)
    patients = {setup: mine.loc[mine["setup"] == setup, "patient"].astype(str).to_numpy() for setup in answers}
    left, right = st.columns([1, 1.4], gap="medium")
    with left:
        _show_reliability(study, answers, maps, patients)
    with right:
        tables.show(_calibration_table(study, answers, maps, patients), "calibration_error")
        if eyes is None:
            missing.show_missing_table(study, "calibrations")
    with st.expander("What do sets of grades cover on each data set?"):
        sets.show(study, eyes)
    with st.expander("How much is gained by referring the eyes about which a model is least certain?"):
        abstention.show(study, mine, list(answers))
    with st.expander("How many healthy eyes are referred, by warning about the picture?"):
        false_referrals.show(study, str(mine["data"].iloc[0]), reading)


def _show_reliability(
    study: Study, answers: Answers, maps: dict[str, FittedMap], patients: dict[str, np.ndarray]
) -> None:
    setup = st.selectbox(
        "Set-up", list(answers), format_func=lambda name: study.setups[name].label, key="reliability_setup"
    )
    labels, scores = answers[setup or next(iter(answers))]
    name = setup or next(iter(answers))
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": charts.NEUTRAL, "width": 1}, showlegend=False, hoverinfo="skip"
    )
    draws = sample_patients(patients[name], draws=_DRAWS)
    _add_curve(figure, "not calibrated", study.setups[name], measure_calibration(scores, labels, draws), "dot")
    if name in maps:
        after = measure_calibration(maps[name].apply(scores), labels, draws)
        _add_curve(figure, "calibrated", study.setups[name], after, "solid")
    figure.update_xaxes(title="predicted probability", range=[-0.02, 1.02])
    figure.update_yaxes(title="share of positive eyes", range=[-0.02, 1.02])
    charts.show(figure, "calibrated_reliability", 300)
    st.caption("On the diagonal the model is calibrated; below it, the model is overconfident. Bars: 95 % by patients.")


def _add_curve(figure: go.Figure, name: str, setup: Setup, found: Calibration, dash: str) -> None:
    counts, predicted, observed = found.count, found.predicted, found.observed
    used = counts[:, 0] > 0
    with np.errstate(all="ignore"):
        low, high = np.nanpercentile(np.where(counts > 0, observed, np.nan)[used, 1:], [2.5, 97.5], axis=1)
    figure.add_scatter(
        x=predicted[used, 0],
        y=observed[used, 0],
        name=name,
        mode="lines+markers",
        line={"color": setup.color, "dash": dash},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": np.maximum(high - observed[used, 0], 0),
            "arrayminus": np.maximum(observed[used, 0] - low, 0),
            "thickness": 1,
        },
        customdata=counts[used, 0],
        hovertemplate="probability %{x:.2f}, share %{y:.2f}<br>%{customdata} eyes<extra>%{fullData.name}</extra>",
    )


def _calibration_table(
    study: Study, answers: Answers, maps: dict[str, FittedMap], patients: dict[str, np.ndarray]
) -> pd.DataFrame:
    rows = []
    for setup, (labels, scores) in answers.items():
        draws = sample_patients(patients[setup], draws=_DRAWS)
        row = {"set-up": study.setups[setup].label}
        given = {"calibration error (ECE), not calibrated": scores}
        if setup in maps:
            given["calibrated"] = maps[setup].apply(scores)
        for name, values in given.items():
            row[name] = _shown(drawn_interval(measure_calibration(values, labels, draws).error, len(draws.times)))
        rows.append(row)
    return pd.DataFrame(rows)


def _shown(found: Interval) -> str:
    return f"{found.value:.3f} ({min(found.low, found.value):.3f} to {max(found.high, found.value):.3f})"
