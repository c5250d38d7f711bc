"""Whether probabilities hold, what sets of grades cover, and what passing on unsure eyes gains."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_core.analysis.abstention import UNCERTAINTIES, measure_abstention
from dr_core.analysis.bootstrap import sample_patients
from dr_core.analysis.calibration import FittedMap
from dr_core.analysis.drawn_intervals import drawn_interval
from dr_core.analysis.grading import Calibration, measure_calibration
from dr_core.analysis.intervals import Interval, proportion_interval
from dr_core.data.grades import TWO_OUTPUTS, tells_grades
from dr_core.experiments.answers import ANSWERS, is_graded
from dr_core.experiments.calibration import chosen_maps
from dr_core.models.setups import Setup
from dr_core.study.folder import DataSet, Study
from dr_ui.parts import calibrated, charts, tables
from dr_ui.parts.roc_chart import Answers
from dr_ui.shell import missing, result_tables

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
        _show_sets(study, mine, eyes)
        if eyes is None:
            missing.show_missing_table(study, "calibrations")
    with st.expander("How much is gained by passing on the eyes of which a model is least sure?"):
        stamp, data = result_tables.results_stamp(study), str(mine["data"].iloc[0])
        asked = tuple(setup for setup in answers if tells_grades(mine.loc[mine["setup"] == setup, ANSWERS].to_numpy()))
        if not asked:
            st.info(f"Wrong grades: {TWO_OUTPUTS}.")
            return
        tables.show(_abstention_table(stamp, data, asked, study, mine), "abstention")
        st.caption(
            "AURC: mean share of wrong grades over all shares of eyes that are answered, with its 95 % interval by "
            "patients; lower is better. `at random` is the share of wrong grades, `best possible` passes every wrong "
            "answer first."
        )


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
    st.caption("On the diagonal a probability comes true; below it the model is too sure. Bars: 95 % by patients.")


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


def _show_sets(study: Study, mine: pd.DataFrame, eyes: DataSet | None) -> None:
    """Coverage and size of the sets of grades on these eyes."""
    if eyes is None or not is_graded(mine):
        return
    parts = {setup: mine[mine["setup"] == setup] for setup in study.setups if setup in set(mine["setup"])}
    sets = calibrated.grade_sets(study, eyes.key, {name: rows[ANSWERS].to_numpy() for name, rows in parts.items()})
    rows = []
    for setup, members in sets.items():
        hits = members[np.arange(len(members)), parts[setup]["grade"].to_numpy(int)]
        found = proportion_interval(hits, parts[setup]["patient"].astype(str).to_numpy())
        label = study.setups[setup].label
        rows.append({"set-up": label, "covered": _shown(found), "grades in a set": f"{members.sum(axis=1).mean():.2f}"})
    if rows:
        tables.show(pd.DataFrame(rows), "grade_sets")
        st.caption(
            f"Sets of neighboring grades that hold the true one for {100 * calibrated.COVERAGE:.0f} % of eyes like the "
            f"{eyes.images} of {eyes.label or eyes.title}, and what they cover here. On eyes of another camera nothing "
            "is guaranteed; the figure is what was measured."
        )


@st.cache_data(max_entries=32, show_spinner=False)
def _abstention_table(
    stamp: result_tables.ResultsStamp, data: str, setups: tuple[str, ...], _study: Study, _mine: pd.DataFrame
) -> pd.DataFrame:
    study, mine = _study, _mine
    parts = [mine[mine["setup"] == setup] for setup in setups]
    softmax = np.stack([rows[ANSWERS].to_numpy(np.float64) for rows in parts])
    truth, graded = parts[0]["grade"].to_numpy(int), is_graded(mine)
    if not graded:
        truth = parts[0]["has_dr"].to_numpy(bool)
    draws = sample_patients(parts[0]["patient"].astype(str).to_numpy(), draws=_DRAWS)
    named = {study.setups[setup].label: softmax[[number]] for number, setup in enumerate(setups)}
    named |= {"mean of all (ensemble)": softmax} if len(setups) > 1 else {}
    rows = []
    for label, several in named.items():
        answer = several.mean(axis=0)
        wrong = (answer.argmax(axis=1) != truth) if graded else ((1 - answer[:, 0] >= 0.5) != truth)
        row: dict[str, str] = {"model": label}
        for score in UNCERTAINTIES.values():
            if score.several and len(several) == 1:
                row[score.label] = ""
                continue
            found = measure_abstention(score.compute(several), wrong, draws)
            row[score.label] = f"{found.area:.3f} ({found.low:.3f} to {found.high:.3f})"
            row |= {"at random": f"{found.random:.3f}", "best possible": f"{found.oracle:.3f}"}
        rows.append(row)
    return pd.DataFrame(rows)
